// Package jwe opens and makes compact JWE (RFC 7516) for one recipient: RSA-OAEP-256, ECDH-ES and
// ECDH-ES+A256KW on P-256, with A256GCM, and nothing else. What is refused is refused before any
// cryptography, and everything that fails in it fails alike.
package jwe

import (
	"crypto/ecdh"
	"errors"
	"strings"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
)

// Key management algorithms (RFC 7518 §4.3, §4.6) and the content encryption algorithm (§5.3).
const (
	RSAOAEP256   = "RSA-OAEP-256"
	ECDHES       = "ECDH-ES"
	ECDHESA256KW = "ECDH-ES+A256KW"
	A256GCM      = "A256GCM"
)

// Algorithms are all key management algorithms there are.
func Algorithms() []string { return []string{RSAOAEP256, ECDHES, ECDHESA256KW} }

// Errors.
var (
	ErrMalformed = errors.New("jwe: malformed, or of a kind that is not opened")
	ErrOpen      = errors.New("jwe: not opened")
	ErrKey       = errors.New("jwe: unusable key")
)

const (
	ivBytes  = 12
	tagBytes = 16
	cekBytes = 32
)

// Message is a compact JWE taken apart. Nothing of it is authentic yet.
type Message struct {
	Algorithm, KeyID, Type, ContentType string

	apu, apv   string // decoded
	epk        *ecdh.PublicKey
	protected  string // as it came: the additional data
	wrapped    string
	iv         string
	ciphertext string
	tag        string
}

// Split takes a compact JWE apart (RFC 7516 §5.2 steps 1 to 5). The caller has bounded its length. The header
// must name one of Algorithms and A256GCM; compression, criticals and parameters of password-based or symmetric
// key wrapping are refused.
func Split(compact string) (*Message, error) {
	parts := strings.SplitN(compact, ".", 6)
	if len(parts) != 5 {
		return nil, ErrMalformed
	}
	m := &Message{protected: parts[0]}
	header, err := jose.Decode(parts[0])
	if err != nil {
		return nil, ErrMalformed
	}
	for i, into := range []*string{&m.wrapped, &m.iv, &m.ciphertext, &m.tag} {
		if *into, err = jose.Decode(parts[i+1]); err != nil {
			return nil, ErrMalformed
		}
	}
	if len(m.iv) != ivBytes || len(m.tag) != tagBytes {
		return nil, ErrMalformed
	}
	if err := m.readHeader(header); err != nil {
		return nil, ErrMalformed
	}
	return m, nil
}

var names = []string{"alg", "enc", "kid", "typ", "cty", "epk", "apu", "apv", "zip", "crit", "b64", "p2s", "p2c", "iv", "tag"}

func (m *Message) readHeader(header string) error {
	var enc, epk string
	err := strictjson.Members(header, func(name, value string) (err error) {
		switch name {
		case "alg":
			m.Algorithm, err = strictjson.String(value)
		case "enc":
			enc, err = strictjson.String(value)
		case "kid":
			m.KeyID, err = strictjson.String(value)
		case "typ":
			m.Type, err = strictjson.String(value)
		case "cty":
			m.ContentType, err = strictjson.String(value)
		case "apu":
			m.apu, err = decoded(value)
		case "apv":
			m.apv, err = decoded(value)
		case "epk":
			epk = value
		case "zip", "crit", "b64", "p2s", "p2c", "iv", "tag":
			err = ErrMalformed
		default:
			err = jose.CaseVariant(name, names)
		}
		return err
	})
	if err != nil || enc != A256GCM {
		return ErrMalformed
	}
	switch m.Algorithm {
	case RSAOAEP256:
		return nil
	case ECDHES, ECDHESA256KW:
		if m.Algorithm == ECDHES && m.wrapped != "" {
			return ErrMalformed
		}
		m.epk, err = readPoint(epk)
		return err
	}
	return ErrMalformed
}

func decoded(value string) (string, error) {
	s, err := strictjson.String(value)
	if err != nil {
		return "", err
	}
	return jose.Decode(s)
}
