package ratelimit_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/ratelimittest"
)

// model is a bucket in rational numbers: tokens left at a moment. It knows nothing of the
// arithmetic it checks.
type model struct {
	limit  ratelimit.Limit
	burst  int64
	tokens *big.Rat
	at     time.Time
	events []event
}

type event struct {
	at   time.Time
	cost int64
}

func newModel(l ratelimit.Limit) *model {
	m := &model{limit: l, burst: l.Burst, at: time.Now()}
	if m.burst == 0 {
		m.burst = l.Count
	}
	m.tokens = new(big.Rat).SetInt64(m.burst)
	return m
}

// now lets the bucket fill until now.
func (m *model) now() {
	gained := new(big.Rat).SetFrac(big.NewInt(int64(time.Since(m.at))*m.limit.Count), big.NewInt(int64(m.limit.Period)))
	m.at = time.Now()
	if m.tokens.Add(m.tokens, gained); m.tokens.Cmp(new(big.Rat).SetInt64(m.burst)) > 0 {
		m.tokens.SetInt64(m.burst)
	}
}

// until is how long it takes until so many tokens are there, in nanoseconds rounded up.
func (m *model) until(tokens int64) time.Duration {
	missing := new(big.Rat).Sub(new(big.Rat).SetInt64(tokens), m.tokens)
	if missing.Sign() <= 0 {
		return 0
	}
	missing.Mul(missing, new(big.Rat).SetFrac(big.NewInt(int64(m.limit.Period)), big.NewInt(m.limit.Count)))
	n := new(big.Int).Add(missing.Num(), new(big.Int).Sub(missing.Denom(), big.NewInt(1)))
	return time.Duration(n.Div(n, missing.Denom()).Int64())
}

func (m *model) whole() int64 { return new(big.Int).Div(m.tokens.Num(), m.tokens.Denom()).Int64() }

func (m *model) take(cost int64) {
	m.tokens.Sub(m.tokens, new(big.Rat).SetInt64(cost))
	m.events = append(m.events, event{time.Now(), cost})
}

// law is the promise of the package's documentation, over every window there is: windows that
// begin and end at an admission are the ones that hold most.
func (m *model) law(t *testing.T) {
	t.Helper()
	var admitted []ratelimittest.Admission
	for _, e := range m.events {
		admitted = append(admitted, ratelimittest.Admission{Began: e.at, Ended: e.at, Cost: e.cost})
	}
	if err := ratelimittest.Law(m.limit, admitted, 0); err != nil {
		t.Fatal(err)
	}
}

var shapes = []ratelimit.Limit{
	limit("even", 10, time.Second),
	limit("third", 3, time.Second),
	limit("seventh", 7, time.Second),
	limit("prime", 997, time.Minute),
	limit("single", 1, time.Second),
	{Name: "deep", Count: 3, Period: time.Second, Burst: 50},
	{Name: "flat", Count: 7, Period: time.Second, Burst: 1},
	limit("dense", ratelimit.MaxCount, ratelimit.MinPeriod), // a unit is far below a nanosecond
	limit("odd", 13, 999_999_937),
}

// L3, L4, pitfall-88, pitfall-89: every answer is that of the model, to the nanosecond, and no
// window admits more than its share.
func TestModel(t *testing.T) {
	for _, l := range shapes {
		t.Run(l.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(7, uint64(l.Count)))
				store, m := memory(t, 100), newModel(l)
				unit := max(1, int64(l.Period)/l.Count)
				for range 700 {
					if rnd.IntN(3) == 0 {
						time.Sleep(time.Duration(rnd.Int64N(unit * (1 + rnd.Int64N(6)))))
					}
					cost := 1 + rnd.Int64N(min(m.burst, 4))
					if rnd.IntN(20) == 0 {
						cost = 1 + rnd.Int64N(m.burst)
					}
					m.now()
					r := take(t, store, "caller", cost, l)
					wait := m.until(cost)
					if r.OK {
						m.take(cost)
					}
					want := ratelimit.Result{OK: wait == 0, Limit: l, Remaining: m.whole(), Retry: wait, Reset: m.until(m.burst)}
					if m.whole() < m.burst {
						want.Next = m.until(m.whole() + 1)
					}
					if r != want {
						t.Fatalf("cost %d: %+v, want %+v", cost, r, want)
					}
					if !r.OK && rnd.IntN(3) == 0 {
						time.Sleep(r.Retry)
					}
				}
				m.law(t)
			})
		})
	}
}

// Several limits at once are decided as one: all models or none.
func TestModelAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(3, 4))
		limits := []ratelimit.Limit{limit("second", 3, time.Second), limit("minute", 70, time.Minute), {Name: "deep", Count: 7, Period: 10 * time.Second, Burst: 20}}
		models := make([]*model, len(limits))
		for i, l := range limits {
			models[i] = newModel(l)
		}
		store := memory(t, 100)
		for range 1000 {
			time.Sleep(time.Duration(rnd.Int64N(int64(time.Second))))
			cost, wait := 1+rnd.Int64N(3), time.Duration(0)
			for _, m := range models {
				m.now()
				wait = max(wait, m.until(cost))
			}
			r := take(t, store, "caller", cost, limits...)
			if r.OK != (wait == 0) || r.Retry != wait {
				t.Fatalf("%+v, want to wait %v", r, wait)
			}
			least := r.Limit.Count + r.Limit.Burst
			for _, m := range models {
				if r.OK {
					m.take(cost)
				}
				least = min(least, m.whole())
			}
			if r.OK && r.Remaining != least {
				t.Fatalf("%+v, want the least left, %d", r, least)
			}
		}
		for _, m := range models {
			m.law(t)
		}
	})
}

// pitfall-89: a burst at the end of one period and another at the beginning of the next.
func TestNoWindowEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, l := memory(t, 10), limit("edge", 100, time.Minute)
		take(t, store, "caller", 1, l)
		time.Sleep(time.Minute - time.Millisecond)
		passed := 0
		for range 2 {
			for range 200 {
				if take(t, store, "caller", 1, l).OK {
					passed++
				}
			}
			time.Sleep(2 * time.Millisecond)
		}
		if passed != 100 {
			t.Errorf("%d passed around the edge, want 100", passed)
		}
	})
}

// A period that the count does not divide loses nothing over a long time: a caller who comes
// as soon as he may gets all that the law allows.
func TestNoDrift(t *testing.T) {
	for _, count := range []int64{3, 7, 11, 997} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, l := memory(t, 10), ratelimit.Limit{Name: "drift", Count: count, Period: time.Second, Burst: 1}
				began, passed := time.Now(), int64(0)
				for passed < count*100 {
					r := take(t, store, "caller", 1, l)
					if r.OK {
						passed++
					}
					time.Sleep(r.Retry)
				}
				// The last of them may come no later than its exact moment, rounded up.
				if late := time.Since(began) - 100*time.Second; late > 0 || late < -time.Second {
					t.Errorf("%d took %v more than 100 s", passed, late)
				}
			})
		})
	}
}
