package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
)

var errNoKeys = errors.New("token: no usable key in the set")

// keySet is one reading of a JWK set. It does not change once it is in use.
type keySet struct {
	byID    map[string][]Key
	prints  map[*atomic.Bool]jose.Digest // by the switch of a key, its thumbprint
	fetched time.Time
	until   time.Time // it is current until then
}

// readKeySet reads the keys that can verify; a key that old had already keeps its life, one that only old had
// ends with it. Keys without kid cannot be found and are left out.
func readKeySet(body string, old *keySet) (*keySet, error) {
	keys, _, err := jose.ParseSet(body)
	if err != nil {
		return nil, err
	}
	set := &keySet{byID: make(map[string][]Key, len(keys)), prints: make(map[*atomic.Bool]jose.Digest, len(keys))}
	for _, k := range keys {
		if k.ID == "" {
			continue
		}
		while := old.life(k)
		if while == nil {
			while = new(atomic.Bool)
			while.Store(true)
		}
		set.prints[while] = k.Thumbprint
		set.byID[k.ID] = append(set.byID[k.ID], Key{ID: k.ID, Algorithm: k.Algorithm, Public: k.Public, While: while})
	}
	if len(set.byID) == 0 {
		return nil, errNoKeys
	}
	return set, nil
}

// life finds the switch of a key that is in s too.
func (s *keySet) life(k jose.Key) *atomic.Bool {
	if s == nil {
		return nil
	}
	for _, own := range s.byID[k.ID] {
		if s.prints[own.While] == k.Thumbprint && own.Algorithm == k.Algorithm {
			return own.While
		}
	}
	return nil
}

// retire ends what s has and next has not: tokens that such a key verified are forgotten at once.
func (s *keySet) retire(next *keySet) {
	if s == nil {
		return
	}
	for id, keys := range s.byID {
		for _, k := range keys {
			if next.life(jose.Key{ID: id, Algorithm: k.Algorithm, Thumbprint: s.prints[k.While]}) == nil {
				k.While.Store(false)
			}
		}
	}
}

// lasts says until when the set is current, and with it what its keys verify.
func (s *keySet) lasts(fetched, until time.Time) {
	s.fetched, s.until = fetched, until
	for _, keys := range s.byID {
		for i := range keys {
			keys[i].KeepUntil = until
		}
	}
}

// find gives the keys of kid. Once the set is stale, what they verify is to be looked at again soon.
func (s *keySet) find(kid string, now time.Time, again time.Duration) []Key {
	keys := s.byID[kid]
	if now.Before(s.until) {
		return keys
	}
	keys = slices.Clone(keys)
	for i := range keys {
		keys[i].KeepUntil = now.Add(again)
	}
	return keys
}

// finder is what the sources of this package are beside: what it gives is shared, and only read.
type finder interface {
	lookup(ctx context.Context, kid string) ([]Key, error)
}

func lookupIn(s KeySource) func(context.Context, string) ([]Key, error) {
	if f, ok := s.(finder); ok {
		return f.lookup
	}
	if s == nil {
		return nil
	}
	return s.Find
}

// copies are for strangers: what they do to a key changes no key of ours.
func copies(keys []Key, err error) ([]Key, error) {
	keys = slices.Clone(keys)
	for i := range keys {
		switch k := keys[i].Public.(type) {
		case *ecdsa.PublicKey:
			keys[i].Public = jose.CopyEC(k)
		case *rsa.PublicKey:
			keys[i].Public = &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
		case ed25519.PublicKey:
			keys[i].Public = slices.Clone(k)
		}
	}
	return keys, err
}

// sharedKeys is a source whose keys are only read.
type sharedKeys func(ctx context.Context, kid string) ([]Key, error)

func (f sharedKeys) lookup(ctx context.Context, kid string) ([]Key, error) { return f(ctx, kid) }

// Find gives copies.
func (f sharedKeys) Find(ctx context.Context, kid string) ([]Key, error) { return copies(f(ctx, kid)) }

// NewKeySet is a KeySource over a JWK set (RFC 7517 §5) that never changes. Keys that cannot verify signatures
// here are left out; a set without any that can is a mistake.
func NewKeySet(jwks []byte) (KeySource, error) {
	set, err := readKeySet(string(jwks), nil)
	if err != nil {
		return nil, err
	}
	return sharedKeys(func(_ context.Context, kid string) ([]Key, error) { return set.byID[kid], nil }), nil
}
