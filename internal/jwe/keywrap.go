package jwe

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// WrappedBytes is the length of a wrapped content key.
const WrappedBytes = cekBytes + 8

const blocks = cekBytes / 8

// integrity is the initial value of RFC 3394 §2.2.3.1.
var integrity = [8]byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}

// WrapKey appends the 256-bit content key wrapped under kek, which is AES with a 256-bit key: A256KW (RFC 7518
// §4.4, RFC 3394 §2.2.1).
func WrapKey(dst []byte, kek cipher.Block, cek *[cekBytes]byte) []byte {
	from := len(dst)
	dst = append(append(dst, integrity[:]...), cek[:]...)
	out := dst[from:]
	var b [16]byte
	copy(b[:8], integrity[:])
	for j := range 6 {
		for i := 1; i <= blocks; i++ {
			copy(b[8:], out[8*i:8*i+8])
			kek.Encrypt(b[:], b[:])
			step(&b, blocks*j+i)
			copy(out[8*i:], b[8:])
		}
	}
	copy(out, b[:8])
	return dst
}

// UnwrapKey is RFC 3394 §2.2.2 for a 256-bit content key; nil when it is not intact.
func UnwrapKey(kek cipher.Block, wrapped []byte) []byte {
	if len(wrapped) != WrappedBytes {
		return nil
	}
	out := append([]byte(nil), wrapped...)
	var b [16]byte
	copy(b[:8], out[:8])
	for j := 5; j >= 0; j-- {
		for i := blocks; i >= 1; i-- {
			step(&b, blocks*j+i)
			copy(b[8:], out[8*i:8*i+8])
			kek.Decrypt(b[:], b[:])
			copy(out[8*i:], b[8:])
		}
	}
	if subtle.ConstantTimeCompare(b[:8], integrity[:]) != 1 {
		return nil
	}
	return out[8:]
}

// step adds the number of the step to the first half.
func step(b *[16]byte, t int) {
	binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(t))
}
