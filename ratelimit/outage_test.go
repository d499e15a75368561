package ratelimit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/ratelimittest"
)

// away is a store that can be switched off, or made to hang.
type away struct {
	ratelimit.Store
	err   atomic.Pointer[error]
	hang  atomic.Int64 // nanoseconds
	asked atomic.Int64
}

func (a *away) Take(ctx context.Context, key string, cost int64, limits []ratelimit.Limit) (ratelimit.Result, error) {
	a.asked.Add(1)
	time.Sleep(time.Duration(a.hang.Load()))
	if err := a.err.Load(); err != nil {
		return ratelimit.Result{OK: true}, *err
	}
	if ctx.Err() != nil {
		return ratelimit.Result{}, ctx.Err()
	}
	return a.Store.Take(ctx, key, cost, limits)
}

func (a *away) off() { err := errors.New("secret"); a.err.Store(&err) }
func (a *away) on()  { a.err.Store(nil) }

// reports gathers what a store reports.
type reports struct {
	mu   sync.Mutex
	said []string
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.said = append(r.said, "back")
		return
	}
	r.said = append(r.said, err.Error())
}

func (r *reports) all() string { return strings.Join(r.said, " ") }

func TestOutageConfig(t *testing.T) {
	m, report := memory(t, 1), func(error) {}
	if _, err := ratelimit.LocalFallback(nil, ratelimit.OutageConfig{Pause: -1}); err == nil || len(strings.Split(err.Error(), "\n")) != 4 {
		t.Errorf("four mistakes: %v", err)
	}
	if _, err := ratelimit.DangerouslyFailOpen(ratelimit.OutageConfig{Store: m}); err == nil || !strings.Contains(err.Error(), "Report") {
		t.Errorf("nobody learns of it: %v", err)
	}
	if _, err := ratelimit.DangerouslyFailOpen(ratelimit.OutageConfig{Store: m, Report: report, Pause: time.Hour + 1}); err == nil {
		t.Error("a pause of more than an hour")
	}
}

// L7: an outage is answered by the policy that the store was given, by name; and told.
func TestOutage(t *testing.T) {
	config := func(s ratelimit.Store) ratelimit.Config {
		return ratelimit.Config{Store: s, Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 2, time.Hour)}}
	}
	passes := func(t *testing.T, s ratelimit.Store) (codes []int) {
		h := limiter(t, config(s)).Wrap
		for range 4 {
			w, _ := serve(h, request())
			codes = append(codes, w.Code)
		}
		return codes
	}
	for name, c := range map[string]struct {
		store func(ratelimit.OutageConfig) (ratelimit.Store, error)
		want  [4]int
	}{
		"closed": {func(c ratelimit.OutageConfig) (ratelimit.Store, error) { return c.Store, nil }, [4]int{503, 503, 503, 503}},
		"open":   {ratelimit.DangerouslyFailOpen, [4]int{204, 204, 204, 204}},
		"local": {func(c ratelimit.OutageConfig) (ratelimit.Store, error) {
			return ratelimit.LocalFallback(memory(t, 10), c)
		}, [4]int{204, 204, 429, 429}},
	} {
		t.Run("L7 "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, said := &away{Store: memory(t, 10)}, &reports{}
				s, err := c.store(ratelimit.OutageConfig{Store: first, Report: said.add, Pause: 10 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				if got := passes(t, s); got[1] != 204 || got[2] != 429 {
					t.Errorf("while all is well: %v", got)
				}
				first.off()
				if got := passes(t, s); [4]int(got) != c.want {
					t.Errorf("%v, want %v", got, c.want)
				}
				if name == "closed" {
					return
				}
				if first.asked.Load() != 5 {
					t.Errorf("the store was asked %d times, want once after the 4", first.asked.Load())
				}
				first.on()
				passes(t, s) // it is left alone
				time.Sleep(10 * time.Second)
				if got := passes(t, s); got[0] != 429 || said.all() != "secret back" {
					t.Errorf("after the outage: %v, said %q", got, said.all())
				}
			})
		})
	}
	t.Run("no fields when open", func(t *testing.T) {
		first := &away{Store: memory(t, 10)}
		first.off()
		s, _ := ratelimit.DangerouslyFailOpen(ratelimit.OutageConfig{Store: first, Report: func(error) {}})
		if w, _ := serve(limiter(t, config(s)).Wrap, request()); w.Header().Get("RateLimit") != "" || w.Code != 204 {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
}

// Whoever hangs up does not make an outage: that would be a way to have no limits.
func TestOutageIsNoHangup(t *testing.T) {
	m := memory(t, 10)
	said := &reports{}
	s, _ := ratelimit.DangerouslyFailOpen(ratelimit.OutageConfig{Store: &away{Store: m}, Report: said.add})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l := limit("client", 1, time.Hour)
	for i, want := range []bool{true, false, false} {
		if r, err := s.Take(ctx, "caller", 1, []ratelimit.Limit{l}); err != nil || r.OK != want {
			t.Errorf("%d: %+v, %v", i, r, err)
		}
	}
	if said.all() != "" {
		t.Errorf("said %q", said.all())
	}
}

// pitfall-87: while the store hangs one request at a time waits for it, and none of the others.
func TestOutageWaits(t *testing.T) {
	t.Run("pitfall-87", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			first, said := &away{Store: memory(t, 10)}, &reports{}
			s, _ := ratelimit.LocalFallback(memory(t, 10), ratelimit.OutageConfig{Store: first, Report: said.add})
			first.off()
			take(t, s, "caller", 1, limit("a", 100, time.Hour))
			first.hang.Store(int64(30 * time.Second))
			time.Sleep(time.Second)
			var wg sync.WaitGroup
			var waited atomic.Int64
			for range 20 {
				wg.Go(func() {
					began := time.Now()
					take(t, s, "caller", 1, limit("a", 100, time.Hour))
					if time.Since(began) > 0 {
						waited.Add(1)
					}
				})
			}
			wg.Wait()
			if waited.Load() != 1 || first.asked.Load() != 2 {
				t.Errorf("%d waited, asked %d times", waited.Load(), first.asked.Load())
			}
		})
	})
}

// Out of bounds is out of bounds, whoever answers; and both stores judge the limits.
func TestOutageBounds(t *testing.T) {
	first, said := &away{Store: memory(t, 10)}, &reports{}
	open, _ := ratelimit.DangerouslyFailOpen(ratelimit.OutageConfig{Store: first, Report: said.add})
	for _, off := range []bool{false, true} {
		if off {
			if said.all() != "" {
				t.Errorf("out of bounds is no outage: %s", said.all())
			}
			first.off()
		}
		if r, err := open.Take(t.Context(), "", 1, []ratelimit.Limit{limit("a", 1, time.Hour)}); r.OK || !errors.Is(err, ratelimit.ErrBounds) {
			t.Errorf("off %t: %+v, %v", off, r, err)
		}
	}
	for _, stores := range [][2]ratelimit.Store{{picky{memory(t, 1)}, memory(t, 1)}, {memory(t, 1), picky{memory(t, 1)}}} {
		s, _ := ratelimit.LocalFallback(stores[0], ratelimit.OutageConfig{Store: stores[1], Report: func(error) {}})
		if _, err := ratelimit.New(ratelimit.Config{Store: s, Name: "n", Key: one, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}}); err == nil || !strings.Contains(err.Error(), "picky") {
			t.Errorf("New: %v", err)
		}
	}
}

func TestLocalFallbackConforms(t *testing.T) {
	for name, off := range map[string]bool{"first": false, "local": true} {
		t.Run(name, func(t *testing.T) {
			ratelimittest.Run(t, func() ratelimit.Store {
				first := &away{Store: memory(t, 1000)}
				if off {
					first.off()
				}
				s, err := ratelimit.LocalFallback(memory(t, 1000), ratelimit.OutageConfig{Store: first, Report: func(error) {}, Pause: time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}, ratelimittest.Options{Synctest: true})
		})
	}
}
