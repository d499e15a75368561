package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// Many at once make few calls; what one call fails with, all who waited for it are told.
func TestLeasesAtOnce(t *testing.T) {
	for name, off := range map[string]bool{"answers": false, "fails": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &away{Store: memory(t, 1000)}
				store.hang.Store(int64(500 * time.Millisecond))
				if off {
					store.off()
				}
				s := leases(t, ratelimit.LeasesConfig{Store: store, Hold: 10 * time.Second})
				l := []ratelimit.Limit{limit("once", 10_000, time.Hour)}
				var passed, failed atomic.Int64
				var wg sync.WaitGroup
				began := time.Now()
				for range 500 {
					wg.Go(func() {
						if r, err := s.Take(t.Context(), "caller", 1, l); err != nil {
							failed.Add(1)
						} else if r.OK {
							passed.Add(1)
						}
					})
				}
				wg.Wait()
				want, calls := int64(500), int64(2)
				if off {
					want, calls = 0, 1
				}
				if passed.Load() != want || failed.Load() != 500-want || store.asked.Load() > calls {
					t.Errorf("%d passed, %d failed, %d calls in %v", passed.Load(), failed.Load(), store.asked.Load(), time.Since(began))
				}
			})
		})
	}
	t.Run("hangs up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &away{Store: memory(t, 1000)}
			store.hang.Store(int64(time.Second))
			s, l := leases(t, ratelimit.LeasesConfig{Store: store}), []ratelimit.Limit{limit("once", 10_000, time.Hour)}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 2 { // one who fetches, one who waits
				wg.Go(func() { _, _ = s.Take(ctx, "caller", 1, l) })
				synctest.Wait()
			}
			began := time.Now()
			wg.Go(func() {
				if r, err := s.Take(t.Context(), "caller", 1, l); err != nil || !r.OK || time.Since(began) > 2*time.Second {
					t.Errorf("whoever stays: %+v, %v", r, err)
				}
			})
			synctest.Wait()
			cancel()
			wg.Wait()
		})
	})
	t.Run("panics while others wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			s := leases(t, ratelimit.LeasesConfig{Store: ratelimit.StoreFunc(func(context.Context, string, int64, []ratelimit.Limit) (ratelimit.Result, error) {
				calls.Add(1)
				time.Sleep(time.Second)
				panic("store")
			})})
			var wg sync.WaitGroup
			var told atomic.Int64
			for range 5 {
				wg.Go(func() {
					defer func() { _ = recover() }()
					if _, err := s.Take(t.Context(), "caller", 1, []ratelimit.Limit{limit("p", 10, time.Hour)}); errors.Is(err, ratelimit.ErrUnavailable) {
						told.Add(1)
					}
				})
			}
			wg.Wait()
			if calls.Load() != 1 || told.Load() != 4 {
				t.Errorf("%d calls, %d were told", calls.Load(), told.Load())
			}
		})
	})
	t.Run("panics", func(t *testing.T) {
		calls := 0
		m := memory(t, 10)
		s := leases(t, ratelimit.LeasesConfig{Store: ratelimit.StoreFunc(func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if calls++; calls == 1 {
				panic("store")
			}
			return m.Take(ctx, k, c, l)
		})})
		func() {
			defer func() { _ = recover() }()
			_, _ = s.Take(t.Context(), "caller", 1, []ratelimit.Limit{limit("p", 10, time.Hour)})
		}()
		take(t, s, "caller", 1, limit("p", 10, time.Hour)) // does not wait for ever
	})
}

// pitfall-86: a flood of keys takes no more room than was configured, and stops nobody.
func TestLeasesBounded(t *testing.T) {
	t.Run("pitfall-86", func(t *testing.T) {
		if raceEnabled {
			t.Skip("the race detector allocates")
		}
		m := memory(t, 1<<10)
		s, l := leases(t, ratelimit.LeasesConfig{Store: m, MaxKeys: 1000}), []ratelimit.Limit{limit("flood", 100, time.Hour)}
		heap := func() int64 {
			var s runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&s)
			return int64(s.HeapAlloc)
		}
		fill := func(from, to int) {
			for i := from; i < to; i++ {
				_, _ = s.Take(t.Context(), strconv.Itoa(i), 1, l)
			}
		}
		fill(0, 20_000)
		before := heap()
		fill(20_000, 220_000)
		if grown := heap() - before; grown > 200_000 {
			t.Errorf("grew by %d bytes", grown)
		}
		runtime.KeepAlive(s)
	})
}

// Two limits of one name and shape but another order, or another key, are other leases.
func TestLeasesApart(t *testing.T) {
	s := leases(t, ratelimit.LeasesConfig{Store: memory(t, 1000), Hold: 10 * time.Second})
	l := limit("apart", 100, time.Hour)
	for i := range 10 {
		for range 20 {
			if !take(t, s, fmt.Sprint(i), 1, l).OK {
				t.Fatal("refused")
			}
		}
	}
	for range 99 {
		take(t, s, "a", 1, l)
	}
	if take(t, s, "a", 1, l).OK || !take(t, s, "b", 1, l).OK {
		t.Error("one caller's end is another's")
	}
}
