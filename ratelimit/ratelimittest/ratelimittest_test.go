package ratelimittest_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/ratelimittest"
)

// broken is a right store behind one mistake.
type broken func(next ratelimit.Store) ratelimit.StoreFunc

var mistakes = []struct {
	name   string
	make   broken
	caught string // the check that must fail
}{
	{"admits all", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			r, err := s.Take(ctx, k, c, l)
			r.OK, r.Retry = err == nil, 0
			return r, err
		}
	}, "burst"},
	{"one more than the burst", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			more := append([]ratelimit.Limit(nil), l...)
			for i := range more {
				more[i].Count++
			}
			r, err := s.Take(ctx, k, c, more)
			for i := range more {
				if r.Limit == more[i] {
					r.Limit = l[i]
				}
			}
			return r, err
		}
	}, "burst"},
	{"one bucket for all keys", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if k != "" && len(k) <= ratelimit.MaxKey {
				k = "all"
			}
			return s.Take(ctx, k, c, l)
		}
	}, "keys"},
	{"keys cut at a NUL", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if before, _, ok := strings.Cut(k, "\x00"); ok {
				k = before + "nul"
			}
			return s.Take(ctx, k, c, l)
		}
	}, "keys"},
	{"a bucket per name whatever the shape", func(s ratelimit.Store) ratelimit.StoreFunc {
		var mu sync.Mutex
		first := map[string]ratelimit.Limit{}
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			mu.Lock()
			defer mu.Unlock()
			same := append([]ratelimit.Limit(nil), l...)
			for i := range same {
				if f, ok := first[l[i].Name]; ok {
					same[i] = f
				} else {
					first[l[i].Name] = l[i]
				}
			}
			return s.Take(ctx, k, c, same)
		}
	}, "limits"},
	{"charges what it refuses", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			r, err := s.Take(ctx, k, c, l)
			if err == nil && !r.OK && r.Remaining > 0 {
				_, _ = s.Take(ctx, k, r.Remaining, l)
			}
			return r, err
		}
	}, "cost"},
	{"looking takes", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if c == 0 {
				c = 1
			}
			return s.Take(ctx, k, c, l)
		}
	}, "look"},
	{"never is only later", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			r, err := s.Take(ctx, k, c, l)
			if r.Never {
				r.Never, r.Retry = false, time.Hour
			}
			return r, err
		}
	}, "never"},
	{"Retry is the whole period", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			r, err := s.Take(ctx, k, c, l)
			if err == nil && !r.OK && !r.Never {
				r.Retry = r.Limit.Period
			}
			return r, err
		}
	}, "retry"},
	{"Retry is too short", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			r, err := s.Take(ctx, k, c, l)
			if r.Retry > 1 {
				r.Retry--
			}
			return r, err
		}
	}, "retry"},
	{"saves up while left alone", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			more := append([]ratelimit.Limit(nil), l...)
			for i := range more {
				more[i].Burst = 2 * max(l[i].Count, l[i].Burst)
			}
			r, err := s.Take(ctx, k, c, more)
			for i := range more {
				if r.Limit == more[i] {
					r.Limit = l[i]
				}
			}
			return r, err
		}
	}, "refill"},
	{"one limit after the other", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (r ratelimit.Result, err error) {
			if len(l) == 0 || len(l) > ratelimit.MaxLimits {
				return s.Take(ctx, k, c, l)
			}
			for i := range l {
				if r, err = s.Take(ctx, k, c, l[i:i+1]); err != nil || !r.OK {
					break
				}
			}
			return r, err
		}
	}, "all-or-none"},
	{"checks no bounds", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if r, err := s.Take(ctx, k, c, l); err == nil {
				return r, nil
			}
			return ratelimit.Result{OK: true}, nil
		}
	}, "bounds"},
	{"get then increment", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			r, err := s.Take(ctx, k, 0, l)
			if err != nil || r.Remaining < c {
				return s.Take(ctx, k, c, l)
			}
			time.Sleep(time.Nanosecond) // lets the others read too
			if after, err := s.Take(ctx, k, c, l); err != nil || after.OK {
				return after, err
			}
			r.Remaining -= c
			return r, nil
		}
	}, "concurrent"},
	{"forgets now and then", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if k != "" && len(k) < ratelimit.MaxKey-20 {
				k += time.Now().Truncate(20 * time.Millisecond).Format("150405.00")
			}
			return s.Take(ctx, k, c, l)
		}
	}, "windows"},
	{"OK with an error", func(s ratelimit.Store) ratelimit.StoreFunc {
		return func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			r, err := s.Take(ctx, k, c, l)
			if err == nil {
				err = ctx.Err()
			}
			return r, err
		}
	}, "context"},
}

func TestLaw(t *testing.T) {
	began := time.Now()
	at := func(from, to time.Duration, cost int64) ratelimittest.Admission {
		return ratelimittest.Admission{Began: began.Add(from), Ended: began.Add(to), Cost: cost}
	}
	l := ratelimit.Limit{Name: "law", Count: 10, Period: time.Second, Burst: 3}
	for name, c := range map[string]struct {
		admitted []ratelimittest.Admission
		slack    time.Duration
		ok       bool
	}{
		"none":                         {nil, 0, true},
		"the burst":                    {[]ratelimittest.Admission{at(0, 0, 3)}, 0, true},
		"more than the burst":          {[]ratelimittest.Admission{at(0, 0, 3), at(0, time.Millisecond, 1)}, 0, false},
		"when it came back":            {[]ratelimittest.Admission{at(100*time.Millisecond, 100*time.Millisecond, 1), at(0, 0, 3)}, 0, true},
		"just before":                  {[]ratelimittest.Admission{at(0, 0, 3), at(99*time.Millisecond, 99*time.Millisecond, 1)}, 0, false},
		"within the slack":             {[]ratelimittest.Admission{at(0, 0, 3), at(99*time.Millisecond, 99*time.Millisecond, 1)}, time.Millisecond, true},
		"perhaps when it came back":    {[]ratelimittest.Admission{at(0, 0, 3), at(0, 100*time.Millisecond, 1)}, 0, true},
		"an edge after a quiet second": {[]ratelimittest.Admission{at(0, 0, 1), at(time.Second, time.Second, 3), at(1001*time.Millisecond, 1002*time.Millisecond, 1)}, 0, false},
	} {
		if err := ratelimittest.Law(l, c.admitted, c.slack); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	deep := ratelimit.Limit{Name: "deep", Count: ratelimit.MaxCount, Period: ratelimit.MinPeriod}
	if err := ratelimittest.Law(deep, []ratelimittest.Admission{at(0, 2*time.Hour, ratelimit.MaxCount)}, 0); err != nil {
		t.Error(err)
	}
}

func right() ratelimit.Store {
	m, err := ratelimit.NewMemory(ratelimit.MemoryConfig{})
	if err != nil {
		panic(err)
	}
	return m
}

// The kit passes a right store and catches every mistake by the check that is named after it.
func TestCatches(t *testing.T) {
	if err := bubble(t, right); err != nil {
		t.Errorf("a right store: %v", err)
	}
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			err := bubble(t, func() ratelimit.Store { return m.make(right()) })
			if err == nil || !strings.Contains("\n"+err.Error(), "\n"+m.caught+": ") {
				t.Errorf("%s did not catch it: %v", m.caught, err)
			}
		})
	}
}

func bubble(t *testing.T, store func() ratelimit.Store) (err error) {
	synctest.Test(t, func(*testing.T) { err = ratelimittest.Test(store, ratelimittest.Options{Synctest: true}) })
	return err
}
