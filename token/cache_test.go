package token_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

// source is a Resolver that counts, and answers as it is told.
type source struct {
	asked atomic.Int64
	mu    sync.Mutex
	err   error
	edit  func(*token.Claims)
}

func (s *source) Resolve(_ context.Context, raw string) (*token.Claims, error) {
	s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	c := &token.Claims{
		Issuer: rigIssuer, Client: "tpp-1", ID: raw, Audience: []string{"a"}, Scope: []string{"accounts", "payments"}, AMR: []string{"pwd"}, Expires: time.Now().Add(time.Hour),
	}
	if s.edit != nil {
		s.edit(c)
	}
	return c, nil
}

func newCache(t *testing.T, s token.Resolver, bytes int64) *token.Cache {
	c, err := token.NewCache(token.CacheConfig{Resolver: s, MaxBytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asks says how often the resolver was asked while f ran.
func (s *source) asks(f func()) int64 {
	n := s.asked.Load()
	f()
	return s.asked.Load() - n
}

func resolve(t *testing.T, c *token.Cache, raw string) *token.Claims {
	t.Helper()
	claims, err := c.Resolve(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

const leastBytes = 16 * (8*12<<10 + 1536) // MaxBytes is not less

func TestCacheIsBounded(t *testing.T) {
	for _, size := range []int{20, 1000, 12 << 10} {
		t.Run(fmt.Sprintf("pitfall-86: tokens of %d bytes", size), func(t *testing.T) {
			s := &source{}
			c := newCache(t, s, leastBytes)
			text := func(i int) string { return fmt.Sprintf("%0*d", size, i) }
			const flood = 5000
			for i := range flood {
				resolve(t, c, text(i))
			}
			kept := int64(flood) - s.asks(func() {
				for i := range flood {
					resolve(t, c, text(flood-1-i))
				}
			})
			most := int64(leastBytes / (1536 + size))
			if kept > most || kept == 0 {
				t.Errorf("%d tokens were kept, at most %d", kept, most)
			}
			if n := s.asks(func() { resolve(t, c, text(0)) }); n != 0 {
				t.Error("the latest was not kept")
			}
		})
	}
	// A text that stands for claims tells nothing of their size.
	for _, size := range []int{20_000, leastBytes / 16} {
		t.Run(fmt.Sprintf("pitfall-86: opaque tokens with %d bytes of claims", size), func(t *testing.T) {
			s := &source{edit: func(c *token.Claims) { c.JSON = strings.Repeat(" ", size) }}
			c := newCache(t, s, leastBytes)
			const flood = 500
			for i := range flood {
				resolve(t, c, fmt.Sprint(i))
			}
			kept := flood - s.asks(func() {
				for i := range flood {
					resolve(t, c, fmt.Sprint(flood-1-i))
				}
			})
			if most := int64(leastBytes / size); kept > most {
				t.Errorf("%d tokens were kept, at most %d", kept, most)
			}
		})
	}
	t.Run("pitfall-86: what is larger than its part does not drive out the others", func(t *testing.T) {
		s := &source{}
		c := newCache(t, s, leastBytes)
		for i := range 100 {
			resolve(t, c, fmt.Sprint(i))
		}
		s.edit = func(c *token.Claims) { c.JSON = strings.Repeat(" ", leastBytes/16) }
		for i := range 100 {
			resolve(t, c, fmt.Sprint("large", i))
		}
		if n := s.asks(func() {
			for i := range 100 {
				resolve(t, c, fmt.Sprint(i))
			}
		}); n != 0 {
			t.Errorf("%d were forgotten", n)
		}
	})
	t.Run("the least MaxBytes", func(t *testing.T) {
		if _, err := token.NewCache(token.CacheConfig{Resolver: &source{}, MaxBytes: leastBytes - 1}); err == nil {
			t.Error("a cache that could not hold one token")
		}
	})
}

func TestCacheEnds(t *testing.T) {
	// twice asks at an instant before the entry ends, and at the end.
	twice := func(t *testing.T, s *source, lives time.Duration) {
		t.Helper()
		c := newCache(t, s, 0)
		resolve(t, c, "x")
		time.Sleep(lives - time.Nanosecond)
		if n := s.asks(func() { resolve(t, c, "x") }); n != 0 {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Nanosecond)
		if n := s.asks(func() { resolve(t, c, "x") }); n != 1 {
			t.Error("remembered too long")
		}
	}
	bubble(t, "T25, pitfall-22: exp", func(t *testing.T) { twice(t, &source{}, time.Hour) })
	bubble(t, "KeepUntil", func(t *testing.T) {
		twice(t, &source{edit: func(c *token.Claims) { c.KeepUntil = time.Now().Add(time.Minute) }}, time.Minute)
	})
	bubble(t, "KeepUntil after exp", func(t *testing.T) {
		twice(t, &source{edit: func(c *token.Claims) { c.KeepUntil = time.Now().Add(2 * time.Hour) }}, time.Hour)
	})
	bubble(t, "KeepUntil in the past", func(t *testing.T) {
		s := &source{edit: func(c *token.Claims) { c.KeepUntil = time.Now() }}
		c := newCache(t, s, 0)
		if n := s.asks(func() { resolve(t, c, "x"); resolve(t, c, "x") }); n != 2 {
			t.Errorf("asked %d times", n)
		}
	})
	bubble(t, "T25, pitfall-33: While", func(t *testing.T) {
		while := new(atomic.Bool)
		while.Store(true)
		s := &source{edit: func(c *token.Claims) { c.While = while }}
		c := newCache(t, s, 0)
		if n := s.asks(func() { resolve(t, c, "x"); resolve(t, c, "x") }); n != 1 {
			t.Errorf("asked %d times", n)
		}
		while.Store(false)
		if n := s.asks(func() { resolve(t, c, "x"); resolve(t, c, "x") }); n != 2 {
			t.Errorf("asked %d times after While", n)
		}
	})
}

func TestCacheKeepsGoodTokensOnly(t *testing.T) {
	for _, err := range []error{token.ErrSignature, token.ErrExpired, errDown, &audit.Refusal{Reason: token.ErrIssuer}} {
		s := &source{err: err}
		c := newCache(t, s, 0)
		if n := s.asks(func() {
			for range 3 {
				if claims, got := c.Resolve(context.Background(), "x"); got != err || claims != nil {
					t.Errorf("%v, %v", claims, got)
				}
			}
		}); n != 3 {
			t.Errorf("pitfall-23: %v was remembered", err)
		}
		s.err = nil
		resolve(t, c, "x")
		s.err = err
		resolve(t, c, "x")
	}
	t.Run("a flood of bad tokens leaves the good ones", func(t *testing.T) {
		s := &source{}
		c := newCache(t, s, leastBytes)
		resolve(t, c, "good")
		s.err = token.ErrSignature
		for i := range 20000 {
			_, _ = c.Resolve(context.Background(), fmt.Sprint("bad", i))
		}
		resolve(t, c, "good")
	})
	t.Run("claims that cannot be used are not remembered", func(t *testing.T) {
		s := &source{edit: func(c *token.Claims) { c.JKT = "x" }}
		c := newCache(t, s, 0)
		for range 2 {
			if _, err := c.Resolve(context.Background(), "x"); err != token.ErrConfirmation {
				t.Error(err)
			}
		}
		s.edit = nil
		resolve(t, c, "x")
	})
	t.Run("texts that differ little are others", func(t *testing.T) {
		s := &source{}
		c := newCache(t, s, 0)
		if n := s.asks(func() {
			for _, raw := range []string{"x", "X", "x ", "x=", "xx", ""} {
				if resolve(t, c, raw).ID != raw {
					t.Errorf("%q is another's", raw)
				}
			}
		}); n != 6 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestCacheCopies(t *testing.T) {
	var given *token.Claims
	s := &source{edit: func(c *token.Claims) { given = c }}
	c := newCache(t, s, 0)
	a := resolve(t, c, "x")
	a.Scope[0], a.Audience[0], a.AMR[0], a.Client, a.JKT, a.Expires = "admin", "other", "none", "other", "", time.Now().Add(1000*time.Hour)
	given.Scope[0], given.Audience[0], given.AMR[0], given.Client = "admin", "other", "none", "other"
	b := resolve(t, c, "x")
	if strings.Join(b.Scope, " ") != "accounts payments" || b.Audience[0] != "a" || b.AMR[0] != "pwd" || b.Client != "tpp-1" || time.Until(b.Expires) > time.Hour {
		t.Errorf("%+v: the cache's own claims were changed", b)
	}
}

func TestCacheConcurrently(t *testing.T) {
	while := new(atomic.Bool)
	while.Store(true)
	s := &source{edit: func(c *token.Claims) { c.While = while }}
	c := newCache(t, s, leastBytes)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 400 {
				raw := fmt.Sprint(i * (g + 1) % 300)
				if claims, err := c.Resolve(context.Background(), raw); err != nil || claims.ID != raw {
					t.Errorf("%v, %v", claims, err)
				}
				if i == 200 {
					while.Store(g%2 == 0)
				}
			}
		})
	}
	all.Wait()
}
