package token_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// list is a revocation list in memory.
type list struct {
	mu       sync.Mutex
	revision uint64
	revoked  map[replay.Key]time.Time // tokens issued before are revoked
	err      error
	asked    int
	names    []replay.Key
	issued   time.Time
}

func (l *list) Revision() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.revision
}

func (l *list) Revoked(_ context.Context, names []replay.Key, issued time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	l.names, l.issued = slices.Clone(names), issued
	if l.err != nil {
		return l.err
	}
	for _, name := range names {
		if until, has := l.revoked[name]; has && issued.Before(until) {
			return token.ErrRevoked
		}
	}
	return nil
}

func (l *list) revoke(name replay.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revision++
	if l.revoked == nil {
		l.revoked = map[replay.Key]time.Time{}
	}
	l.revoked[name] = time.Now().Add(time.Hour)
}

func listed(l *list, cached bool) func(*rig) {
	return func(k *rig) { k.config.Revocations, k.cached = l, cached }
}

func TestRevocation(t *testing.T) {
	for name, of := range map[string]func(k *rig) replay.Key{
		"token":       func(*rig) replay.Key { return token.IDName(rigIssuer, "T") },
		"subject":     func(*rig) replay.Key { return token.SubjectName(rigIssuer, "customer-4711") },
		"client":      func(*rig) replay.Key { return token.ClientName(rigIssuer, "tpp-1") },
		"session":     func(*rig) replay.Key { return token.SessionName(rigIssuer, "session-1") },
		"proof key":   func(k *rig) replay.Key { return token.ProofKeyName(k.client.jkt) },
		"certificate": func(k *rig) replay.Key { return token.CertificateName(sum64(k.cert.Raw)) },
	} {
		for _, cached := range []bool{false, true} {
			t.Run("pitfall-22, RFC6750-3.1-2: by "+name, func(t *testing.T) {
				l := &list{}
				k := newRig(t, listed(l, cached))
				d := k.access().bind(k.both())
				d.claims.set("jti", `"T"`)
				d.claims.set("sid", `"session-1"`)
				raw := d.compact()
				ask := func() answer {
					return k.call(over(k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw)), k.cert))
				}
				ask().ok(t)
				ask().ok(t)
				l.revoke(of(k))
				ask().is(t, eIT, token.ErrRevoked)
				ask().is(t, eIT, token.ErrRevoked)
				k.withBearer(k.bearer(claim("iat", seconds(time.Now())))) // another token is another matter
			})
		}
	}
	t.Run("other names touch nobody", func(t *testing.T) {
		l := &list{}
		k := newRig(t, listed(l, true))
		l.revoke(token.IDName("https://other.example", "T"))
		l.revoke(token.ClientName(rigIssuer, "customer-4711"))
		l.revoke(token.SubjectName(rigIssuer, "tpp-1"))
		k.withBearer(k.bearer(claim("jti", `"T"`))).ok(t)
	})
	bubble(t, "asked once for each revision", func(t *testing.T) {
		l := &list{}
		k := newRig(t, listed(l, true))
		raw, now := k.bearer(claim("jti", `"T"`)), time.Now()
		for range 5 {
			k.withBearer(raw).ok(t)
		}
		if l.asked != 1 || l.issued.Unix() != now.Unix() {
			t.Errorf("asked %d times, issued %v", l.asked, l.issued)
		}
		for _, name := range []replay.Key{
			token.IDName(rigIssuer, "T"), token.SubjectName(rigIssuer, "customer-4711"), token.ClientName(rigIssuer, "tpp-1"), token.CertificateName(sum64(k.cert.Raw)),
		} {
			if !slices.Contains(l.names, name) {
				t.Error("it was not asked about a name of the token")
			}
		}
		l.revoke(replay.Key{})
		for range 5 {
			k.withBearer(raw).ok(t)
		}
		if l.asked != 2 {
			t.Errorf("asked %d times after one change", l.asked)
		}
		l.revision-- // a list that was restored from a copy
		k.withBearer(raw).ok(t)
		if l.asked != 3 {
			t.Errorf("asked %d times after another", l.asked)
		}
	})
	t.Run("an outage is not remembered", func(t *testing.T) {
		l := &list{err: errDown}
		k := newRig(t, listed(l, true))
		raw := k.bearer()
		k.withBearer(raw).is(t, e503, token.ErrUnavailable)
		k.withBearer(raw).is(t, e503, token.ErrUnavailable)
		l.err = errors.Join(errDown, token.ErrRevoked)
		k.withBearer(raw).is(t, eIT, token.ErrRevoked)
		l.err = nil
		k.withBearer(raw).ok(t)
	})
	t.Run("a new Verifier over the same cache asks its own list", func(t *testing.T) {
		l := &list{}
		k := newRig(t, listed(l, true))
		raw := k.bearer()
		k.withBearer(raw).ok(t)
		cache := k.cache
		other := &list{}
		other.revoke(token.ClientName(rigIssuer, "tpp-1"))
		other.revision = l.revision
		k.config.Revocations, k.cached, k.resolver = other, false, cache
		k.build()
		k.withBearer(raw).is(t, eIT, token.ErrRevoked)
	})
	t.Run("a refused certificate asks nobody", func(t *testing.T) {
		l := &list{}
		k := newRig(t, listed(l, true))
		k.call(k.asking("Authorization", "Bearer "+k.bearer())).is(t, eIT, token.ErrNoCertificate)
		if l.asked != 0 {
			t.Errorf("asked %d times", l.asked)
		}
	})
	t.Run("NoRevocation", func(t *testing.T) {
		if (token.NoRevocation{}).Revision() != 0 || (token.NoRevocation{}).Revoked(t.Context(), nil, time.Time{}) != nil {
			t.Error("it revokes")
		}
	})
	t.Run("names of different kinds differ", func(t *testing.T) {
		names := []replay.Key{
			token.IDName("a", "b"), token.SubjectName("a", "b"), token.ClientName("a", "b"), token.ProofKeyName("b"), token.CertificateName("b"),
			token.IDName("ab", ""), token.IDName("", "ab"),
		}
		slices.SortFunc(names, func(x, y replay.Key) int { return slices.Compare(x[:], y[:]) })
		if len(slices.Compact(names)) != 7 {
			t.Error("two are equal")
		}
	})
}
