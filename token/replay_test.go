package token_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// spy counts what is asked of a store, and keeps the last.
type spy struct {
	replay.Store
	asked atomic.Int64
	mu    sync.Mutex
	last  replay.Use
}

func (s *spy) Use(ctx context.Context, u replay.Use) error {
	s.asked.Add(1)
	s.mu.Lock()
	s.last = u
	s.mu.Unlock()
	return s.Store.Use(ctx, u)
}

func TestReplay(t *testing.T) {
	bubble(t, "RFC9449-11.1-2, pitfall-59: once", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		p := k.proof(raw)
		k.withDPoP(raw, p).ok(t)
		k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
		k.withDPoP(raw, k.proof(raw)).ok(t)
	})
	bubble(t, "RFC9449-11.1-2: same key and jti on another URI, method, token", func(t *testing.T) {
		k := newRig(t)
		raw, again := k.dpop(), k.dpop()
		jti := claim("jti", `"J"`)
		k.withDPoP(raw, k.proof(raw, jti)).ok(t)
		r := k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw, jti, claim("htu", quote(rigOrigin+"/payments"))))
		r.URL.Path = "/payments"
		k.call(r).is(t, eIDP, replay.ErrUsed)
		r = k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw, jti, claim("htm", `"POST"`)))
		r.Method = "POST"
		k.call(r).is(t, eIDP, replay.ErrUsed)
		k.withDPoP(again, k.proof(again, jti)).is(t, eIDP, replay.ErrUsed)
	})
	bubble(t, "RFC9449-11.1-2, pitfall-62: another key, the same jti", func(t *testing.T) {
		k := newRig(t)
		jti := claim("jti", `"J"`)
		raw := k.dpop()
		k.withDPoP(raw, k.proof(raw, jti)).ok(t)
		k.client = newPair("ES256", "")
		raw = k.dpop()
		k.withDPoP(raw, k.proof(raw, jti)).ok(t)
	})
	bubble(t, "pitfall-59: another replica, and after a restart", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		p := k.proof(raw)
		k.withDPoP(raw, p).ok(t)
		k.build()
		k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
	})
	bubble(t, "pitfall-59: a new memory store does not accept what it cannot know", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		p := k.proof(raw)
		k.withDPoP(raw, p).ok(t)
		time.Sleep(time.Second)
		store, err := replay.NewMemory(replay.MemoryConfig{Capacity: 100})
		must(err)
		k.config.Replay = store
		k.build()
		k.withDPoP(raw, p).is(t, eIDP, replay.ErrTooOld)
		withNonces(k)
		k.build()
		fresh := k.config.Nonces.Mint()
		old := k.proof(raw, claim("nonce", quote(fresh)), claim("iat", seconds(time.Now().Add(-5*time.Second))))
		k.withDPoP(raw, old).is(t, eUDN, replay.ErrTooOld)
		k.withDPoP(raw, k.proof(raw, claim("nonce", quote(fresh)))).ok(t)
	})
	bubble(t, "RFC9449-4.3-ord: a bad proof does not spend the jti of a good one", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		jti := claim("jti", `"J"`)
		k.withDPoP(raw, k.proof(raw, jti, func(d *draft) { d.signature = k.es.sign })).is(t, eIDP, token.ErrProofSignature)
		k.withDPoP(raw, k.proof(raw, jti, claim("htm", `"PUT"`))).is(t, eIDP, token.ErrProofMethod)
		unbound := k.access().compact()
		k.withDPoP(unbound, k.proof(unbound, jti)).is(t, eIT, token.ErrNotDPoP)
		both := k.access().bind(k.both()).compact()
		k.withDPoP(both, k.proof(both, jti)).is(t, eIT, token.ErrNoCertificate)
		k.withDPoP(raw, k.proof(raw, jti)).ok(t)
	})
	bubble(t, "separate services, one store", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		jti := claim("jti", `"J"`)
		k.withDPoP(raw, k.proof(raw, jti)).ok(t)
		k.config.Service = "other"
		k.build()
		k.withDPoP(raw, k.proof(raw, jti)).ok(t)
	})
}

// TestReplayWindow is RFC9449-11.1-6 and pitfall 64: a proof that was used is refused at every later instant, and
// remembered until no clock that is allowed for accepts it any more.
func TestReplayWindow(t *testing.T) {
	for _, ahead := range []time.Duration{15 * time.Second, 0, -59 * time.Second, 7*time.Second + 123*time.Millisecond} {
		bubble(t, fmt.Sprint("RFC9449-11.1-6, pitfall-64, pitfall-68 iat=now+", ahead), func(t *testing.T) {
			const maxAge, skew = 60 * time.Second, 15 * time.Second
			s := &spy{}
			k := newRig(t, func(k *rig) { s.Store, k.config.Replay = k.config.Replay, s })
			raw := k.dpop()
			made := time.Now().Add(ahead)
			p := k.proof(raw, claim("iat", decimal(made)))
			k.withDPoP(raw, p).ok(t)
			if want := made.Add(maxAge + 2*skew); s.last.Until.Before(want) || s.last.Until.After(want.Add(time.Second)) || !s.last.Made.Equal(made) {
				t.Fatalf("remembered from %v until %v, want from %v until %v", s.last.Made, s.last.Until, made, want)
			}
			end := made.Add(maxAge)
			for time.Now().Before(end) {
				k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
				time.Sleep(min(499*time.Millisecond, max(time.Until(end), time.Nanosecond)))
			}
			k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed) // the very last instant
			time.Sleep(time.Nanosecond)
			k.withDPoP(raw, p).is(t, eIDP, token.ErrProofTime)
			// a replica whose clock is behind by twice the skew, told by asking the store itself
			time.Sleep(2*skew - time.Second)
			if err := s.Use(t.Context(), s.last); err != replay.ErrUsed {
				t.Errorf("the store says %v", err)
			}
		})
	}
}

func TestConcurrentReplay(t *testing.T) {
	k := newRig(t, func(k *rig) { k.cached = true })
	raw := k.dpop()
	for range 5 {
		p := k.proof(raw)
		var good, used atomic.Int64
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				w := httptest.NewRecorder()
				k.chain.ServeHTTP(w, k.asking("Authorization", "DPoP "+raw, "DPoP", p))
				switch w.Code {
				case 200:
					good.Add(1)
				case 401:
					used.Add(1)
				}
			})
		}
		all.Wait()
		if good.Load() != 1 || used.Load() != 99 {
			t.Fatalf("RFC9449-4.3-ord, pitfall-66: %d were let through and %d refused", good.Load(), used.Load())
		}
	}
	if k.ran.Load() != 5 {
		t.Errorf("the handler ran %d times", k.ran.Load())
	}
}

// TestReplayStoreIsLast: nobody who was not believed writes to the store.
func TestReplayStoreIsLast(t *testing.T) {
	s := &spy{}
	admit := true
	revoked := false
	k := newRig(t, func(k *rig) {
		s.Store, k.config.Replay = k.config.Replay, s
		k.config.Admit = func(r *httpRequest, g token.Grant) error {
			if admit {
				return nil
			}
			return token.ErrNotAdmitted
		}
		k.config.Revocations = revocations{revision: func() uint64 { return 0 }, revoked: func() error {
			if revoked {
				return token.ErrRevoked
			}
			return nil
		}}
	})
	raw := k.dpop()
	stranger := newPair("ES256", "")
	t.Run("pitfall-61: a junk token and a key of one's own", func(t *testing.T) {
		junk := k.access().bind(`{"jkt":` + quote(stranger.jkt) + `}`)
		junk.key = stranger
		text := junk.compact()
		k.withDPoP(text, k.proofBy(stranger, text).compact()).is(t, eIT, token.ErrSignature)
		k.withDPoP("junk", k.proofBy(stranger, "junk").compact()).is(t, eIT, token.ErrMalformed)
	})
	t.Run("pitfall-61: a stolen token and a key of one's own", func(t *testing.T) {
		k.withDPoP(raw, k.proofBy(stranger, raw).compact()).is(t, eIT, token.ErrKeyMismatch)
	})
	t.Run("pitfall-61: a forged proof", func(t *testing.T) {
		k.withDPoP(raw, k.proof(raw, func(d *draft) { d.signature = stranger.sign })).is(t, eIDP, token.ErrProofSignature)
	})
	t.Run("not admitted", func(t *testing.T) {
		admit = false
		k.withDPoP(raw, k.proof(raw)).is(t, eIT, token.ErrNotAdmitted)
		admit = true
	})
	t.Run("revoked", func(t *testing.T) {
		revoked = true
		k.withDPoP(raw, k.proof(raw)).is(t, eIT, token.ErrRevoked)
		revoked = false
	})
	t.Run("Bearer", func(t *testing.T) { k.withBearer(k.bearer()).ok(t) })
	if n := s.asked.Load(); n != 0 {
		t.Fatalf("the store was asked %d times", n)
	}
	k.withDPoP(raw, k.proof(raw)).ok(t)
	if n := s.asked.Load(); n != 1 {
		t.Fatalf("the store was asked %d times for one request", n)
	}
	if s.last.Owner != token.ClientName(rigIssuer, "tpp-1") {
		t.Error("pitfall-67: the use counts against somebody else")
	}
}

// TestReplayStoreNeverForgets is pitfall-60: when others fill the store, an old proof stays used.
func TestReplayStoreNeverForgets(t *testing.T) {
	store, err := replay.NewMemory(replay.MemoryConfig{Capacity: 64, DangerouslyNoStartGuard: true})
	must(err)
	k := newRig(t, func(k *rig) { k.config.Replay = store })
	raw := k.dpop()
	p := k.proof(raw)
	k.withDPoP(raw, p).ok(t)
	full := false
	for i := 0; i < 500 && !full; i++ {
		a := k.withDPoP(raw, k.proof(raw))
		if full = a.status != 200; full {
			a.is(t, e503, replay.ErrFull)
		}
	}
	if !full {
		t.Fatal("RFC9449-11.1-3: the store never filled")
	}
	k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
	runtime.KeepAlive(store)
}
