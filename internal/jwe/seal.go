package jwe

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

// Envelope is a content encryption key that was wrapped for one recipient, and the header that says how. It may
// seal many values: each takes its own random 96-bit IV (RFC 7518 §5.3).
type Envelope struct {
	cek     []byte
	wrapped string // encoded
	header  map[string]any
}

// NewEnvelope makes a fresh key and wraps it for k with alg: RSA-OAEP-256 or ECDH-ES+A256KW. ECDH-ES, which has no
// wrapped key, is an envelope of one agreement.
func NewEnvelope(k PublicKey, alg string) (*Envelope, error) {
	if !k.Serves(alg) {
		return nil, ErrKey
	}
	e := &Envelope{cek: make([]byte, cekBytes), header: map[string]any{"alg": alg, "enc": A256GCM}}
	if k.ID != "" {
		e.header["kid"] = k.ID
	}
	_, _ = rand.Read(e.cek)
	if alg == RSAOAEP256 {
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.rsa, e.cek, nil)
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
	e.header["epk"] = map[string]string{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	if alg == ECDHES {
		e.cek = concatKDF(shared, A256GCM, "", "")
		return nil
	}
	wrapped, err := keyWrap(concatKDF(shared, ECDHESA256KW, "", ""), e.cek)
	e.wrapped = b64(wrapped)
	return err
}

// Seal makes one compact JWE of plain. More is put into the protected header beside what the envelope needs.
func (e *Envelope) Seal(plain []byte, more map[string]string) (string, error) {
	header := make(map[string]any, len(e.header)+len(more))
	for name, value := range more {
		header[name] = value
	}
	for name, value := range e.header {
		header[name] = value
	}
	text, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	gcm, err := newGCM(e.cek)
	if err != nil {
		return "", err
	}
	protected := b64(text)
	var iv [ivBytes]byte
	_, _ = rand.Read(iv[:])
	sealed := gcm.Seal(nil, iv[:], plain, []byte(protected))
	body, tag := sealed[:len(sealed)-tagBytes], sealed[len(sealed)-tagBytes:]
	return protected + "." + e.wrapped + "." + b64(iv[:]) + "." + b64(body) + "." + b64(tag), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
