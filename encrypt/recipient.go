package encrypt

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/tegata-go/tegata/internal/jwe"
)

// maxUnwraps is how many content keys that were wrapped to a public key are opened in one message: each
// takes a private key operation.
const maxUnwraps = 32

// Recipient is somebody's public key: what is sealed to it only they can open. It never changes and may
// be shared.
type Recipient struct {
	key       jwe.PublicKey
	algorithm string
}

// NewRecipient reads a client's JWK set (RFC 7517 §5) and takes the first key that is meant for encryption
// (use "enc", or an alg below) and can be used; of a set in which no key says what it is for, the first
// that can be used. EC keys on P-256 are used with ECDH-ES+A256KW, or ECDH-ES if alg says so (RFC 7518
// §4.6), RSA keys of 2048 to 4096 bits with RSA-OAEP-256 (§4.3); the content with A256GCM (§5.3).
// RSA1_5 and RSA-OAEP with SHA-1 are not used.
func NewRecipient(jwkSet []byte) (*Recipient, error) {
	if len(jwkSet) > maxKeySet {
		return nil, fmt.Errorf("encrypt: key set of more than %d bytes", maxKeySet)
	}
	keys, err := jwe.ParsePublicSet(string(jwkSet))
	if err != nil {
		return nil, errors.New("encrypt: not a JWK set")
	}
	for _, k := range keys {
		if badKeyID(k.ID) == "" {
			return &Recipient{key: k, algorithm: k.Default()}, nil
		}
	}
	return nil, errors.New("encrypt: no encryption key in the JWK set")
}

// Always gives r for every request: a Config.Recipient for one reader.
func (r *Recipient) Always(*http.Request) (*Recipient, error) { return r, nil }

// Format writes no more than that this is a recipient, whatever the verb.
func (r *Recipient) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "encrypt.Recipient") }

// sealing makes a content key for one message and wraps it.
func (r *Recipient) sealing() (*content, error) {
	if r.algorithm == "" {
		return nil, why("a Recipient made without NewRecipient")
	}
	e, err := jwe.NewEnvelope(r.key, r.algorithm)
	if err != nil {
		return nil, err
	}
	defer clear(e.ContentKey())
	c, err := newContent(e.ContentKey(), e.Members(), e.EncryptedKey())
	if err != nil {
		return nil, err
	}
	c.names = true
	return c, nil
}

// PrivateKeys open what was sealed to our public keys. They never change, may be shared, and never show
// themselves.
type PrivateKeys struct{ keys []jwe.PrivateKey }

// ParsePrivateKeys reads a private JWK set: EC keys on P-256 and RSA keys of 2048 to 4096 bits, of which
// an alg, if there is one, is the only one the key opens. Every key must be usable; several need
// different kids.
func ParsePrivateKeys(jwkSet []byte) (*PrivateKeys, error) {
	if len(jwkSet) > maxKeySet {
		return nil, fmt.Errorf("encrypt: key set of more than %d bytes", maxKeySet)
	}
	keys, err := jwe.ParsePrivateSet(string(jwkSet))
	if err != nil {
		return nil, errors.New("encrypt: not a JWK set of usable private keys")
	}
	for i, k := range keys {
		for j, other := range keys[:i] {
			if k.ID == other.ID {
				return nil, fmt.Errorf("encrypt: private keys %d and %d have the same kid, or none", j, i)
			}
		}
	}
	return &PrivateKeys{keys: keys}, nil
}

// Format writes no more than that these are keys, whatever the verb.
func (p *PrivateKeys) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "encrypt.PrivateKeys"+redacted)
}

// find gives the key of an ID. A message that names none may be opened by an only key.
func (p *PrivateKeys) find(id, algorithm string) (k jwe.PrivateKey, ok bool) {
	if p == nil {
		return k, false
	}
	for _, k := range p.keys {
		if (k.ID == id || id == "" && len(p.keys) == 1) && k.Serves(algorithm) {
			return k, true
		}
	}
	return k, false
}
