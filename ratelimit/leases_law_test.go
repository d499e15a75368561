package ratelimit_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// What several processes admit together, each with leases of its own over one store, keeps
// the law of a single one over every window there is: nothing is admitted beyond the limit.
func TestLeasesLaw(t *testing.T) {
	for _, l := range []ratelimit.Limit{
		limit("even", 100, time.Second),
		limit("third", 30, time.Second),
		{Name: "deep", Count: 70, Period: time.Second, Burst: 200},
		{Name: "shallow", Count: 1000, Period: time.Second, Burst: 120},
		limit("odd", 130, 999_999_937),
	} {
		t.Run(l.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(5, uint64(l.Count)))
				store, m := &away{Store: memory(t, 1000)}, newModel(l)
				var processes [3]*ratelimit.Leases
				for i := range processes {
					processes[i] = leases(t, ratelimit.LeasesConfig{Store: store, Permits: 40})
				}
				asked, passed := 0, int64(0)
				began := time.Now()
				for range 3000 {
					if rnd.IntN(4) == 0 {
						time.Sleep(time.Duration(rnd.Int64N(int64(l.Period) / l.Count * 3)))
					}
					if rnd.IntN(900) == 0 {
						time.Sleep(time.Duration(rnd.Int64N(int64(2 * time.Second))))
					}
					cost := 1 + rnd.Int64N(rnd.Int64N(6)+1)
					asked++
					if r := take(t, processes[rnd.IntN(len(processes))], "caller", cost, l); r.OK {
						m.events = append(m.events, event{time.Now(), cost})
						passed += cost
					} else if r.Limit != l || r.Retry <= 0 {
						t.Fatalf("%+v", r)
					}
				}
				m.law(t)
				could := m.burst + int64(time.Since(began))*l.Count/int64(l.Period)
				t.Logf("admitted %d, the law allows %d; %.2f calls per request", passed, could, float64(store.asked.Load())/float64(asked))
				if passed < could/4 {
					t.Errorf("only %d of %d", passed, could)
				}
			})
		})
	}
}

// The bound is exact where it is hardest: permits that were taken early and kept for as long as
// they may be, until the bucket is full again, are used at the moment in which another process
// takes all that is there.
func TestLeasesKept(t *testing.T) {
	for name, c := range map[string]struct {
		keepers int
		kept    time.Duration
	}{
		"to the last moment": {1, 99 * time.Millisecond},
		"for longer":         {5, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := limit("kept", 100, time.Second), memory(t, 100)
				process := func() ratelimit.Store { return leases(t, ratelimit.LeasesConfig{Store: store}) }
				var keepers []ratelimit.Store
				for range c.keepers {
					keepers = append(keepers, process())
				}
				for _, k := range keepers {
					for range 31 { // leases of 1, 2, 4, 8 and 16
						take(t, k, "caller", 1, l)
					}
					time.Sleep(2 * time.Second)
				}
				for _, k := range keepers {
					take(t, k, "caller", 1, l) // takes 8, of which 7 are kept
				}
				time.Sleep(c.kept)
				passed := 0
				for other := process(); take(t, other, "caller", 1, l).OK; {
					passed++
				}
				for _, k := range keepers {
					for range 20 {
						if take(t, k, "caller", 1, l).OK {
							passed++
						}
					}
				}
				t.Logf("%d of %d at one moment", passed, l.Count)
				if passed > 100 || passed < 80 {
					t.Errorf("%d at one moment, the burst is 100", passed)
				}
			})
		})
	}
}
