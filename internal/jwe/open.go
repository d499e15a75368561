package jwe

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// Open decrypts m with k, which must serve m.Algorithm. A key that cannot be unwrapped is replaced by a random
// one, so that this failure and a wrong tag are one (RFC 7516 §11.5).
func (m *Message) Open(k PrivateKey) ([]byte, error) {
	if !k.Serves(m.Algorithm) {
		return nil, ErrOpen
	}
	cek := make([]byte, cekBytes)
	_, _ = rand.Read(cek)
	if unwrapped := m.unwrap(k); len(unwrapped) == cekBytes {
		cek = unwrapped
	}
	gcm, err := newGCM(cek)
	if err != nil {
		return nil, ErrOpen
	}
	plain, err := gcm.Open(nil, []byte(m.iv), []byte(m.ciphertext+m.tag), []byte(m.protected))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// unwrap gives the content encryption key, or nil.
func (m *Message) unwrap(k PrivateKey) []byte {
	if m.Algorithm == RSAOAEP256 {
		cek, err := rsa.DecryptOAEP(sha256.New(), nil, k.rsa, []byte(m.wrapped), nil)
		if err != nil {
			return nil
		}
		return cek
	}
	shared, err := k.ec.ECDH(m.epk)
	if err != nil {
		return nil
	}
	if m.Algorithm == ECDHES {
		return concatKDF(shared, A256GCM, m.apu, m.apv)
	}
	return keyUnwrap(concatKDF(shared, ECDHESA256KW, m.apu, m.apv), []byte(m.wrapped))
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// concatKDF is RFC 7518 §4.6.2 for 256 bits: one round of SHA-256.
func concatKDF(shared []byte, alg, apu, apv string) []byte {
	b := append([]byte{0, 0, 0, 1}, shared...)
	for _, s := range []string{alg, apu, apv} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	b = binary.BigEndian.AppendUint32(b, 8*cekBytes)
	sum := sha256.Sum256(b)
	return sum[:]
}

// integrity is the initial value of RFC 3394 §2.2.3.1.
var integrity = [8]byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}

// keyWrap is RFC 3394 §2.2.1 for a 256-bit key.
func keyWrap(kek, cek []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	n := len(cek) / 8
	out := append(integrity[:len(integrity):len(integrity)], cek...)
	var b [16]byte
	copy(b[:8], integrity[:])
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[8:], out[8*i:8*i+8])
			block.Encrypt(b[:], b[:])
			subtle.XORBytes(b[:8], b[:8], binary.BigEndian.AppendUint64(nil, uint64(n*j+i)))
			copy(out[8*i:], b[8:])
		}
	}
	copy(out, b[:8])
	return out, nil
}

// keyUnwrap is RFC 3394 §2.2.2 for a 256-bit key; nil when it is not intact.
func keyUnwrap(kek, wrapped []byte) []byte {
	block, err := aes.NewCipher(kek)
	if err != nil || len(wrapped) != cekBytes+8 {
		return nil
	}
	const n = cekBytes / 8
	out := append([]byte(nil), wrapped...)
	var b [16]byte
	copy(b[:8], out[:8])
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			subtle.XORBytes(b[:8], b[:8], binary.BigEndian.AppendUint64(nil, uint64(n*j+i)))
			copy(b[8:], out[8*i:8*i+8])
			block.Decrypt(b[:], b[:])
			copy(out[8*i:], b[8:])
		}
	}
	if subtle.ConstantTimeCompare(b[:8], integrity[:]) != 1 {
		return nil
	}
	return out[8:]
}
