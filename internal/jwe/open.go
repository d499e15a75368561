package jwe

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
)

// Open decrypts m with k, which must serve m.Algorithm. A key that cannot be unwrapped is replaced by a random
// one, so that this failure and a wrong tag are one (RFC 7516 §11.5).
func (m *Message) Open(k PrivateKey) ([]byte, error) {
	if !k.Serves(m.Algorithm) {
		return nil, ErrOpen
	}
	cek := m.ContentKey(k)
	defer clear(cek)
	gcm, err := NewGCM(cek)
	if err != nil {
		return nil, ErrOpen
	}
	plain, err := gcm.Open(nil, nil, []byte(m.iv+m.ciphertext+m.tag), []byte(m.protected))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// ContentKey unwraps the content encryption key of m with k, which must serve m.Algorithm. One that cannot be
// unwrapped is replaced by a random one: only the tag of the content tells (RFC 7516 §11.5).
func (m *Message) ContentKey(k PrivateKey) []byte {
	cek := make([]byte, cekBytes)
	_, _ = rand.Read(cek)
	if !k.Serves(m.Algorithm) {
		return cek
	}
	if unwrapped := m.unwrap(k); len(unwrapped) == cekBytes {
		return unwrapped
	}
	return cek
}

// Envelope identifies the content encryption key of m: messages for which it is the same have the same one.
func (m *Message) Envelope() string {
	var point []byte
	if m.epk != nil {
		point = m.epk.Bytes()
	}
	var b []byte
	for _, s := range []string{m.Algorithm, m.KeyID, string(point), m.apu, m.apv, m.wrapped} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return string(b)
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
		cek := concatKDF(shared, A256GCM, m.apu, m.apv)
		return cek[:]
	}
	derived := concatKDF(shared, ECDHESA256KW, m.apu, m.apv)
	block, err := aes.NewCipher(derived[:])
	if err != nil {
		return nil
	}
	return UnwrapKey(block, []byte(m.wrapped))
}

// NewGCM gives A256GCM (RFC 7518 §5.3) for a content key. It draws a fresh IV for every Seal and puts it before
// the ciphertext, where Open expects it: nobody can choose, and so repeat, one.
func NewGCM(key []byte) (cipher.AEAD, error) {
	if len(key) != cekBytes {
		return nil, ErrKey
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// concatKDF is RFC 7518 §4.6.2 for 256 bits: one round of SHA-256.
func concatKDF(shared []byte, alg, apu, apv string) [cekBytes]byte {
	b := append(append(make([]byte, 0, 128), 0, 0, 0, 1), shared...)
	for _, s := range []string{alg, apu, apv} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	b = binary.BigEndian.AppendUint32(b, 8*cekBytes)
	return sha256.Sum256(b)
}
