package encrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
)

// newGCM gives AES-256-GCM. In FIPS 140-3 mode only IVs that the module draws itself are approved (it then takes
// none); otherwise they come from ivs, which costs less than half.
func newGCM(key []byte) (cipher.AEAD, error) {
	if len(key) != secretSize {
		return nil, why("a key of another size")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if fips140.Enabled() {
		return cipher.NewGCMWithRandomNonce(block)
	}
	return cipher.NewGCM(block)
}

// encryptGCM appends IV, ciphertext and tag to dst, which is empty.
func encryptGCM(aead cipher.AEAD, from *ivs, dst, plain, header []byte) []byte {
	if aead.NonceSize() == 0 {
		return aead.Seal(dst, nil, plain, header)
	}
	dst = from.next(dst)
	return aead.Seal(dst, dst[:ivSize], plain, header)
}

// decryptGCM opens what encryptGCM made, in its place.
func decryptGCM(aead cipher.AEAD, sealed, header []byte) ([]byte, error) {
	if aead.NonceSize() == 0 {
		return aead.Open(sealed[:0], nil, sealed, header)
	}
	return aead.Open(sealed[ivSize:ivSize], sealed[:ivSize], sealed[ivSize:], header)
}

// mostIVs is how many are drawn at once.
const mostIVs = 32

// ivs are random IVs of 96 bits (NIST SP 800-38D §8.2.2). Those of one piece of a message are drawn several at a
// time and dropped with the piece: if the machine is copied while they are kept, then so is the piece, and each
// copy seals the same bytes with them.
type ivs struct {
	drawn [mostIVs * ivSize]byte
	left  []byte
	size  int // of the last draw, in bytes
}

// next appends one.
func (v *ivs) next(dst []byte) []byte {
	if v == nil {
		var iv [ivSize]byte
		_, _ = rand.Read(iv[:])
		return append(dst, iv[:]...)
	}
	if len(v.left) == 0 {
		v.size = min(2*v.size+ivSize, len(v.drawn)) // a message of few values does not pay for many
		v.left = v.drawn[:v.size]
		_, _ = rand.Read(v.left)
	}
	dst = append(dst, v.left[:ivSize]...)
	v.left = v.left[ivSize:]
	return dst
}

// drop ends a piece.
func (v *ivs) drop() { v.left, v.size = nil, 0 }
