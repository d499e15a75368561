package jwe_test

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"testing"

	"github.com/tegata-go/tegata/internal/jwe"
)

// RFC 3394 §4.6: 256 bits of key data under a 256-bit key.
func TestKeyWrapVector(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	kek, err := aes.NewCipher(unhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"))
	if err != nil {
		t.Fatal(err)
	}
	cek := [32]byte(unhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"))
	want := unhex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21")
	if got := jwe.WrapKey([]byte("x"), kek, &cek); !bytes.Equal(got, append([]byte("x"), want...)) {
		t.Errorf("%x", got)
	}
	if got := jwe.UnwrapKey(kek, want); !bytes.Equal(got, cek[:]) {
		t.Errorf("%x", got)
	}
	for i := range want {
		bad := bytes.Clone(want)
		bad[i] ^= 1
		if jwe.UnwrapKey(kek, bad) != nil {
			t.Errorf("byte %d changed, and it is unwrapped", i)
		}
	}
	for _, n := range []int{0, 8, 24, 39, 41, 48} {
		if jwe.UnwrapKey(kek, make([]byte, n)) != nil {
			t.Errorf("%d bytes are unwrapped", n)
		}
	}
}
