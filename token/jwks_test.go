package token_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/token"
)

// published from here on: a, b and c are keys of an issuer.
func abc() (a, b, c *pair) {
	return newPair("ES256", "a"), newPair("ES256", "b"), newPair("ES256", "c")
}

// withServer is a bubble with a publisher outside of it.
func withServer(t *testing.T, name string, f func(t *testing.T, p *publisher)) {
	t.Run(name, func(t *testing.T) {
		p := newPublisher(t)
		synctest.Test(t, func(t *testing.T) { f(t, p) })
	})
}

func TestJWKSRefresh(t *testing.T) {
	a, b, _ := abc()
	withServer(t, "T14, RFC9068-jwks, pitfall-29: a flood of unknown kids", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		s := newJWKS(t, p.config())
		if n := p.fetches(func() { knows(t, s, "a", true) }); n != 1 {
			t.Errorf("%d fetches at first", n)
		}
		for range 5 {
			if n := p.fetches(func() {
				for i := range 1000 {
					knows(t, s, fmt.Sprint("x", i), false)
				}
				knows(t, s, "a", true)
			}); n > 1 {
				t.Fatalf("%d fetches in one interval", n)
			}
			time.Sleep(time.Second)
		}
		if n := p.fetched.Load(); n != 5 {
			t.Errorf("%d fetches in 5 s, want one each", n)
		}
	})
	withServer(t, "RFC9068-jwks: a rotated key", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		s := newJWKS(t, p.config())
		knows(t, s, "a", true)
		p.publish(published(a, b))
		knows(t, s, "b", false)
		time.Sleep(time.Second - time.Nanosecond)
		knows(t, s, "b", false)
		time.Sleep(time.Nanosecond)
		if n := p.fetches(func() { knows(t, s, "b", true) }); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
	withServer(t, "pitfall-30: somebody else's unknown kid does not cost a rotation", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		s := newJWKS(t, p.config())
		knows(t, s, "a", true)
		p.publish(published(a, b))
		for range 30 {
			time.Sleep(100 * time.Millisecond)
			knows(t, s, "x", false)
		}
		if n := p.fetches(func() { knows(t, s, "b", true) }); n != 0 {
			t.Errorf("%d fetches: the set was there already", n)
		}
	})
	withServer(t, "pitfall-33: a key that was taken away", func(t *testing.T, p *publisher) {
		p.publish(published(a, b))
		s := newJWKS(t, p.config())
		knows(t, s, "a", true)
		p.publish(published(b))
		time.Sleep(5*time.Minute - time.Nanosecond)
		if n := p.fetches(func() { knows(t, s, "a", true) }); n != 0 {
			t.Errorf("%d fetches within the TTL", n)
		}
		time.Sleep(time.Nanosecond)
		if n := p.fetches(func() { knows(t, s, "a", false) }); n != 1 {
			t.Errorf("%d fetches after the TTL", n)
		}
		knows(t, s, "b", true)
	})
	withServer(t, "a configured TTL and MinRefresh", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		c := p.config()
		c.TTL, c.MinRefresh = time.Minute, 10*time.Second
		s := newJWKS(t, c)
		knows(t, s, "a", true)
		if n := p.fetches(func() {
			for range 99 {
				time.Sleep(100 * time.Millisecond)
				knows(t, s, "x", false)
			}
		}); n != 0 {
			t.Errorf("%d fetches within MinRefresh", n)
		}
		time.Sleep(100 * time.Millisecond)
		if n := p.fetches(func() { knows(t, s, "x", false) }); n != 1 {
			t.Errorf("%d fetches after MinRefresh", n)
		}
		time.Sleep(time.Minute)
		if n := p.fetches(func() { knows(t, s, "a", true); knows(t, s, "a", true) }); n != 1 {
			t.Errorf("%d fetches after the TTL", n)
		}
	})
}

func TestJWKSOutage(t *testing.T) {
	a, b, _ := abc()
	withServer(t, "RFC9068-jwks, pitfall-23: never loaded", func(t *testing.T, p *publisher) {
		p.fail(500)
		failures := 0
		c := p.config()
		c.Failed = func(error) { failures++ }
		s := newJWKS(t, c)
		if n := p.fetches(func() {
			for range 100 {
				cannotTell(t, s, "a")
			}
		}); n != 1 || failures != 1 {
			t.Errorf("pitfall-32: %d fetches, %d told", n, failures)
		}
		p.publish(published(a))
		cannotTell(t, s, "a")
		time.Sleep(time.Second)
		knows(t, s, "a", true)
	})
	withServer(t, "T15, RFC9068-jwks: stale if error, until the bound", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		c := p.config()
		c.StaleFor = 10 * time.Minute
		s := newJWKS(t, c)
		knows(t, s, "a", true)
		p.fail(503)
		time.Sleep(5 * time.Minute)
		n := p.fetches(func() {
			for range 600 {
				knows(t, s, "a", true)
				time.Sleep(time.Second)
			}
			synctest.Wait()
		})
		if n > 601 || n < 100 {
			t.Errorf("pitfall-32: %d fetches in 600 s", n)
		}
		knows(t, s, "a", true)
		time.Sleep(time.Nanosecond)
		cannotTell(t, s, "a")
		p.publish(published(b))
		time.Sleep(time.Second)
		knows(t, s, "b", true)
		knows(t, s, "a", false)
	})
	withServer(t, "an unknown kid while fetches fail is an outage", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		s := newJWKS(t, p.config())
		knows(t, s, "a", true)
		p.fail(500)
		time.Sleep(time.Second)
		cannotTell(t, s, "x")
		knows(t, s, "a", true)
		time.Sleep(10 * time.Minute)
		cannotTell(t, s, "x")
		knows(t, s, "a", true)
		p.publish(published(a))
		time.Sleep(time.Second)
		knows(t, s, "x", false)
	})
	withServer(t, "what a stale set verified is looked at again soon", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		s := newJWKS(t, p.config())
		knows(t, s, "a", true)
		p.fail(500)
		time.Sleep(6 * time.Minute)
		keys, err := s.Find(context.Background(), "a")
		if err != nil || len(keys) != 1 || time.Until(keys[0].KeepUntil) > time.Second {
			t.Errorf("%v, %v", keys, err)
		}
	})
}

// TestJWKSWithTokens: what a verifier with a cache sees of all this.
func TestJWKSWithTokens(t *testing.T) {
	withServer(t, "pitfall-33: a removed key, for tokens verified before", func(t *testing.T, p *publisher) {
		var s *token.JWKS
		k := newRig(t, func(k *rig) {
			p.publish(published(k.es, k.ps))
			s = newJWKS(t, p.config())
			k.jwt.Keys, k.cached = s, true
		})
		raw := k.bearer()
		k.withBearer(raw).ok(t)
		p.publish(published(k.ps))
		time.Sleep(5*time.Minute - time.Second)
		k.withBearer(raw).ok(t)
		time.Sleep(time.Second)
		k.withBearer(raw).is(t, eIT, token.ErrUnknownKey)
	})
	withServer(t, "pitfall-33: a removed key, at once after any fetch", func(t *testing.T, p *publisher) {
		k := newRig(t, func(k *rig) {
			p.publish(published(k.es, k.ps))
			k.jwt.Keys, k.cached = newJWKS(t, p.config()), true
		})
		raw, other := k.bearer(), k.bearer(func(d *draft) { d.by(k.ps) })
		k.withBearer(raw).ok(t)
		k.withBearer(other).ok(t)
		p.publish(published(k.ps))
		time.Sleep(time.Second)
		k.withBearer(k.bearer(header("kid", `"x"`))).is(t, eIT, token.ErrUnknownKey) // fetches
		k.withBearer(raw).is(t, eIT, token.ErrUnknownKey)
		k.withBearer(other).ok(t)
	})
	withServer(t, "pitfall-33: a removed key that had outlived a set", func(t *testing.T, p *publisher) {
		k := newRig(t, func(k *rig) {
			p.publish(published(k.es, k.ps))
			k.jwt.Keys, k.cached = newJWKS(t, p.config()), true
		})
		raw := k.bearer()
		k.withBearer(raw).ok(t)
		for _, keys := range [][]object{published(k.ps, k.es), published(k.ps)} {
			p.publish(keys)
			time.Sleep(time.Second)
			k.withBearer(k.bearer(header("kid", `"x"`))).is(t, eIT, token.ErrUnknownKey) // fetches
		}
		k.withBearer(raw).is(t, eIT, token.ErrUnknownKey)
	})
	withServer(t, "the same kid with another key", func(t *testing.T, p *publisher) {
		k := newRig(t, func(k *rig) {
			p.publish(published(k.es))
			k.jwt.Keys, k.cached = newJWKS(t, p.config()), true
		})
		raw := k.bearer()
		k.withBearer(raw).ok(t)
		p.publish(published(newPair("ES256", "es")))
		time.Sleep(time.Second)
		k.withBearer(k.bearer(header("kid", `"x"`))).is(t, eIT, token.ErrUnknownKey)
		k.withBearer(raw).is(t, eIT, token.ErrSignature)
	})
	withServer(t, "a key that stayed keeps what it verified", func(t *testing.T, p *publisher) {
		k := newRig(t, func(k *rig) {
			p.publish(published(k.es))
			k.jwt.Keys = newJWKS(t, p.config())
		})
		keys, err := k.jwt.Keys.Find(context.Background(), "es")
		must(err)
		time.Sleep(6 * time.Minute)
		p.publish(published(k.ps, k.es))
		knows(t, k.jwt.Keys, "ps", true)
		if !keys[0].While.Load() {
			t.Error("its life ended with the old set")
		}
	})
	withServer(t, "RFC9068-jwks, OPS-fail-closed: down", func(t *testing.T, p *publisher) {
		k := newRig(t, func(k *rig) {
			p.fail(500)
			k.jwt.Keys, k.cached = newJWKS(t, p.config()), true
		})
		raw := k.bearer()
		k.withBearer(raw).is(t, e503, token.ErrUnavailable)
		p.publish(published(k.es))
		time.Sleep(time.Second)
		k.withBearer(raw).ok(t)
	})
}
