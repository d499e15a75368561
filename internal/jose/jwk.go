package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"strings"

	"github.com/tegata-go/tegata/internal/strictjson"
)

// Bounds of RSA keys: below, they can be factored; above, one verification costs too much.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// Errors of keys. The key itself is never part of an error.
var (
	ErrKey        = errors.New("jose: unusable key")
	ErrPrivateKey = errors.New("jose: private or symmetric key")
)

// Key is a public signature key.
type Key struct {
	ID         string // kid, may be empty
	Algorithm  string // alg, empty when the key does not say
	Public     crypto.PublicKey
	Thumbprint Digest // RFC 7638, SHA-256
}

// Serves is true when the key may verify alg: it fits by kind and does not say otherwise. EdDSA and
// Ed25519 are two names of one algorithm for an Ed25519 key (RFC 9864 §2.2).
func (k *Key) Serves(alg string) bool { return Serves(k.Algorithm, k.Public, alg) }

// Serves is Key.Serves for a key that says declared, or nothing, of its algorithm.
func Serves(declared string, public crypto.PublicKey, alg string) bool {
	if !Fits(public, alg) {
		return false
	}
	_, edwards := public.(ed25519.PublicKey)
	return declared == "" || declared == alg || edwards && (declared == EdDSA || declared == Ed25519)
}

// CopyEC gives a key on P-256 that shares nothing with k.
func CopyEC(k *ecdsa.PublicKey) *ecdsa.PublicKey {
	point, err := k.Bytes()
	if err != nil {
		return nil // it fits no algorithm
	}
	own, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil
	}
	return own
}

// members of a JWK that this reader looks at (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
type members struct {
	kty, kid, alg, use, crv, x, y, n, e string
}

func (m *members) field(name string) *string {
	switch name {
	case "kty":
		return &m.kty
	case "kid":
		return &m.kid
	case "alg":
		return &m.alg
	case "use":
		return &m.use
	case "crv":
		return &m.crv
	case "x":
		return &m.x
	case "y":
		return &m.y
	case "n":
		return &m.n
	case "e":
		return &m.e
	}
	return nil
}

var names = [...]string{"kty", "kid", "alg", "use", "key_ops", "crv", "x", "y", "n", "e", "d", "k", "p", "q", "dp", "dq", "qi", "oth"}

// ParseKey reads one public JWK for signatures. Unknown members are ignored; private ones, and names
// that differ from known ones by case only, are refused.
func ParseKey(jwk string) (Key, error) {
	var m members
	err := strictjson.Members(jwk, func(name, value string) error {
		switch name {
		case "d", "k", "p", "q", "dp", "dq", "qi", "oth":
			return ErrPrivateKey
		case "key_ops":
			return verifies(value)
		}
		field := m.field(name)
		if field == nil {
			return CaseVariant(name, names[:])
		}
		s, err := strictjson.String(value)
		if err != nil || s == "" {
			return ErrKey
		}
		*field = s
		return nil
	})
	if err != nil {
		return Key{}, err
	}
	if m.use != "" && m.use != "sig" {
		return Key{}, ErrKey
	}
	key := Key{ID: m.kid, Algorithm: m.alg}
	switch m.kty {
	case "EC":
		err = m.ec(&key)
	case "RSA":
		err = m.rsa(&key)
	case "OKP":
		err = m.okp(&key)
	case "oct":
		err = ErrPrivateKey
	default:
		err = ErrKey
	}
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

// CaseVariant refuses a name that a reader which folds case would take for one of known.
func CaseVariant(name string, known []string) error {
	for _, k := range known {
		if len(name) <= 3*len(k) && name != k && strings.EqualFold(name, k) {
			return strictjson.ErrDuplicate
		}
	}
	return nil
}

// verifies wants "verify" among the operations (RFC 7517 §4.3).
func verifies(value string) error {
	found := false
	err := strictjson.Elements(value, func(v string) error {
		s, err := strictjson.String(v)
		found = found || s == "verify"
		return err
	})
	if err != nil || !found {
		return ErrKey
	}
	return nil
}

func (m *members) ec(key *Key) error {
	var point [65]byte
	point[0] = 4
	if m.crv != "P-256" || !decodeExact(point[1:33], m.x) || !decodeExact(point[33:], m.y) {
		return ErrKey
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point[:])
	if err != nil {
		return ErrKey // not on the curve
	}
	key.Public = public
	key.Thumbprint = thumbprint(`{"crv":"P-256","kty":"EC","x":"`, m.x, `","y":"`, m.y, `"}`)
	return nil
}

func (m *members) okp(key *Key) error {
	public := make(ed25519.PublicKey, ed25519.PublicKeySize)
	if m.crv != "Ed25519" || !decodeExact(public, m.x) || smallOrder([32]byte(public)) {
		return ErrKey
	}
	key.Public = public
	key.Thumbprint = thumbprint(`{"crv":"Ed25519","kty":"OKP","x":"`, m.x, `"}`)
	return nil
}

func (m *members) rsa(key *Key) error {
	var n [maxRSABits / 8]byte
	var e [4]byte
	if canonical.DecodedLen(len(m.n)) > len(n) || canonical.DecodedLen(len(m.e)) > len(e) {
		return ErrKey
	}
	modulus, err := appendDecoded(n[:0], m.n)
	if err != nil || len(modulus) == 0 || modulus[0] == 0 {
		return ErrKey
	}
	exponent, err := appendDecoded(e[:0], m.e)
	if err != nil || len(exponent) == 0 || exponent[0] == 0 {
		return ErrKey
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus)}
	for _, b := range exponent {
		public.E = public.E<<8 | int(b)
	}
	if !strongRSA(public) {
		return ErrKey
	}
	key.Public = public
	key.Thumbprint = thumbprint(`{"e":"`, m.e, `","kty":"RSA","n":"`, m.n, `"}`)
	return nil
}

// strongRSA bounds both numbers; an even modulus or exponent belongs to no key.
func strongRSA(k *rsa.PublicKey) bool {
	return k.N != nil && k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits && k.N.Bit(0) == 1 &&
		k.E >= 3 && k.E&1 == 1 && k.E <= 1<<31-1
}

// thumbprint is RFC 7638 §3: the parts are the JSON of the required members in lexicographic order.
// The values are base64url, so nothing needs escaping.
func thumbprint(parts ...string) Digest {
	var buf [1024]byte
	b := buf[:0]
	for _, p := range parts {
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}

// ParseSet reads a JWK set (RFC 7517 §5). Keys that cannot verify signatures here, whatever the
// reason, are skipped and counted: they do not spoil the others.
func ParseSet(set string) (keys []Key, skipped int, err error) {
	found := false
	err = strictjson.Skim(set, func(name, value string) error {
		if name != "keys" {
			return nil
		}
		found = true
		return strictjson.SkimElements(value, func(jwk string) error {
			if len(keys)+skipped >= MaxKeys {
				return strictjson.ErrTooLarge
			}
			if key, err := ParseKey(jwk); err != nil {
				skipped++
			} else {
				keys = append(keys, key)
			}
			return nil
		})
	})
	if err == nil && !found {
		err = strictjson.ErrType
	}
	return keys, skipped, err
}

// MaxKeys bounds one set.
const MaxKeys = 256
