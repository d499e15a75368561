package encrypt

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	secretSize = 32      // bytes of every key
	maxKeyID   = 128     // bytes
	maxSeals   = 1 << 32 // under one key with random IVs (NIST SP 800-38D §8.3)
	// defaultProcesses leaves each of them 16.7 million values.
	defaultProcesses = 256
)

// KeyringConfig says what a Keyring holds.
type KeyringConfig struct {
	_ [0]func()

	// Keys are the keys: the first seals, all open. To rotate, put the new key at the second
	// place everywhere, then at the first, and remove the old one when nothing is left to open.
	Keys []Key
	// Processes is how many processes will seal under one A256GCM key during its life, counting
	// every restart; 0 means 256. A key with random IVs may seal 2^32 values in all (NIST SP
	// 800-38D §8.3). Each process counts its own and refuses at 2^32 divided by Processes
	// (ErrExhausted). Keys of A256KW need no count: they seal no values.
	Processes int
}

// Keyring seals with its first key and opens with all. It is safe for concurrent use and never
// shows its keys.
type Keyring struct{ keys []*key }

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
	ring := &Keyring{}
	for _, k := range c.Keys {
		made, err := makeKey(k, maxSeals/uint64(c.Processes))
		if err != nil {
			return nil, fmt.Errorf("encrypt: %w", err)
		}
		ring.keys = append(ring.keys, made)
	}
	return ring, nil
}

// Remaining is how many values this process may still seal with the first key; for an A256KW key it
// does not get less.
func (k *Keyring) Remaining() uint64 {
	switch {
	case k == nil || len(k.keys) == 0:
		return 0
	case k.keys[0].algorithm == A256KW:
		return math.MaxUint64
	}
	b := k.keys[0].own.bounds
	return b.most - min(b.most, b.used.Load())
}

// Format writes no more than that this is a keyring, whatever the verb.
func (k *Keyring) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "encrypt.Keyring"+redacted) }

// find gives the key of an ID, if it is for the algorithm. There is no second try: what names no key
// of ours is not opened.
func (k *Keyring) find(id, algorithm string) *key {
	if k == nil {
		return nil
	}
	for _, candidate := range k.keys {
		if candidate.id == id && candidate.algorithm == algorithm {
			return candidate
		}
	}
	return nil
}
