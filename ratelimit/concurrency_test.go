package ratelimit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

func slots(t testing.TB, most int) *ratelimit.Slots {
	t.Helper()
	s, err := ratelimit.NewSlots(ratelimit.SlotsConfig{Most: most})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func concurrency(t testing.TB, c ratelimit.ConcurrencyConfig) *ratelimit.Concurrency {
	t.Helper()
	l, err := ratelimit.NewConcurrency(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// byHeader is a key function for tests only.
func byHeader(r *http.Request) (string, error) { return r.Header.Get("Client"), nil }

func requestOf(client string) *http.Request {
	r := request()
	r.Header.Set("Client", client)
	return r
}

func TestConcurrencyConfig(t *testing.T) {
	good := ratelimit.ConcurrencyConfig{Slots: slots(t, 0), Name: "n", Key: one, Max: 1}
	concurrency(t, good)
	for name, c := range map[string]struct {
		change func(*ratelimit.ConcurrencyConfig)
		wrong  int
	}{
		"nothing":             {func(c *ratelimit.ConcurrencyConfig) { *c = ratelimit.ConcurrencyConfig{} }, 4},
		"a queue, no wait":    {func(c *ratelimit.ConcurrencyConfig) { c.Queue = 1 }, 1},
		"a wait, no queue":    {func(c *ratelimit.ConcurrencyConfig) { c.Wait = 1 }, 1},
		"waits for too long":  {func(c *ratelimit.ConcurrencyConfig) { c.Queue, c.Wait = 1, time.Minute+1 }, 1},
		"negative":            {func(c *ratelimit.ConcurrencyConfig) { c.Max, c.Queue, c.Wait = -1, -1, -1 }, 3},
		"a name with a slash": {func(c *ratelimit.ConcurrencyConfig) { c.Name = "a/b" }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			c.change(&bad)
			if l, err := ratelimit.NewConcurrency(bad); l != nil || err == nil || len(strings.Split(err.Error(), "\n")) != c.wrong {
				t.Errorf("%v, want %d mistakes", err, c.wrong)
			}
		})
	}
	for _, most := range []int{-1, 1<<20 + 1} {
		if _, err := ratelimit.NewSlots(ratelimit.SlotsConfig{Most: most}); err == nil {
			t.Errorf("Slots of %d", most)
		}
	}
}

// busy serves requests that stay inside until they are let go, and tells the most inside.
type busy struct {
	handler   http.Handler
	stay      chan struct{}
	now, most atomic.Int64
}

func newBusy(wrap func(http.Handler) http.Handler) *busy {
	b := &busy{stay: make(chan struct{})}
	b.handler = wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := b.now.Add(1)
		defer b.now.Add(-1)
		for m := b.most.Load(); n > m && !b.most.CompareAndSwap(m, n); m = b.most.Load() {
		}
		<-b.stay
	}))
	return b
}

func (b *busy) send(wg *sync.WaitGroup, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	wg.Go(func() { b.handler.ServeHTTP(w, r) })
	return w
}

// L11: so many of one caller inside, so many wait, the next is refused; nobody else notices.
func TestConcurrency(t *testing.T) {
	t.Run("L11", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := slots(t, 0)
			c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: s, Name: "inflight", Key: byHeader, Max: 2, Queue: 1, Wait: time.Second})
			b := newBusy(c.Wrap)
			var wg sync.WaitGroup
			first := b.send(&wg, requestOf("a"))
			synctest.Wait()
			b.send(&wg, requestOf("a"))
			synctest.Wait()
			waits := b.send(&wg, requestOf("a"))
			synctest.Wait()
			if s.InFlight() != 2 || s.Waiting() != 1 || b.now.Load() != 2 {
				t.Fatalf("%d inside, %d wait", s.InFlight(), s.Waiting())
			}
			w, reached := serve(c.Wrap, requestOf("a"))
			if reached || w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" ||
				w.Header().Get("RateLimit") != `"inflight";r=0` || w.Header().Get("RateLimit-Policy") != `"inflight";q=2;qu="concurrent-requests"` {
				t.Errorf("reached %t, %d %v", reached, w.Code, w.Header())
			}
			_, err := c.Enter(requestOf("a"))
			if f := refusal(t, err, ratelimit.ErrInFlight, http.StatusTooManyRequests); ratelimit.RefusedBy(f) != "inflight" {
				t.Errorf("refused by %q", ratelimit.RefusedBy(f))
			}
			if w, reached := serve(c.Wrap, requestOf("b")); !reached || w.Header().Get("RateLimit") != `"inflight";r=1` {
				t.Errorf("another caller: %t %v", reached, w.Header())
			}
			b.stay <- struct{}{} // the place goes to the one who waits
			synctest.Wait()
			if b.now.Load() != 2 || s.Waiting() != 0 {
				t.Errorf("%d inside, %d wait", b.now.Load(), s.Waiting())
			}
			close(b.stay)
			wg.Wait()
			if b.most.Load() != 2 || first.Code != 200 || waits.Code != 200 || s.InFlight() != 0 {
				t.Errorf("%d at once, %d %d, %d inside", b.most.Load(), first.Code, waits.Code, s.InFlight())
			}
		})
	})
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := slots(t, 0)
			c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: s, Name: "inflight", Key: one, Max: 1, Queue: 5, Wait: time.Second})
			held, err := c.Enter(request())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = c.Enter(request())
			refusal(t, err, ratelimit.ErrWaited, http.StatusTooManyRequests)
			if time.Since(began) != time.Second || s.Waiting() != 0 {
				t.Errorf("after %v, %d wait", time.Since(began), s.Waiting())
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_, err = c.Enter(request().WithContext(ctx))
			refusal(t, err, ratelimit.ErrWaited, http.StatusTooManyRequests)
			held.Leave()
			held.Leave() // no second place
			if s.InFlight() != 0 {
				t.Errorf("%d inside", s.InFlight())
			}
			held, err = c.Enter(request())
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Enter(request())
			refusal(t, err, ratelimit.ErrWaited, http.StatusTooManyRequests)
			held.Leave()
		})
	})
	t.Run("panic", func(t *testing.T) {
		s := slots(t, 0)
		c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: s, Name: "inflight", Key: one, Max: 1})
		func() {
			defer func() { _ = recover() }()
			c.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("handler") })).ServeHTTP(httptest.NewRecorder(), request())
		}()
		if s.InFlight() != 0 {
			t.Error("the place of a panic is not given back")
		}
	})
	t.Run("keys", func(t *testing.T) {
		c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: slots(t, 0), Name: "n", Key: byHeader, Max: 1})
		for _, client := range []string{"", strings.Repeat("c", ratelimit.MaxKey+1)} {
			_, err := c.Enter(requestOf(client))
			refusal(t, err, ratelimit.ErrKey, http.StatusInternalServerError)
		}
	})
}

// What is only watched holds no place and leaves no trace in the answer.
func TestConcurrencyReportOnly(t *testing.T) {
	s := slots(t, 0)
	c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: s, Name: "n", Key: one, Max: 1})
	held, _ := c.Enter(request())
	h, record := logged(t, c.Wrap, func(_ *http.Request, f *audit.Refusal) bool { return ratelimit.RefusedBy(f) == "n" })
	w, reached := serve(h, request())
	if !reached || w.Header().Get("RateLimit") != "" || s.InFlight() != 1 {
		t.Errorf("reached %t, %v, %d inside", reached, w.Header(), s.InFlight())
	}
	if got := record(); got["decision"] != "would_deny" {
		t.Errorf("record %v", got)
	}
	held.Leave()
}

func TestConcurrencyAllocs(t *testing.T) {
	c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: slots(t, 0), Name: "n", Key: one, Max: 1, NoFields: true})
	h, w, r := c.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), httptest.NewRecorder(), request()
	allocs(t, 0, func() { h.ServeHTTP(w, r) })
}
