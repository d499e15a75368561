package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/token"
)

// bank answers about consents, when it is let.
type bank struct {
	mu    sync.Mutex
	says  token.Consent
	err   error
	holds chan struct{} // nil: answers at once
	calls atomic.Int64
}

func (b *bank) Consent(ctx context.Context, _, _ string) (token.Consent, error) {
	b.calls.Add(1)
	b.mu.Lock()
	says, err, holds := b.says, b.err, b.holds
	b.mu.Unlock()
	if holds != nil {
		select {
		case <-holds:
		case <-ctx.Done():
			return token.Consent{}, ctx.Err()
		}
	}
	return says, err
}

func (b *bank) now(says token.Consent, err error, holds chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.says, b.err, b.holds = says, err, holds
}

func cached(b token.Consents, edits ...func(*token.ConsentCacheConfig)) *token.ConsentCache {
	c := token.ConsentCacheConfig{Consents: b}
	for _, edit := range edits {
		edit(&c)
	}
	return policyOf(token.NewConsentCache(c))
}

// TestConsentWithdrawn is the whole way: what a customer withdraws is refused from the next request on, although the
// token and the consent are in caches.
func TestConsentWithdrawn(t *testing.T) {
	memory := policyOf(token.NewMemoryConsents(8))
	must(memory.Put(rigIssuer, "c", consented()))
	cache := cached(memory, func(c *token.ConsentCacheConfig) { c.TTL = time.Hour })
	k := guarding(t, "/", policyOf(token.NewConsentPolicy(token.ConsentConfig{Consents: cache, Permissions: []string{"ReadBalances"}})), func(k *rig) { k.cached = true })
	raw := k.bearer(claim("consent_id", `"c"`))
	k.withBearer(raw).ok(t)
	k.withBearer(raw).ok(t)
	memory.Withdraw(rigIssuer, "c")
	cache.Invalidate(rigIssuer, "c")
	k.withBearer(raw).refused(t, eIS, token.ErrConsentInactive)
	k.withBearer(raw).refused(t, eIS, token.ErrConsentInactive)
}

func TestConsentCache(t *testing.T) {
	ctx := context.Background()
	t.Run("Z5 remembers for TTL", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := &bank{says: consented()}
			c := cached(b, func(c *token.ConsentCacheConfig) { c.TTL = 10 * time.Second })
			ask := func(want int64) {
				t.Helper()
				got, err := c.Consent(ctx, "i", "1")
				if err != nil || got.Status != token.ConsentActive || b.calls.Load() != want {
					t.Errorf("%+v, %v, %d calls, want %d", got, err, b.calls.Load(), want)
				}
				got.Permissions[0], got.Accounts[0] = "x", "x" // nobody else sees that
				if again, _ := c.Consent(ctx, "i", "1"); again.Permissions[0] == "x" || again.Accounts[0] == "x" {
					t.Error("shared slices")
				}
			}
			ask(1)
			time.Sleep(9 * time.Second)
			ask(1)
			time.Sleep(time.Second)
			ask(2)
			if _, _ = c.Consent(ctx, "j", "1"); b.calls.Load() != 3 {
				t.Error("one consent for two issuers")
			}
		})
	})
	t.Run("Z5 the TTL begins with the question", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := &bank{says: consented(), holds: make(chan struct{})}
			c := cached(b, func(c *token.ConsentCacheConfig) { c.TTL, c.Timeout = 5*time.Second, 4*time.Second })
			time.AfterFunc(3*time.Second, func() { close(b.holds) })
			_, err := c.Consent(ctx, "i", "1")
			must(err)
			time.Sleep(2 * time.Second)
			if _, _ = c.Consent(ctx, "i", "1"); b.calls.Load() != 2 {
				t.Errorf("%d calls", b.calls.Load())
			}
		})
	})
	t.Run("Z5 what is unknown and what failed is not remembered", func(t *testing.T) {
		for _, failure := range []error{token.ErrConsentUnknown, errBankDown} {
			b := &bank{says: consented(), err: failure}
			c := cached(b)
			for i := range 3 {
				if _, err := c.Consent(ctx, "i", "1"); !errors.Is(err, failure) || b.calls.Load() != int64(i+1) {
					t.Errorf("%v, %d calls", err, b.calls.Load())
				}
			}
			b.now(consented(), nil, nil)
			if _, err := c.Consent(ctx, "i", "1"); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("Z5 push: Invalidate", func(t *testing.T) {
		b := &bank{says: consented()}
		c := cached(b)
		_, _ = c.Consent(ctx, "i", "1")
		_, _ = c.Consent(ctx, "i", "2")
		b.now(consented(func(c *token.Consent) { c.Status = token.ConsentWithdrawn }), nil, nil)
		c.Invalidate("i", "1")
		one, _ := c.Consent(ctx, "i", "1")
		two, _ := c.Consent(ctx, "i", "2")
		if one.Status != token.ConsentWithdrawn || two.Status != token.ConsentActive || b.calls.Load() != 3 {
			t.Errorf("%v, %v, %d calls", one.Status, two.Status, b.calls.Load())
		}
	})
	t.Run("bounded", func(t *testing.T) {
		b := &bank{says: consented()}
		c := cached(b, func(c *token.ConsentCacheConfig) { c.Capacity = 2 })
		for _, id := range []string{"1", "2", "3", "2", "3"} {
			_, _ = c.Consent(ctx, "i", id)
		}
		if b.calls.Load() != 3 {
			t.Errorf("%d calls", b.calls.Load())
		}
		if _, _ = c.Consent(ctx, "i", "1"); b.calls.Load() != 4 {
			t.Error("three are held in two places")
		}
	})
	for name, edit := range map[string]func(*token.ConsentCacheConfig){
		"no consents": func(c *token.ConsentCacheConfig) { c.Consents = nil }, "nested": func(c *token.ConsentCacheConfig) { c.Consents = cached(&bank{}) },
		"TTL": func(c *token.ConsentCacheConfig) { c.TTL = 2 * time.Hour }, "negative TTL": func(c *token.ConsentCacheConfig) { c.TTL = -1 },
		"capacity": func(c *token.ConsentCacheConfig) { c.Capacity = -1 }, "timeout": func(c *token.ConsentCacheConfig) { c.Timeout = time.Minute },
	} {
		c := token.ConsentCacheConfig{Consents: &bank{}}
		edit(&c)
		if made, err := token.NewConsentCache(c); err == nil || made != nil {
			t.Errorf("%s is a cache", name)
		}
	}
	if _, err := token.NewConsentCache(token.ConsentCacheConfig{TTL: -1, Capacity: -1, Timeout: -1}); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v, want four mistakes", err)
	}
}

func TestConsentCacheConcurrently(t *testing.T) {
	ctx := context.Background()
	t.Run("Z5 an answer from before Invalidate is not remembered, nor shared after it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := &bank{says: consented(), holds: make(chan struct{})}
			holds := b.holds
			c := cached(b)
			early := make(chan token.Consent, 1)
			go func() {
				got, _ := c.Consent(ctx, "i", "1")
				early <- got
			}()
			synctest.Wait()
			b.now(consented(func(c *token.Consent) { c.Status = token.ConsentWithdrawn }), nil, nil)
			c.Invalidate("i", "1")
			late, err := c.Consent(ctx, "i", "1") // while the first is still under way
			if err != nil || late.Status != token.ConsentWithdrawn {
				t.Errorf("%+v, %v", late, err)
			}
			close(holds)
			if got := <-early; got.Status != token.ConsentActive {
				t.Errorf("%+v", got)
			}
			synctest.Wait()
			if after, _ := c.Consent(ctx, "i", "1"); after.Status != token.ConsentWithdrawn || b.calls.Load() != 2 {
				t.Errorf("%+v, %d calls", after, b.calls.Load())
			}
		})
	})
	t.Run("Z5 the same, and nobody asked in between", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := &bank{says: consented(), holds: make(chan struct{})}
			c := cached(b)
			time.AfterFunc(100*time.Millisecond, func() { c.Invalidate("i", "1") })
			time.AfterFunc(200*time.Millisecond, func() { close(b.holds) })
			_, _ = c.Consent(ctx, "i", "1")
			synctest.Wait()
			if _, _ = c.Consent(ctx, "i", "1"); b.calls.Load() != 2 {
				t.Error("an answer from before Invalidate was remembered")
			}
		})
	})
	t.Run("single flight, which ends with none of those who wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := &bank{says: consented(), holds: make(chan struct{})}
			c := cached(b)
			first, leave := context.WithCancel(ctx)
			var wg sync.WaitGroup
			errs := make(chan error, 10)
			for i := range 10 {
				wg.Go(func() {
					own := ctx
					if i == 0 {
						own = first
					}
					_, err := c.Consent(own, "i", "1")
					errs <- err
				})
				synctest.Wait()
			}
			leave()
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			close(b.holds)
			wg.Wait()
			for range 9 {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			if b.calls.Load() != 1 {
				t.Errorf("%d calls", b.calls.Load())
			}
		})
	})
	t.Run("OPS-fail-closed: a bank that hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hang := make(chan struct{})
			var calls atomic.Int64
			deaf := token.ConsentsFunc(func(context.Context, string, string) (token.Consent, error) {
				calls.Add(1)
				<-hang // heeds no context
				return consented(), nil
			})
			for _, consents := range []token.Consents{cached(deaf, func(c *token.ConsentCacheConfig) { c.MaxInFlight = 2 }), deaf} {
				calls.Store(0)
				k := guarding(t, "/", policyOf(token.NewConsentPolicy(token.ConsentConfig{Consents: consents, AnyPermission: true, MaxInFlight: 2})))
				for i, took := range []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, 0, 0} {
					began := time.Now()
					k.gets("/", claim("consent_id", quote(fmt.Sprint(i)))).refused(t, e503, token.ErrConsentUnavailable)
					if d := time.Since(began); d != took {
						t.Errorf("refusal %d after %v, want %v", i, d, took)
					}
				}
				if calls.Load() != 2 {
					t.Errorf("%d calls", calls.Load())
				}
			}
			close(hang)
		})
	})
	t.Run("a bank that panics", func(t *testing.T) {
		c := cached(token.ConsentsFunc(func(context.Context, string, string) (token.Consent, error) { panic("x") }))
		if _, err := c.Consent(ctx, "i", "1"); err == nil || errors.Is(err, token.ErrConsentUnknown) {
			t.Error(err)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		b := &bank{says: consented()}
		c := cached(b, func(c *token.ConsentCacheConfig) { c.Capacity = 3 })
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 300 {
					id := fmt.Sprint((i + n) % 7)
					if n%5 == 0 {
						c.Invalidate("i", id)
					}
					if got, err := c.Consent(ctx, "i", id); err != nil || len(got.Accounts) != 2 {
						t.Errorf("%+v, %v", got, err)
					}
				}
			})
		}
		wg.Wait()
	})
}
