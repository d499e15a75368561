package jwe

import (
	"crypto/aes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
)

// Envelope is a content encryption key that was wrapped for one recipient, and the header that says how. It may
// seal many values: each takes its own random 96-bit IV (RFC 7518 §5.3).
type Envelope struct {
	cek     [cekBytes]byte
	wrapped string // encoded
	members string
}

// NewEnvelope makes a fresh key and wraps it for k with alg: RSA-OAEP-256 or ECDH-ES+A256KW. ECDH-ES, which has no
// wrapped key, is an envelope of one agreement.
func NewEnvelope(k PublicKey, alg string) (*Envelope, error) {
	if !k.Serves(alg) {
		return nil, ErrKey
	}
	e := &Envelope{members: `"alg":` + quote(alg) + `,"enc":"` + A256GCM + `"`}
	if k.ID != "" {
		e.members += `,"kid":` + quote(k.ID)
	}
	_, _ = rand.Read(e.cek[:])
	if alg == RSAOAEP256 {
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.rsa, e.cek[:], nil)
		if err != nil {
			return nil, err
		}
		e.wrapped = b64(wrapped)
		return e, nil
	}
	return e, e.agree(k.ec, alg)
}

func (e *Envelope) agree(public *ecdh.PublicKey, alg string) error {
	ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	shared, err := ephemeral.ECDH(public)
	if err != nil {
		return err
	}
	point := ephemeral.PublicKey().Bytes()
	e.members += `,"epk":{"kty":"EC","crv":"P-256","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}`
	if alg == ECDHES {
		copy(e.cek[:], concatKDF(shared, A256GCM, "", ""))
		return nil
	}
	kek, err := aes.NewCipher(concatKDF(shared, ECDHESA256KW, "", ""))
	if err != nil {
		return err
	}
	e.wrapped = b64(WrapKey(nil, kek, &e.cek))
	return nil
}

// ContentKey is the content encryption key.
func (e *Envelope) ContentKey() []byte { return e.cek[:] }

// EncryptedKey is the second part of every message, encoded; empty for ECDH-ES.
func (e *Envelope) EncryptedKey() string { return e.wrapped }

// Members are what the protected header of every message holds, as JSON without the braces: alg, enc, kid, epk, in
// this order and always with the same bytes.
func (e *Envelope) Members() string { return e.members }

// Seal makes one compact JWE of plain. More is put into the protected header behind Members, in the order of the
// names, which must not be any of theirs.
func (e *Envelope) Seal(plain []byte, more map[string]string) (string, error) {
	header := e.members
	for _, name := range slices.Sorted(maps.Keys(more)) {
		header += "," + quote(name) + ":" + quote(more[name])
	}
	gcm, err := NewGCM(e.cek[:])
	if err != nil {
		return "", err
	}
	protected := b64([]byte("{" + header + "}"))
	sealed := gcm.Seal(nil, nil, plain, []byte(protected))
	iv, body, tag := sealed[:ivBytes], sealed[ivBytes:len(sealed)-tagBytes], sealed[len(sealed)-tagBytes:]
	return protected + "." + e.wrapped + "." + b64(iv) + "." + b64(body) + "." + b64(tag), nil
}

func quote(s string) string {
	text, _ := json.Marshal(s) // a string is always written
	return string(text)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
