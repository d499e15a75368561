package jose_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/internal/jose"
)

// TestSmallOrderKeys: a key for which anybody can make signatures is nobody's.
func TestSmallOrderKeys(t *testing.T) {
	zeros, ones := strings.Repeat("00", 30), strings.Repeat("ff", 30)
	forged := 0
	for name, y := range map[string]string{
		"0": "00" + zeros + "00", "1": "01" + zeros + "00", "-1": "ec" + ones + "7f", "p": "ed" + ones + "7f", "p+1": "ee" + ones + "7f",
		"order 8":         "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"the other eight": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		for _, sign := range []byte{0, 0x80} {
			key, err := hex.DecodeString(y)
			if err != nil {
				t.Fatal(err)
			}
			key[31] |= sign
			t.Run("RFC9449-4.3-7 "+name, func(t *testing.T) {
				if verifiesUnsigned(key) {
					forged++
				}
				if _, err := jose.ParseKey(`{"kty":"OKP","crv":"Ed25519","x":"` + b64(key) + `"}`); err == nil {
					t.Error("accepted")
				}
			})
		}
	}
	if forged < 8 {
		t.Errorf("forged for %d keys: these are not the points that this test is about", forged)
	}
}

// verifiesUnsigned looks for a text under which the identity and zero are a signature: one in 1, 2, 4 or 8 of them.
func verifiesUnsigned(key ed25519.PublicKey) bool {
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1
	for n := range byte(200) {
		if ed25519.Verify(key, bytes.Repeat([]byte{n}, 8), signature) {
			return true
		}
	}
	return false
}
