package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tegata-go/tegata/internal/jwe"
)

const maxDecryptKeys = 4 // tried for a token that names none

// EncryptedConfig configures NewEncrypted.
type EncryptedConfig struct {
	_ [0]func()

	// Keys is the JWK set of our private keys: RSA of 2048 to 4096 bits, or EC on P-256. Required.
	Keys []byte

	// Signed resolves the token inside: a JWT, or Issuers. Encryption to a public key proves nothing about who
	// made a token, so there is always a signature inside. Required.
	Signed Resolver

	// Algorithms for the content key: RSA-OAEP-256, ECDH-ES, ECDH-ES+A256KW. Empty: all three. The content is
	// always A256GCM.
	Algorithms []string
}

// Encrypted resolves signed tokens that were encrypted to this resource server (RFC 9068 §4 step 2, RFC 7519 §5.2):
// compact JWE around a compact JWS.
type Encrypted struct {
	keys       []jwe.PrivateKey
	signed     Resolver
	algorithms []string
}

// NewEncrypted makes a Resolver, or reports every mistake in c at once.
func NewEncrypted(c EncryptedConfig) (*Encrypted, error) {
	e := &Encrypted{signed: c.Signed, algorithms: slices.Clone(c.Algorithms)}
	if len(e.algorithms) == 0 {
		e.algorithms = jwe.Algorithms()
	}
	var all []error
	if c.Signed == nil {
		all = append(all, errors.New("token: EncryptedConfig.Signed is required"))
	}
	for _, alg := range e.algorithms {
		if !slices.Contains(jwe.Algorithms(), alg) {
			all = append(all, fmt.Errorf("token: EncryptedConfig.Algorithms: %q is not one of %v", alg, jwe.Algorithms()))
		}
	}
	var err error
	if e.keys, err = jwe.ParsePrivateSet(string(c.Keys)); err != nil {
		all = append(all, errors.New("token: EncryptedConfig.Keys is not a set of usable private keys"))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return e, nil
}

// Resolve opens raw and resolves what is inside. Everything that cannot be opened is ErrDecryption.
func (e *Encrypted) Resolve(ctx context.Context, raw string) (*Claims, error) {
	m, err := jwe.Split(raw)
	switch {
	case err != nil:
		return nil, ErrMalformed
	case !slices.Contains(e.algorithms, m.Algorithm):
		return nil, ErrAlgorithm
	case !isNested(m.ContentType):
		return nil, ErrType
	}
	inner, err := e.open(m)
	if err != nil {
		return nil, err
	}
	if shapeOf(inner) != shapeJWS {
		return nil, ErrMalformed
	}
	return e.signed.Resolve(ctx, inner)
}

func (e *Encrypted) open(m *jwe.Message) (string, error) {
	tried := 0
	for _, k := range e.keys {
		if !k.Serves(m.Algorithm) || m.KeyID != "" && m.KeyID != k.ID {
			continue
		}
		if tried++; tried > maxDecryptKeys {
			break
		}
		if plain, err := m.Open(k); err == nil {
			return string(plain), nil
		}
	}
	return "", ErrDecryption
}

// isNested is RFC 7519 §5.2: cty of a nested JWT is "JWT"; authorization servers also write the inner type.
func isNested(cty string) bool {
	cty = strings.TrimPrefix(strings.ToLower(cty), "application/")
	return cty == "" || cty == "jwt" || cty == "at+jwt"
}
