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
	wrapped []byte // encoded
	members string
}

// NewEnvelope makes a fresh key and wraps it for k with alg: RSA-OAEP-256 or ECDH-ES+A256KW. ECDH-ES, which has no
// wrapped key, is an envelope of one agreement.
func NewEnvelope(k PublicKey, alg string) (*Envelope, error) {
	if !k.Serves(alg) {
		return nil, ErrKey
	}
	e := &Envelope{}
	room := append(append(make([]byte, 0, 512), `"alg":"`...), alg...) // an alg that the key serves
	room = append(room, `","enc":"`+A256GCM+`"`...)
	if k.ID != "" {
		room = AppendString(append(room, `,"kid":`...), k.ID)
	}
	_, _ = rand.Read(e.cek[:])
	if alg == RSAOAEP256 {
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.rsa, e.cek[:], nil)
		if err != nil {
			return nil, err
		}
		e.members, e.wrapped = string(room), base64.RawURLEncoding.AppendEncode(nil, wrapped)
		return e, nil
	}
	return e, e.agree(k.ec, alg, room)
}

func (e *Envelope) agree(public *ecdh.PublicKey, alg string, room []byte) error {
	ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	shared, err := ephemeral.ECDH(public)
	if err != nil {
		return err
	}
	point := ephemeral.PublicKey().Bytes()
	room = base64.RawURLEncoding.AppendEncode(append(room, `,"epk":{"kty":"EC","crv":"P-256","x":"`...), point[1:33])
	room = base64.RawURLEncoding.AppendEncode(append(room, `","y":"`...), point[33:])
	e.members = string(append(room, `"}`...))
	if alg == ECDHES {
		e.cek = concatKDF(shared, A256GCM, "", "")
		return nil
	}
	derived := concatKDF(shared, ECDHESA256KW, "", "")
	kek, err := aes.NewCipher(derived[:])
	if err != nil {
		return err
	}
	var wrapped [WrappedBytes]byte
	e.wrapped = base64.RawURLEncoding.AppendEncode(nil, WrapKey(wrapped[:0], kek, &e.cek))
	return nil
}

// ContentKey is the content encryption key.
func (e *Envelope) ContentKey() []byte { return e.cek[:] }

// EncryptedKey is the second part of every message, encoded; empty for ECDH-ES.
func (e *Envelope) EncryptedKey() []byte { return e.wrapped }

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
	return protected + "." + string(e.wrapped) + "." + b64(iv) + "." + b64(body) + "." + b64(tag), nil
}

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, _ := json.Marshal(s) // a string is always written
			return append(dst, text...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

func quote(s string) string { return string(AppendString(nil, s)) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
