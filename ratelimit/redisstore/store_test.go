package redisstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/redisstore"
)

func connect(t testing.TB, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func store(t testing.TB, c redis.UniversalClient, config redisstore.Config) *redisstore.Store {
	t.Helper()
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second // slow machines are no outage
	}
	s, err := redisstore.New(c, config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func limit(name string, count int64, period time.Duration) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Count: count, Period: period}
}

func take(t testing.TB, s ratelimit.Store, key string, cost int64, limits ...ratelimit.Limit) ratelimit.Result {
	t.Helper()
	r, err := s.Take(context.Background(), key, cost, limits)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// unavailable asserts an outage that tells nothing.
func unavailable(t testing.TB, s ratelimit.Store) error {
	t.Helper()
	r, err := s.Take(context.Background(), "caller", 1, []ratelimit.Limit{limit("out", 5, time.Hour)})
	if r.OK || !errors.Is(err, ratelimit.ErrUnavailable) || err.Error() != string(ratelimit.ErrUnavailable) {
		t.Fatalf("%+v, %v; want it unavailable", r, err)
	}
	return err
}

// A process whose clock is behind others at midnight finds the day's quota spent, and one that
// is ahead takes nothing of the day before.
func TestQuotaClocksDiffer(t *testing.T) {
	c := connect(t, redistest.Start(t).Addr())
	s := store(t, c, redisstore.Config{})
	day := ratelimit.Limit{Name: "day", Count: 4, Calendar: ratelimit.Daily(time.UTC)}
	take(t, s, "caller", 3, day)
	k := bucket(t, c)
	micros, _ := written(t, c, k)
	ttl, _ := c.PTTL(t.Context(), k).Result()
	if left := time.Until(day.Calendar.End(time.Now())); ttl < left+time.Hour || ttl > left+3*time.Hour {
		t.Errorf("forgotten after %v, the day ends in %v", ttl, left)
	}
	for shift, want := range map[time.Duration]int64{24 * time.Hour: 0, -24 * time.Hour: 4, 0: 1} {
		c.Set(t.Context(), k, doubles(float64(micros+shift.Microseconds()), 0), 0)
		if r := take(t, s, "caller", 0, day); r.Remaining != want {
			t.Errorf("written by a process %v ahead: %d left, want %d", shift, r.Remaining, want)
		}
	}
}

func TestConfig(t *testing.T) {
	if f := reflect.TypeFor[redisstore.Config]().Field(0); f.Name != "_" || f.Type != reflect.TypeFor[[0]func()]() {
		t.Error("Config can be written without field names")
	}
	_, err := redisstore.New(nil, redisstore.Config{Prefix: "a{b}", Timeout: -1, MaxInFlight: -1})
	if err == nil || len(strings.Split(err.Error(), "\n")) != 4 {
		t.Errorf("four mistakes: %v", err)
	}
}

// trips counts the commands a client sends.
type trips struct{ n atomic.Int64 }

func (h *trips) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { h.n.Add(1); return next(ctx, cmd) }
}
func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { h.n.Add(1); return next(ctx, cmds) }
}

// L6, budget 9: one round trip, however many limits; the buckets expire.
func TestOneRoundTrip(t *testing.T) {
	c := connect(t, redistest.Start(t).Addr())
	s, h := store(t, c, redisstore.Config{}), &trips{}
	limits := []ratelimit.Limit{limit("second", 3, time.Second), limit("minute", 30, time.Minute), limit("day", 300, 24*time.Hour)}
	take(t, s, "warm", 1, limits...) // the script is sent once in the life of the server
	c.AddHook(h)
	for i := range int64(10) {
		take(t, s, "198.51.100.7", 1, limits...)
		if h.n.Load() != i+1 {
			t.Fatalf("%d trips for %d requests", h.n.Load(), i+1)
		}
	}
	keys, err := c.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) < 4 {
		t.Fatalf("%q, %v", keys, err)
	}
	for _, k := range keys {
		ttl, err := c.PTTL(t.Context(), k).Result()
		if err != nil || ttl <= 0 && ttl != -2 || ttl > 24*time.Hour {
			t.Errorf("%s lives for %v, %v", k, ttl, err)
		}
		if !strings.HasPrefix(k, "tegata:ratelimit:{") || strings.Contains(k, "198.51.100.7") {
			t.Errorf("key %s", k)
		}
	}
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	take(t, s, "a server that lost its scripts", 1, limits...)
}

// A refused request writes nothing.
func TestRefusalWritesNothing(t *testing.T) {
	c := connect(t, redistest.Start(t).Addr())
	s := store(t, c, redisstore.Config{})
	narrow := limit("narrow", 1, time.Hour)
	take(t, s, "caller", 1, narrow)
	before, _ := c.Info(t.Context(), "persistence").Result()
	for range 5 {
		if take(t, s, "caller", 1, narrow, limit("wide", 10, time.Hour)).OK {
			t.Fatal("passed")
		}
	}
	after, _ := c.Info(t.Context(), "persistence").Result()
	const field = "rdb_changes_since_last_save:"
	line := func(s string) string { _, v, _ := strings.Cut(s, field); v, _, _ = strings.Cut(v, "\r"); return v }
	if line(before) == "" || line(before) != line(after) {
		t.Errorf("changes went from %s to %s", line(before), line(after))
	}
}

// bucket gives the name of the only key.
func bucket(t *testing.T, c *redis.Client) string {
	t.Helper()
	keys, err := c.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("%q, %v", keys, err)
	}
	return keys[0]
}

// doubles are what a bucket holds.
func doubles(all ...float64) string {
	var b []byte
	for _, f := range all {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	return string(b)
}

// written reads a bucket: microseconds of Unix time, and parts of one more.
func written(t *testing.T, c *redis.Client, key string) (at, frac int64) {
	t.Helper()
	v, err := c.Get(t.Context(), key).Bytes()
	if err != nil || len(v) != 16 {
		t.Fatalf("%q, %v", v, err)
	}
	n := func(b []byte) int64 { return int64(math.Float64frombits(binary.LittleEndian.Uint64(b))) }
	return n(v), n(v[8:])
}

// A bucket that is no bucket is an outage, not a pass.
func TestForeignValue(t *testing.T) {
	c := connect(t, redistest.Start(t).Addr())
	s, l := store(t, c, redisstore.Config{}), limit("out", 5, time.Hour)
	later := float64(time.Now().Add(time.Minute).UnixMicro())
	for _, v := range []any{
		"", "x", doubles(later), doubles(later, 0, 0), doubles(later, 0.5), doubles(later+0.5, 0), doubles(later, -1), doubles(later, 5000),
		doubles(later, 1e300), doubles(math.NaN(), 0), doubles(later, math.NaN()), doubles(later, math.Inf(1)),
	} {
		take(t, s, "caller", 1, l)
		if err := c.Set(t.Context(), bucket(t, c), v, 0).Err(); err != nil {
			t.Fatal(err)
		}
		unavailable(t, s)
		c.FlushAll(t.Context())
	}
	take(t, s, "caller", 1, l)
	k := bucket(t, c)
	c.Del(t.Context(), k)
	c.HSet(t.Context(), k, "a", "b") // MGET reads it as absent, SET replaces it
	if r := take(t, s, "caller", 1, l); r.Remaining != 4 {
		t.Errorf("%+v", r)
	}
}

// A clock that went back leaves a bucket full, not shut until the clock has caught up.
func TestClockBack(t *testing.T) {
	c := connect(t, redistest.Start(t).Addr())
	s, l := store(t, c, redisstore.Config{}), limit("back", 10, time.Minute)
	take(t, s, "caller", 1, l)
	future := doubles(float64(time.Now().Add(1000*time.Hour).UnixMicro()), 0)
	if err := c.Set(t.Context(), bucket(t, c), future, 0).Err(); err != nil {
		t.Fatal(err)
	}
	r := take(t, s, "caller", 1, l)
	if r.OK || r.Remaining != 0 || r.Retry != 6*time.Second || r.Reset != time.Minute {
		t.Errorf("%+v", r)
	}
}

// The greatest numbers that are allowed stay exact in the script's doubles.
func TestGreatest(t *testing.T) {
	s := store(t, connect(t, redistest.Start(t).Addr()), redisstore.Config{})
	for _, l := range []ratelimit.Limit{
		limit("all", ratelimit.MaxCount, ratelimit.MaxPeriod),
		limit("prime", 999_999_999_989, ratelimit.MaxPeriod),
		{Name: "year", Count: 7, Period: ratelimit.MaxPeriod, Burst: 7},
	} {
		if r := take(t, s, "caller", l.Count-1, l); !r.OK || r.Remaining != 1 && l.Count < 1e6 {
			t.Errorf("%+v", r)
		}
		if r := take(t, s, "caller", l.Count, l); r.OK {
			t.Errorf("%+v", r)
		}
	}
}

// A period that the count does not divide: seven units of a seventh are exactly one period.
func TestNoDrift(t *testing.T) {
	c := connect(t, redistest.Start(t).Addr())
	s, l := store(t, c, redisstore.Config{}), limit("seventh", 7, time.Hour)
	const parts = 7 * 1000
	owed := func() (at, frac int64) {
		if at, frac = written(t, c, bucket(t, c)); frac < 0 || frac >= parts {
			t.Fatalf("%d parts", frac)
		}
		return at, frac
	}
	take(t, s, "caller", 1, l)
	at, frac := owed()
	for i := int64(2); i <= 7; i++ {
		take(t, s, "caller", 1, l)
		now, more := owed()
		if got, want := (now-at)*parts+more-frac, (i-1)*int64(time.Hour); got != want { // a part is 1/7 ns
			t.Fatalf("unit %d: %d parts since the first, want %d", i, got, want)
		}
	}
}
