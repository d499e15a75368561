package ratelimit_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

func guard(t testing.TB, c ratelimit.GuardConfig) *ratelimit.Guard {
	t.Helper()
	g, err := ratelimit.NewGuard(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGuardConfig(t *testing.T) {
	good := ratelimit.GuardConfig{Name: "n", Target: time.Second}
	if g := guard(t, good); g.Limit() != 16 {
		t.Errorf("begins at %d", g.Limit())
	}
	good.Min, good.Max = 100, 100
	if g := guard(t, good); g.Limit() != 100 {
		t.Errorf("begins at %d", g.Limit())
	}
	for name, c := range map[string]struct {
		change func(*ratelimit.GuardConfig)
		wrong  int
	}{
		"nothing":           {func(c *ratelimit.GuardConfig) { *c = ratelimit.GuardConfig{} }, 2},
		"all":               {func(c *ratelimit.GuardConfig) { *c = ratelimit.GuardConfig{Min: -1, Max: -2, Retry: -1, Target: -1} }, 4},
		"max below min":     {func(c *ratelimit.GuardConfig) { c.Max = 99 }, 1},
		"target too long":   {func(c *ratelimit.GuardConfig) { c.Target = time.Minute + 1 }, 1},
		"parts of a second": {func(c *ratelimit.GuardConfig) { c.Retry = 1500 * time.Millisecond }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			c.change(&bad)
			if g, err := ratelimit.NewGuard(bad); g != nil || err == nil || len(strings.Split(err.Error(), "\n")) != c.wrong {
				t.Errorf("%v, want %d mistakes", err, c.wrong)
			}
		})
	}
}

// service does work requests at a time, each for 10 ms; the others wait inside it.
type service struct {
	workers chan struct{}
	mu      sync.Mutex
	took    []time.Duration // of those it answered
}

const work = 10 * time.Millisecond

func newService(workers int) *service { return &service{workers: make(chan struct{}, workers)} }

func (s *service) ServeHTTP(http.ResponseWriter, *http.Request) {
	began := time.Now()
	s.workers <- struct{}{}
	time.Sleep(work)
	<-s.workers
	s.mu.Lock()
	s.took = append(s.took, time.Since(began))
	s.mu.Unlock()
}

// load sends one request every gap for that long, whether the earlier ones are answered or not.
func load(h http.Handler, gap, lasts time.Duration) (refused int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for began := time.Now(); time.Since(began) < lasts; time.Sleep(gap) {
		wg.Go(func() {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, request()); w.Code == http.StatusServiceUnavailable {
				mu.Lock()
				refused++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return refused
}

// percentile of what a service answered since its n-th answer.
func (s *service) percentile(n int, p float64) time.Duration {
	took := slices.Sorted(slices.Values(s.took[n:]))
	return took[int(p*float64(len(took)-1))]
}

// A service that is asked five times what it can do answers all it can, in bounded time, and
// what it refuses is refused at once; without the guard the time grows as long as it lasts.
func TestGuard(t *testing.T) {
	const target, lasts = 50 * time.Millisecond, 5 * time.Second
	flood := work / 8 / 5
	synctest.Test(t, func(t *testing.T) {
		s := newService(8)
		load(s, flood, lasts)
		if worst := s.percentile(0, 0.99); worst < 15*time.Second {
			t.Fatalf("the test does not saturate: %v", worst)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, g := newService(8), guard(t, ratelimit.GuardConfig{Name: "service", Target: target})
		h := g.Wrap(s)
		refused := load(h, flood, lasts)
		answered, capacity := len(s.took), int(8*lasts/work)
		p50, p99 := s.percentile(answered/10, 0.5), s.percentile(answered/10, 0.99)
		t.Logf("answered %d of at most %d, refused %d, p50 %v, p99 %v, limit %d", answered, capacity, refused, p50, p99, g.Limit())
		if answered < capacity*95/100 {
			t.Errorf("answered %d, could answer %d", answered, capacity)
		}
		if p50 > target*3/2 || p99 > target*2 {
			t.Errorf("p50 %v, p99 %v with a target of %v", p50, p99, target)
		}
		if worst := s.percentile(0, 1); worst > target*4 {
			t.Errorf("worst %v", worst)
		}
		if g.InFlight() != 0 {
			t.Errorf("%d inside", g.InFlight())
		}

		// Half of what it can do: nobody is refused, however long the flood was.
		if refused := load(h, work/4, lasts); refused > 0 {
			t.Errorf("%d refused after the flood", refused)
		}
		// The service becomes four times as good: the guard finds it out.
		s.workers = make(chan struct{}, 32)
		load(h, flood, lasts)
		s.took = nil
		load(h, work/32/2, lasts)
		if n := int(16 * lasts / work); len(s.took) < n*99/100 {
			t.Errorf("answered %d of %d", len(s.took), n)
		}
	})
}

// A few slow requests, such as those of clients who send a body byte by byte, move nothing.
func TestGuardSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(t, ratelimit.GuardConfig{Name: "service", Target: 50 * time.Millisecond})
		var n atomic.Int64
		h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if n.Add(1)%5 < 2 { // two of five
				time.Sleep(5 * time.Second)
				return
			}
			time.Sleep(work)
		}))
		if refused := load(h, 20*time.Millisecond, time.Minute); refused > 500 { // while the guard grows
			t.Errorf("%d refused", refused)
		}
		if refused := load(h, 20*time.Millisecond, time.Minute); refused > 0 || g.Limit() < 100 {
			t.Errorf("%d refused, limit %d", refused, g.Limit())
		}
	})
}

// When nothing is answered any more, what is inside stays bounded, and Min is left.
func TestGuardStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(t, ratelimit.GuardConfig{Name: "service", Target: 50 * time.Millisecond, Min: 3})
		h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(30 * time.Second) }))
		load(h, 100*time.Millisecond, 30*time.Minute)
		if g.Limit() != 3 {
			t.Errorf("limit %d", g.Limit())
		}
	})
}

// Handlers that never return do not keep out the others for ever, and do not pile up beyond Max.
func TestGuardStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const target = 50 * time.Millisecond
		g := guard(t, ratelimit.GuardConfig{Name: "service", Target: target, Min: 3, Max: 200})
		stuck, free := make(chan struct{}), atomic.Bool{}
		h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if !free.Load() {
				<-stuck
			}
			time.Sleep(work)
		}))
		var wg sync.WaitGroup
		send := func() (code int) {
			w := httptest.NewRecorder()
			done := make(chan struct{})
			wg.Go(func() { h.ServeHTTP(w, request()); close(done) })
			synctest.Wait()
			select {
			case <-done:
				return w.Code
			default:
				return 0 // inside
			}
		}
		for g.InFlight() < g.Limit() {
			send()
		}
		full := g.InFlight()
		time.Sleep(31 * target)
		if code := send(); code != http.StatusServiceUnavailable || g.InFlight() != full {
			t.Fatalf("full: %d, %d inside", code, g.InFlight())
		}
		free.Store(true)
		time.Sleep(2 * target)
		if code := send(); code != 0 || g.InFlight() != full+1 {
			t.Fatalf("one of those that come later: %d, %d inside", code, g.InFlight())
		}
		time.Sleep(target)
		if refused := load(h, work*2, 10*time.Second); refused > 0 || g.InFlight() != full {
			t.Errorf("%d of the good were refused beside %d stuck, %d inside", refused, full, g.InFlight())
		}
		free.Store(false)
		for range 600 {
			send()
			time.Sleep(target)
		}
		if g.InFlight() != 200 {
			t.Errorf("%d inside, Max is 200", g.InFlight())
		}
		free.Store(true)
		close(stuck)
		wg.Wait()
		if g.InFlight() != 0 {
			t.Errorf("%d inside when all are gone", g.InFlight())
		}
		if refused := load(h, work*2, time.Second); refused > 0 || g.InFlight() != 0 {
			t.Errorf("%d refused afterwards, %d inside", refused, g.InFlight())
		}
		stuck = make(chan struct{})
		free.Store(false)
		for range 2 * g.Limit() {
			send()
		}
		if g.InFlight() != g.Limit() {
			t.Errorf("%d inside, the bound is %d", g.InFlight(), g.Limit())
		}
		close(stuck)
		wg.Wait()
	})
}

func TestGuardRefusal(t *testing.T) {
	g := guard(t, ratelimit.GuardConfig{Name: "service", Target: time.Second, Min: 1, Max: 1, Retry: 7 * time.Second})
	inside, err := g.Enter(request())
	if err != nil {
		t.Fatal(err)
	}
	h, record := logged(t, g.Wrap, nil)
	w, reached := serve(h, request())
	if reached || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "7" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("reached %t, %d %v", reached, w.Code, w.Header())
	}
	if got := record(); got["reason"] != string(ratelimit.ErrOverload) || got["decision"] != "deny" || got["cause"] != "service" {
		t.Errorf("record %v", got)
	}
	_, err = g.Enter(request())
	refusal(t, err, ratelimit.ErrOverload, http.StatusServiceUnavailable)
	waived, record := logged(t, g.Wrap, func(_ *http.Request, f *audit.Refusal) bool { return ratelimit.RefusedBy(f) == "service" })
	if _, reached := serve(waived, request()); !reached || g.InFlight() != 1 {
		t.Errorf("waived: reached %t, %d inside", reached, g.InFlight())
	}
	record()
	inside.Leave()
	inside.Leave()
	if g.InFlight() != 0 {
		t.Errorf("%d inside", g.InFlight())
	}
	func() {
		defer func() { _ = recover() }()
		g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("handler") })).ServeHTTP(httptest.NewRecorder(), request())
	}()
	if g.InFlight() != 0 {
		t.Error("a panic stays inside")
	}
}

func TestGuardAllocs(t *testing.T) {
	g := guard(t, ratelimit.GuardConfig{Name: "n", Target: time.Second})
	h, w, r := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), httptest.NewRecorder(), request()
	allocs(t, 0, func() { h.ServeHTTP(w, r) })
}
