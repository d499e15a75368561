package encrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

const (
	secretSize = 32      // A256GCM
	maxKeyID   = 128     // bytes
	maxSeals   = 1 << 32 // under one key with random IVs (NIST SP 800-38D §8.3)
	// defaultProcesses leaves each of them 16.7 million values.
	defaultProcesses = 256
)

// Key is one A256GCM key.
type Key struct {
	// ID is the "kid" of values sealed under the key: 1 to 128 printable ASCII characters
	// without quote and backslash.
	ID string
	// Secret is 32 random bytes. NewKeyring copies it.
	Secret Secret
}

// KeyringConfig says what a Keyring holds.
type KeyringConfig struct {
	_ [0]func()

	// Keys are the keys: the first seals, all open. To rotate, put the new key at the second
	// place everywhere, then at the first, and remove the old one when nothing is left to open.
	Keys []Key
	// Processes is how many processes will seal under one key during its life, counting every
	// restart; 0 means 256. A key with random IVs may seal 2^32 values in all (NIST SP 800-38D
	// §8.3). Each process counts its own and refuses at 2^32 divided by Processes (ErrExhausted).
	Processes int
}

// Keyring seals with its first key and opens with all. It is safe for concurrent use and never
// shows its keys.
type Keyring struct {
	keys  []*key
	limit uint64 // of values sealed under one key
}

// key is one key, ready for use.
type key struct {
	id      string
	aead    cipher.AEAD // draws a fresh IV for every Seal and puts it first
	taggers sync.Pool   // of *tagger
	sealed  atomic.Uint64
}

// NewKeyring makes a Keyring, or reports everything that is wrong with the keys.
func NewKeyring(c KeyringConfig) (*Keyring, error) {
	var errs []error
	if len(c.Keys) == 0 {
		errs = append(errs, errors.New("encrypt: no key"))
	}
	switch {
	case c.Processes < 0 || int64(c.Processes) > maxSeals:
		errs = append(errs, errors.New("encrypt: Processes is not between 1 and 2^32"))
	case c.Processes == 0:
		c.Processes = defaultProcesses
	}
	for i, k := range c.Keys {
		errs = append(errs, k.check(i))
		for j, other := range c.Keys[:i] {
			if other.ID == k.ID && k.ID != "" {
				errs = append(errs, fmt.Errorf("encrypt: keys %d and %d have the same ID", j, i))
			}
			// One key under two names would be counted twice.
			if len(k.Secret) == secretSize && subtle.ConstantTimeCompare(other.Secret, k.Secret) == 1 {
				errs = append(errs, fmt.Errorf("encrypt: keys %d and %d have the same Secret", j, i))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	ring := &Keyring{limit: maxSeals / uint64(c.Processes)}
	for _, k := range c.Keys {
		made, err := makeKey(k)
		if err != nil {
			return nil, fmt.Errorf("encrypt: %w", err)
		}
		ring.keys = append(ring.keys, made)
	}
	return ring, nil
}

// check reports what is wrong with the key at index i, never by quoting the secret.
func (k Key) check(i int) error {
	var errs []error
	if k.ID == "" {
		errs = append(errs, fmt.Errorf("encrypt: key %d has no ID", i))
	}
	if len(k.ID) > maxKeyID {
		errs = append(errs, fmt.Errorf("encrypt: key %d has an ID of more than %d bytes", i, maxKeyID))
	}
	for _, c := range []byte(k.ID) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			errs = append(errs, fmt.Errorf("encrypt: key %d has an ID with other than printable ASCII, or with a quote or backslash", i))
			break
		}
	}
	if len(k.Secret) != secretSize {
		errs = append(errs, fmt.Errorf("encrypt: key %d has a Secret of %d bytes, not %d", i, len(k.Secret), secretSize))
	} else if subtle.ConstantTimeCompare(k.Secret, make([]byte, secretSize)) == 1 {
		errs = append(errs, fmt.Errorf("encrypt: key %d has a Secret of zeros", i))
	}
	return errors.Join(errs...)
}

func makeKey(k Key) (*key, error) {
	block, err := aes.NewCipher(k.Secret)
	if err != nil {
		return nil, err
	}
	// The only form of GCM in which the caller cannot choose, and so not repeat, an IV.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	target, err := hkdf.Key(sha256.New, k.Secret, nil, "tegata/encrypt tgt", sha256.Size)
	if err != nil {
		return nil, err
	}
	made := &key{id: k.ID, aead: aead}
	made.taggers.New = func() any { return &tagger{mac: hmac.New(sha256.New, target)} }
	return made, nil
}

// Remaining is how many values this process may still seal with the first key.
func (k *Keyring) Remaining() uint64 {
	if len(k.keys) == 0 {
		return 0
	}
	return k.limit - min(k.limit, k.keys[0].sealed.Load())
}

// Format writes no more than that this is a keyring, whatever the verb.
func (k *Keyring) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "encrypt.Keyring"+redacted) }

// find gives the key of an ID. There is no second try: what names no key of ours is not opened.
func (k *Keyring) find(id string) *key {
	for _, candidate := range k.keys {
		if candidate.id == id {
			return candidate
		}
	}
	return nil
}

// count says whether one more value may be sealed with the first key.
func (k *Keyring) count() bool {
	return k.keys[0].sealed.Add(1) <= k.limit
}
