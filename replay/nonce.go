package replay

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

const (
	// DefaultNonceLifetime is the Lifetime of nonces when none is configured.
	DefaultNonceLifetime = 5 * time.Minute

	// NonceSkew is how far ahead the clock of another replica may be whose nonces are opened.
	NonceSkew = 60 * time.Second

	minNonceLifetime = time.Second
	maxNonceLifetime = 24 * time.Hour
	minSecret        = 32
	maxSecrets       = 8
	maxService       = 256
)

// NonceConfig is what [Nonces] are made from. It does not print its secrets.
type NonceConfig struct {
	_ [0]func()

	// Secrets are shared by the replicas of the service, at most 8, each of at least 32
	// random bytes. The first seals, all open: a new secret is put second everywhere, then
	// first everywhere, and the old one is taken away a Lifetime later. None means one
	// random secret of this process: its nonces are refused by every other, and by
	// its own successor.
	Secrets [][]byte `json:"-"`

	// Service is the domain of the nonces, from 1 to 256 bytes, the same on all replicas:
	// nonces of another service are refused although the secret is the same
	// (RFC 9449 §9: nonces of authorization and resource servers are not interchangeable).
	// Required.
	Service string

	// Lifetime is how long a nonce may be used after it was minted, from 1 second to 24
	// hours; zero means DefaultNonceLifetime. A nonce may be used any number of times
	// within it: what is used once is the proof.
	Lifetime time.Duration
}

// Format writes which type it is, and nothing of the secrets, for every verb of package fmt.
func (NonceConfig) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "replay.NonceConfig") }

// LogValue is the same for package log/slog.
func (NonceConfig) LogValue() slog.Value { return slog.StringValue("replay.NonceConfig") }

// mistakes gives everything that is wrong with the configuration.
func (c NonceConfig) mistakes() error {
	var all []error
	if len(c.Secrets) > maxSecrets {
		all = append(all, fmt.Errorf("replay: %d Secrets, at most %d", len(c.Secrets), maxSecrets))
	}
	for i, secret := range c.Secrets {
		if len(secret) < minSecret {
			all = append(all, fmt.Errorf("replay: Secrets[%d] has %d bytes, at least %d", i, len(secret), minSecret))
		}
	}
	if n := len(c.Service); n < 1 || n > maxService {
		all = append(all, fmt.Errorf("replay: Service has %d bytes, not between 1 and %d", n, maxService))
	}
	if c.Lifetime != 0 && (c.Lifetime < minNonceLifetime || c.Lifetime > maxNonceLifetime) {
		all = append(all, fmt.Errorf("replay: Lifetime %v is not between %v and %v", c.Lifetime, minNonceLifetime, maxNonceLifetime))
	}
	return errors.Join(all...)
}

// Nonces mints nonces and opens them again, without remembering any (RFC 9449 §8, §9).
//
// A nonce is the time at which it was minted, sealed by AES-256-GCM with 96 random bits and
// encoded as 48 characters of base64url, all of them NQCHAR (RFC 9449 §8.1). Keys are derived by
// HKDF-SHA-256 from secret, service and hour, so that they roll by themselves, and no key seals
// enough for two nonces to share their random bits (NIST SP 800-38D §8.3).
type Nonces struct {
	lifetime time.Duration
	keys     *keyring
}

// NewNonces makes nonces of a service.
func NewNonces(c NonceConfig) (*Nonces, error) {
	if err := c.mistakes(); err != nil {
		return nil, err
	}
	if c.Lifetime == 0 {
		c.Lifetime = DefaultNonceLifetime
	}
	keys, err := newKeyring(c.Secrets, c.Service, c.Lifetime)
	if err != nil {
		return nil, err
	}
	return &Nonces{lifetime: c.Lifetime, keys: keys}, nil
}

// The bytes of a nonce: 12 random ones, the sealed time, the tag of 16, and which key it was.
// They fill whole groups of three, so that no bit of the encoding is spare.
const (
	timeSize   = 6 // Unix milliseconds, big endian
	sealedSize = 12 + timeSize + 16
	nonceSize  = sealedSize + 2
)

// nonceLen is the length of a nonce in characters.
const nonceLen = nonceSize / 3 * 4

var nonceEncoding = base64.RawURLEncoding.Strict()

// Mint makes a nonce of now. It is never the same as another.
func (n *Nonces) Mint() string {
	now := time.Now()
	key := n.keys.at(now).sealing(now)
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	raw := make([]byte, 0, nonceSize)
	raw = key.aead.Seal(raw, nil, ms[8-timeSize:], nil)
	raw = binary.BigEndian.AppendUint16(raw, key.id)
	return nonceEncoding.EncodeToString(raw)
}

// Open gives the time at which nonce was minted, to the millisecond, rounded down. The error is
// [ErrNonce] for everything that Mint did not make with one of the secrets for this service, and
// for what it made a Lifetime ago or longer, or more than [NonceSkew] ahead of our clock.
// Whatever it is given, Open does the work for 48 characters at most.
func (n *Nonces) Open(nonce string) (made time.Time, err error) {
	if len(nonce) != nonceLen {
		return time.Time{}, ErrNonce
	}
	var raw [nonceSize]byte
	var text [nonceLen]byte
	copy(text[:], nonce)
	// The decoder passes over line breaks: the count tells.
	if k, err := nonceEncoding.Decode(raw[:], text[:]); err != nil || k != nonceSize {
		return time.Time{}, ErrNonce
	}
	now := time.Now()
	made, ok := n.keys.at(now).open(raw[:])
	if !ok {
		return time.Time{}, ErrNonce
	}
	if age := now.Sub(made); age >= n.lifetime || age < -NonceSkew {
		return time.Time{}, ErrNonce
	}
	return made, nil
}

// Lifetime is how long a nonce may be used.
func (n *Nonces) Lifetime() time.Duration { return n.lifetime }
