package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

func leases(t testing.TB, c ratelimit.LeasesConfig) *ratelimit.Leases {
	t.Helper()
	l, err := ratelimit.NewLeases(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLeasesConfig(t *testing.T) {
	if f := reflect.TypeFor[ratelimit.LeasesConfig]().Field(0); f.Name != "_" || f.Type != reflect.TypeFor[[0]func()]() {
		t.Error("LeasesConfig can be written without field names")
	}
	_, err := ratelimit.NewLeases(ratelimit.LeasesConfig{Permits: 1, Hold: 1, MaxKeys: -1})
	if err == nil || len(strings.Split(err.Error(), "\n")) != 4 {
		t.Errorf("four mistakes: %v", err)
	}
	l := leases(t, ratelimit.LeasesConfig{Store: picky{memory(t, 1)}})
	if _, err := ratelimit.New(ratelimit.Config{Store: l, Name: "n", Key: one, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}}); err == nil || !strings.Contains(err.Error(), "picky") {
		t.Errorf("New: %v", err)
	}
}

// Budget 9: at most one call for ten requests of a caller who sends many, the very first
// included; and none for those that are refused.
func TestLeasesCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{Store: memory(t, 1000)}
		s := leases(t, ratelimit.LeasesConfig{Store: store})
		wide := limit("wide", 100_000, time.Minute)
		const requests = 5000
		for range requests { // 1000 a second
			if !take(t, s, "caller", 1, wide).OK {
				t.Fatal("refused")
			}
			time.Sleep(time.Millisecond)
		}
		if n := store.asked.Load(); n > requests/10 {
			t.Errorf("%d calls for %d requests", n, requests)
		} else {
			t.Logf("%.3f calls per request", float64(n)/requests)
		}
		// One who comes seldom costs one call each, and takes nothing in vain.
		seldom, before := limit("seldom", 1000, time.Hour), store.asked.Load()
		for range 100 {
			take(t, s, "seldom", 1, seldom)
			time.Sleep(time.Second)
		}
		if r := take(t, s, "seldom", 0, seldom); store.asked.Load()-before != 101 || r.Remaining < 895 {
			t.Errorf("%d calls, %d left", store.asked.Load()-before, r.Remaining)
		}
		narrow := limit("narrow", 10, time.Hour)
		for take(t, s, "flood", 1, narrow).OK {
		}
		before = store.asked.Load()
		for range 1000 {
			if r := take(t, s, "flood", 1, narrow); r.OK || r.Limit != narrow || r.Retry > 6*time.Minute || r.Next != r.Retry {
				t.Fatalf("%+v", r)
			}
			time.Sleep(time.Millisecond)
		}
		if n := store.asked.Load() - before; n != 0 {
			t.Errorf("%d calls for refusals", n)
		}
		r := take(t, s, "flood", 1, narrow)
		time.Sleep(r.Retry - 1)
		if take(t, s, "flood", 1, narrow).OK {
			t.Error("1 ns before Retry")
		}
		time.Sleep(time.Nanosecond)
		if !take(t, s, "flood", 1, narrow).OK {
			t.Error("after Retry")
		}
	})
}

// Permits that were not used in time are not used later.
func TestLeasesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{Store: memory(t, 1000)}
		s := leases(t, ratelimit.LeasesConfig{Store: store, Hold: time.Second})
		l := limit("end", 1000, time.Hour)
		for range 20 {
			take(t, s, "caller", 1, l)
		}
		before := store.asked.Load()
		take(t, s, "caller", 1, l)
		if store.asked.Load() != before {
			t.Fatal("there is no lease to test with")
		}
		store.off()
		time.Sleep(time.Second)
		if r, err := s.Take(t.Context(), "caller", 1, []ratelimit.Limit{l}); err == nil || r.OK {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// Permits that one process holds do not add to what comes back meanwhile: at one moment all
// processes together admit no more than the burst.
func TestLeasesHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, l := memory(t, 1000), ratelimit.Limit{Name: "held", Count: 1000, Period: time.Second, Burst: 2000}
		a := leases(t, ratelimit.LeasesConfig{Store: m, Hold: 500 * time.Millisecond})
		b := leases(t, ratelimit.LeasesConfig{Store: m, Hold: 500 * time.Millisecond})
		for range 40 {
			take(t, a, "caller", 1, l)
		}
		time.Sleep(500*time.Millisecond - 1)
		passed := 0
		for _, s := range []ratelimit.Store{b, a} {
			for take(t, s, "caller", 1, l).OK {
				passed++
			}
		}
		if passed > 2000 || passed < 1500 {
			t.Errorf("%d passed at one moment, the burst is 2000", passed)
		}
	})
}

// Leases that tell nothing any more make room.
func TestLeasesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{Store: memory(t, 10_000)}
		s, l := leases(t, ratelimit.LeasesConfig{Store: store, MaxKeys: 16}), limit("room", 100_000, time.Hour)
		for i := range 1000 {
			take(t, s, strconv.Itoa(i), 1, l)
		}
		time.Sleep(time.Second)
		before := store.asked.Load()
		for range 100 {
			take(t, s, "late", 1, l)
		}
		if n := store.asked.Load() - before; n > 20 {
			t.Errorf("%d calls for 100 requests", n)
		}
	})
}

// What a lease takes ahead is at most a quarter of what is left: near his limit a caller loses
// little when he stops.
func TestLeasesLose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1000)
		s := leases(t, ratelimit.LeasesConfig{Store: ratelimit.StoreFunc(func(ctx context.Context, k string, n int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if left := take(t, m, k, 0, l...).Remaining; n > max(1, left/4) {
				t.Errorf("%d asked with %d left", n, left)
			}
			return m.Take(ctx, k, n, l)
		})})
		l, passed := limit("lose", 200, 24*time.Hour), 0
		for take(t, s, "caller", 1, l).OK {
			passed++
			time.Sleep(time.Millisecond)
		}
		if passed != 199 { // one comes back during Hold
			t.Errorf("%d passed of 200", passed)
		}
	})
}

// What cannot be leased without admitting more is asked of the store as it is.
func TestLeasesPassThrough(t *testing.T) {
	var given []ratelimit.Limit
	m := memory(t, 100)
	s := leases(t, ratelimit.LeasesConfig{Hold: time.Second, Store: ratelimit.StoreFunc(func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
		given = l
		return m.Take(ctx, k, c, l)
	})})
	for _, c := range []struct {
		limits []ratelimit.Limit
		leased int64 // the burst that is asked for; 0: as it is
	}{
		{[]ratelimit.Limit{limit("a", 600, time.Minute)}, 590},
		{[]ratelimit.Limit{limit("a", 601, time.Minute)}, 590},
		{[]ratelimit.Limit{limit("a", 1, time.Hour)}, 0},
		{[]ratelimit.Limit{limit("a", 100, time.Second)}, 0},
		{[]ratelimit.Limit{{Name: "a", Count: 100, Period: time.Second, Burst: 101}}, 1},
		{[]ratelimit.Limit{{Name: "a", Count: 200, Period: 2 * time.Second, Burst: 100}}, 0}, // a burst of 0 would be one of 200
		{[]ratelimit.Limit{limit("a", ratelimit.MaxCount, ratelimit.MinPeriod)}, 0},
		{[]ratelimit.Limit{{Name: "a", Count: 100, Calendar: ratelimit.Daily(time.UTC)}}, 0},
		{[]ratelimit.Limit{limit("a", 600, time.Minute), {Name: "b", Count: 100, Calendar: ratelimit.Daily(time.UTC)}}, 0},
	} {
		r := take(t, s, "caller", 1, c.limits...)
		want := append([]ratelimit.Limit(nil), c.limits...)
		if c.leased > 0 {
			want[0].Burst = c.leased
		}
		if !reflect.DeepEqual(given, want) || r.Limit != c.limits[0] && r.Limit != c.limits[len(c.limits)-1] {
			t.Errorf("%+v: asked %+v, answered %+v", c.limits, given, r)
		}
	}
	for _, bad := range []string{"", strings.Repeat("k", ratelimit.MaxKey+1)} {
		if r, err := s.Take(t.Context(), bad, 1, []ratelimit.Limit{limit("a", 600, time.Minute)}); !errors.Is(err, ratelimit.ErrBounds) || r.OK {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if r := take(t, s, "never", 591, limit("a", 600, time.Minute)); !r.Never || r.OK || r.Limit != limit("a", 600, time.Minute) {
		t.Errorf("%+v", r)
	}
}

func TestLeasesAllocs(t *testing.T) {
	s, ctx := leases(t, ratelimit.LeasesConfig{Store: memory(t, 0), Permits: 1 << 20, Hold: 10 * time.Second}), context.Background()
	l := []ratelimit.Limit{limit("a", 1e9, time.Hour)}
	for range 10_000 {
		take(t, s, "caller", 1, l...)
	}
	allocs(t, 0, func() { _, _ = s.Take(ctx, "caller", 1, l) })
	limited := limiter(t, ratelimit.Config{Store: s, Name: "n", Key: one, Limits: []ratelimit.Limit{limit("", 1e9, time.Hour)}})
	h := limited.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h.ServeHTTP(nil2{}, request())
}
