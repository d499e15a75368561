package jwe

import (
	"crypto/ecdh"
	"crypto/rsa"
	"math/big"
	"slices"
	"strings"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
)

// PrivateKey opens messages.
type PrivateKey struct {
	ID        string
	Algorithm string // the only one it opens; empty: every one that fits its kind
	ec        *ecdh.PrivateKey
	rsa       *rsa.PrivateKey
}

// PublicKey is whom messages are made for.
type PublicKey struct {
	ID        string
	Algorithm string // empty: every one that fits its kind
	ec        *ecdh.PublicKey
	rsa       *rsa.PublicKey
}

// String names the key and nothing of it.
func (k PrivateKey) String() string { return "jwe.PrivateKey " + k.ID }

// GoString is String.
func (k PrivateKey) GoString() string { return k.String() }

func serves(alg, own string, isRSA bool) bool {
	if own != "" && own != alg {
		return false
	}
	return isRSA == (alg == RSAOAEP256)
}

// Serves is true when the key may open alg.
func (k PrivateKey) Serves(alg string) bool { return serves(alg, k.Algorithm, k.rsa != nil) }

// Serves is true when messages may be made for the key with alg.
func (k PublicKey) Serves(alg string) bool { return serves(alg, k.Algorithm, k.rsa != nil) }

// jwk is what this package looks at in a JWK (RFC 7517 §4, RFC 7518 §6).
type jwk struct{ kty, kid, alg, use, crv, x, y, d, n, e, p, q string }

func (k *jwk) field(name string) *string {
	fields := map[string]*string{"kty": &k.kty, "kid": &k.kid, "alg": &k.alg, "use": &k.use, "crv": &k.crv, "x": &k.x, "y": &k.y,
		"d": &k.d, "n": &k.n, "e": &k.e, "p": &k.p, "q": &k.q}
	return fields[name]
}

var members = []string{"kty", "kid", "alg", "use", "crv", "x", "y", "d", "n", "e", "p", "q", "k", "oth"}

func readJWK(text string) (*jwk, error) {
	k := new(jwk)
	err := strictjson.Members(text, func(name, value string) error {
		if name == "k" || name == "oth" {
			return ErrKey
		}
		field := k.field(name)
		if field == nil {
			return jose.CaseVariant(name, members)
		}
		s, err := strictjson.String(value)
		if err != nil || s == "" {
			return ErrKey
		}
		*field = s
		return nil
	})
	if err != nil || k.use != "" && k.use != "enc" {
		return nil, ErrKey
	}
	return k, nil
}

// ParsePrivateSet reads a private JWK set. Every key must be usable: the set is our own.
func ParsePrivateSet(set string) ([]PrivateKey, error) {
	var keys []PrivateKey
	err := elements(set, func(text string) error {
		k, err := readJWK(text)
		if err != nil {
			return err
		}
		key := PrivateKey{ID: k.kid, Algorithm: k.alg}
		switch k.kty {
		case "EC":
			key.ec, err = k.ecPrivate()
		case "RSA":
			key.rsa, err = k.rsaPrivate()
		default:
			err = ErrKey
		}
		keys = append(keys, key)
		return err
	})
	if err != nil || len(keys) == 0 {
		return nil, ErrKey
	}
	return keys, nil
}

// ParsePublicSet reads the encryption keys of somebody else's set: those that say so by use or alg, or, if none
// does, those that say neither. What is none is left out.
func ParsePublicSet(set string) ([]PublicKey, error) {
	var keys, silent []PublicKey
	err := elements(set, func(text string) error {
		k, err := readJWK(text)
		if err != nil || k.d != "" || k.alg != "" && !slices.Contains(Algorithms(), k.alg) {
			return nil //nolint:nilerr // one bad key does not spoil the others
		}
		key := PublicKey{ID: k.kid, Algorithm: k.alg}
		switch k.kty {
		case "EC":
			key.ec, err = k.ecPublic()
		case "RSA":
			key.rsa, err = k.rsaPublic()
		default:
			err = ErrKey
		}
		if err != nil || key.Algorithm != "" && !key.Serves(key.Algorithm) {
			return nil //nolint:nilerr // the same
		}
		if k.use == "" && k.alg == "" {
			silent = append(silent, key)
		} else {
			keys = append(keys, key)
		}
		return nil
	})
	if err != nil {
		return nil, ErrKey
	}
	if len(keys) == 0 {
		return silent, nil
	}
	return keys, nil
}

// Default is the algorithm with which messages are made for the key: its own, else ECDH-ES+A256KW or RSA-OAEP-256.
func (k PublicKey) Default() string {
	switch {
	case k.Algorithm != "":
		return k.Algorithm
	case k.rsa != nil:
		return RSAOAEP256
	}
	return ECDHESA256KW
}

func elements(set string, element func(string) error) error {
	n := 0
	return strictjson.Skim(set, func(name, value string) error {
		if name != "keys" {
			return nil
		}
		return strictjson.SkimElements(value, func(text string) error {
			if n++; n > jose.MaxKeys {
				return ErrKey
			}
			return element(text)
		})
	})
}

func readPoint(text string) (*ecdh.PublicKey, error) {
	k, err := readJWK(text)
	if err != nil || k.kty != "EC" || k.d != "" {
		return nil, ErrKey
	}
	return k.ecPublic()
}

// ecPublic checks that the point is on the curve (RFC 7518 §6.2.1, and against invalid-curve attacks).
func (k *jwk) ecPublic() (*ecdh.PublicKey, error) {
	x, errX := jose.Decode(k.x)
	y, errY := jose.Decode(k.y)
	if k.crv != "P-256" || errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return nil, ErrKey
	}
	public, err := ecdh.P256().NewPublicKey([]byte("\x04" + x + y))
	if err != nil {
		return nil, ErrKey
	}
	return public, nil
}

func (k *jwk) ecPrivate() (*ecdh.PrivateKey, error) {
	public, err := k.ecPublic()
	if err != nil {
		return nil, err
	}
	d, err := jose.Decode(k.d)
	if err != nil || len(d) != 32 {
		return nil, ErrKey
	}
	private, err := ecdh.P256().NewPrivateKey([]byte(d))
	if err != nil || !private.PublicKey().Equal(public) {
		return nil, ErrKey
	}
	return private, nil
}

func number(s string) *big.Int {
	b, err := jose.Decode(s)
	if err != nil || strings.HasPrefix(b, "\x00") {
		return new(big.Int)
	}
	return new(big.Int).SetBytes([]byte(b))
}

func (k *jwk) rsaPublic() (*rsa.PublicKey, error) {
	n, e := number(k.n), number(k.e)
	if n.BitLen() < 2048 || n.BitLen() > 4096 || n.Bit(0) == 0 || e.BitLen() > 31 || e.BitLen() < 2 || e.Bit(0) == 0 {
		return nil, ErrKey
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func (k *jwk) rsaPrivate() (*rsa.PrivateKey, error) {
	public, err := k.rsaPublic()
	if err != nil {
		return nil, err
	}
	private := &rsa.PrivateKey{PublicKey: *public, D: number(k.d), Primes: []*big.Int{number(k.p), number(k.q)}}
	if err := private.Validate(); err != nil {
		return nil, ErrKey
	}
	private.Precompute()
	return private, nil
}
