package limiterstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/memory"
	ululeredis "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/limiterstore"
	"github.com/tegata-go/tegata/ratelimit/ratelimittest"
)

func store(t testing.TB, s limiter.Store, c limiterstore.Config) *limiterstore.Store {
	t.Helper()
	w, err := limiterstore.New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func limit(name string, count int64, period time.Duration) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Count: count, Period: period}
}

var conforms = ratelimittest.Options{FixedWindow: true, OneLimit: true, NoCalendar: true, Slack: 20 * time.Millisecond}

// Without its cleaner, whose goroutine ends with the garbage collector, the memory store of
// ulule/limiter runs in a bubble.
func TestMemoryConforms(t *testing.T) {
	o := conforms
	o.Synctest = true
	ratelimittest.Run(t, func() ratelimit.Store {
		return store(t, memory.NewStoreWithOptions(limiter.StoreOptions{Prefix: "p"}), limiterstore.Config{})
	}, o)
}

func TestRedisConforms(t *testing.T) {
	c := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr()})
	t.Cleanup(func() { _ = c.Close() })
	n := 0
	ratelimittest.Run(t, func() ratelimit.Store {
		n++
		s, err := ululeredis.NewStoreWithOptions(c, limiter.StoreOptions{Prefix: fmt.Sprint("check", n)})
		if err != nil {
			t.Fatal(err)
		}
		return store(t, s, limiterstore.Config{})
	}, conforms)
}

func TestConfig(t *testing.T) {
	if f := reflect.TypeFor[limiterstore.Config]().Field(0); f.Name != "_" || f.Type != reflect.TypeFor[[0]func()]() {
		t.Error("Config can be written without field names")
	}
	_, err := limiterstore.New(nil, limiterstore.Config{Timeout: -1, MaxInFlight: -1})
	if err == nil || len(strings.Split(err.Error(), "\n")) != 3 {
		t.Errorf("three mistakes: %v", err)
	}
}

// What such a store cannot do is refused where the limiter is made, and again in Take.
func TestRefusesWhatItCannot(t *testing.T) {
	s := store(t, memory.NewStore(), limiterstore.Config{})
	for name, limits := range map[string][]ratelimit.Limit{
		"two limits":        {limit("a", 1, time.Second), limit("b", 1, time.Minute)},
		"a burst":           {{Name: "a", Count: 10, Period: time.Second, Burst: 20}},
		"half a second":     {limit("a", 1, 500*time.Millisecond)},
		"a second and half": {limit("a", 1, 1500*time.Millisecond)},
		"a calendar":        {{Name: "a", Count: 1, Calendar: ratelimit.Daily(time.UTC)}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ratelimit.New(ratelimit.Config{Store: s, Name: "client", Limits: limits,
				Key: func(*http.Request) (string, error) { return "caller", nil }})
			if err == nil || !strings.Contains(err.Error(), "limiterstore: ") {
				t.Errorf("New: %v", err)
			}
			if r, err := s.Take(t.Context(), "caller", 1, limits); err == nil || r.OK {
				t.Errorf("Take: %+v, %v", r, err)
			}
		})
	}
	if _, err := ratelimit.New(ratelimit.Config{Store: s, Name: "client", Limits: []ratelimit.Limit{{Count: 10, Period: time.Second, Burst: 10}},
		Key: func(*http.Request) (string, error) { return "caller", nil }}); err != nil {
		t.Errorf("a burst of the count: %v", err)
	}
}

// fake is another store that answers what a test wants.
type fake struct {
	limiter.Store
	peek, increment func() (limiter.Context, error)
	keys            []string
}

func (f *fake) Peek(_ context.Context, key string, _ limiter.Rate) (limiter.Context, error) {
	f.keys = append(f.keys, key)
	return f.peek()
}

func (f *fake) Increment(_ context.Context, key string, _ int64, _ limiter.Rate) (limiter.Context, error) {
	f.keys = append(f.keys, key)
	return f.increment()
}

// OPS-fail-closed, pitfall-87: errors, hangs, panics and nonsense of the other store.
func TestFailsClosed(t *testing.T) {
	secret := errors.New("secret")
	answer := func(c limiter.Context, err error) func() (limiter.Context, error) {
		return func() (limiter.Context, error) { return c, err }
	}
	l := []ratelimit.Limit{limit("a", 10, time.Minute)}
	full := answer(limiter.Context{Limit: 10, Remaining: 10}, nil)
	for name, f := range map[string]*fake{
		"error":              {peek: full, increment: answer(limiter.Context{Limit: 10, Remaining: 5}, secret)},
		"error when looking": {peek: answer(limiter.Context{Limit: 10, Remaining: 5}, secret), increment: answer(limiter.Context{}, secret)},
		"nothing":            {peek: full, increment: answer(limiter.Context{}, nil)},
		"another limit":      {peek: full, increment: answer(limiter.Context{Limit: 11, Remaining: 5}, nil)},
		"more than all":      {peek: full, increment: answer(limiter.Context{Limit: 10, Remaining: 11}, nil)},
		"less than none":     {peek: full, increment: answer(limiter.Context{Limit: 10, Remaining: -1}, nil)},
		"reached with rest":  {peek: full, increment: answer(limiter.Context{Limit: 10, Remaining: 1, Reached: true}, nil)},
		"panic":              {peek: full, increment: func() (limiter.Context, error) { panic("secret") }},
	} {
		for _, cost := range []int64{1, 2} {
			t.Run(fmt.Sprint(name, " ", cost), func(t *testing.T) {
				r, err := store(t, f, limiterstore.Config{}).Take(t.Context(), "caller", cost, l)
				if r.OK || !errors.Is(err, ratelimit.ErrUnavailable) || err.Error() != string(ratelimit.ErrUnavailable) {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
	}
	t.Run("hang", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			f := &fake{increment: func() (limiter.Context, error) { <-release; return limiter.Context{}, nil }}
			began := time.Now()
			_, err := store(t, f, limiterstore.Config{}).Take(t.Context(), "caller", 1, l)
			if !errors.Is(err, ratelimit.ErrUnavailable) || time.Since(began) != 500*time.Millisecond {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			close(release)
		})
	})
}

// What the other store keeps is a digest of one length.
func TestKeysAreDigests(t *testing.T) {
	f := &fake{increment: func() (limiter.Context, error) { return limiter.Context{Limit: 10, Remaining: 9}, nil }}
	s := store(t, f, limiterstore.Config{})
	for _, key := range []string{"198.51.100.7", strings.Repeat("k", ratelimit.MaxKey)} {
		if _, err := s.Take(t.Context(), key, 1, []ratelimit.Limit{limit("a", 10, time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.keys) != 2 || len(f.keys[0]) != 22 || len(f.keys[1]) != 22 || f.keys[0] == f.keys[1] {
		t.Errorf("%q", f.keys)
	}
}

// Retry is never too early, though Reset is whole seconds rounded down, and never absurd.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for _, c := range []struct{ reset, want time.Duration }{
			{30 * time.Second, 31 * time.Second},
			{0, time.Second},
			{-time.Hour, time.Second},
			{time.Hour, 61 * time.Second},
		} {
			f := &fake{increment: func() (limiter.Context, error) {
				return limiter.Context{Limit: 10, Reached: true, Reset: now.Add(c.reset).Unix()}, nil
			}}
			r, err := store(t, f, limiterstore.Config{}).Take(t.Context(), "caller", 1, []ratelimit.Limit{limit("a", 10, time.Minute)})
			if err != nil || r.OK || r.Retry != c.want {
				t.Errorf("reset in %v: %+v, %v; want %v", c.reset, r, err, c.want)
			}
		}
	})
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string]ratelimit.Limit{
		"100-M":           limit("", 100, time.Minute),
		"5-S":             limit("", 5, time.Second),
		"5-s":             limit("", 5, time.Second),
		"1000-H":          limit("", 1000, time.Hour),
		"4-D":             limit("", 4, 24*time.Hour),
		"1000000000000-D": limit("", ratelimit.MaxCount, 24*time.Hour),
	} {
		if got, err := limiterstore.ParseRate(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "-", "100", "100-", "-M", "0-S", "-5-S", "+5-S", "05-S", "5 -S", "5-S ", "5-SS", "5-X", "5-M-S", "5.5-S", "1e3-S", "0x5-S", "5_0-S", "1000000000001-D", "99999999999999999999-S"} {
		if got, err := limiterstore.ParseRate(s); err == nil || got != (ratelimit.Limit{}) || s != "" && s != "-" && strings.Contains(err.Error(), s) {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
}

// FuzzParseRate's law: what is read can be written back, and ulule/limiter reads the same.
func FuzzParseRate(f *testing.F) {
	seeds := []string{"100-M", "5-s", "4-D", "0-S", "+5-S", "", "5-M-S", "007-H"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := limiterstore.ParseRate(s)
		if err != nil {
			return
		}
		unit := map[time.Duration]string{time.Second: "S", time.Minute: "M", time.Hour: "H", 24 * time.Hour: "D"}[l.Period]
		if back := fmt.Sprintf("%d-%s", l.Count, unit); back != strings.ToUpper(s) {
			t.Fatalf("%q became %q", s, back)
		}
		theirs, err := limiter.NewRateFromFormatted(s)
		if err != nil || theirs.Limit != l.Count || theirs.Period != l.Period {
			t.Fatalf("%q is %+v, %v to ulule/limiter", s, theirs, err)
		}
		l.Name = "a"
		if err := ratelimit.Check("k", 1, []ratelimit.Limit{l}); err != nil {
			t.Fatalf("%q gives a limit that no store takes", s)
		}
	})
}

func ExampleParseRate() {
	l, err := limiterstore.ParseRate("100-M")
	fmt.Println(l.Count, l.Period, err)
	// Output: 100 1m0s <nil>
}

func ExampleNew() {
	s, err := limiterstore.New(memory.NewStore(), limiterstore.Config{}) // any store of ulule/limiter/v3
	if err != nil {
		panic(err)
	}
	perClient, err := ratelimit.New(ratelimit.Config{
		Store: s, Name: "client", Key: ratelimit.PeerAddress,
		Limits: []ratelimit.Limit{{Count: 100, Period: time.Minute}},
	})
	fmt.Println(perClient != nil, err)
	// Output: true <nil>
}
