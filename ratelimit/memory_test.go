package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/ratelimittest"
)

func TestMemoryConforms(t *testing.T) {
	for _, keys := range []int{0, 100} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			ratelimittest.Run(t, func() ratelimit.Store { return memory(t, keys) }, ratelimittest.Options{Synctest: true})
		})
	}
}

func TestMemoryConfig(t *testing.T) {
	for _, keys := range []int{-1, 1<<30 + 1} {
		if _, err := ratelimit.NewMemory(ratelimit.MemoryConfig{MaxKeys: keys}); err == nil {
			t.Errorf("MaxKeys %d was taken", keys)
		}
	}
}

// L8: a bucket that owes nothing is forgotten, so callers that come and go for ever fit into
// little room, without a sweeper.
func TestMemoryReuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, l := memory(t, 1000), limit("reuse", 10, time.Second)
		for i := range 200_000 {
			take(t, m, strconv.Itoa(i), 1, l)
			time.Sleep(time.Millisecond) // one unit is paid back after 100 ms: 100 keys owe at a time
		}
		if m.Shared() > 0 || m.Len() > 1000 {
			t.Errorf("%d decisions were shared, %d keys held", m.Shared(), m.Len())
		}
	})
}

// When full, whoever is in debt stays in debt, and the unseen are served, together.
func TestMemoryFull(t *testing.T) {
	t.Run("pitfall-86", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const keys = 1000
			m, l := memory(t, keys), limit("full", 2, time.Hour)
			for i := range keys {
				if r := take(t, m, strconv.Itoa(i), 2, l); !r.OK || m.Shared() > 0 {
					t.Fatalf("key %d: %+v, %d shared", i, r, m.Shared())
				}
			}
			admitted := 0
			for i := range 100_000 {
				if take(t, m, "unseen"+strconv.Itoa(i), 1, l).OK {
					admitted++
				}
			}
			if admitted != 2 || m.Shared() != 100_000 {
				t.Errorf("%d of the unseen were admitted, %d shared; one bucket admits 2", admitted, m.Shared())
			}
			if other := take(t, m, "unseen", 1, limit("other", 5, time.Hour)); !other.OK || other.Remaining != 4 {
				t.Errorf("another limit has another shared bucket: %+v", other)
			}
			for i := range keys {
				if take(t, m, strconv.Itoa(i), 1, l).OK {
					t.Fatalf("key %d was forgotten in debt", i)
				}
			}
			if m.Len() > keys+2 {
				t.Errorf("%d keys held", m.Len())
			}
			time.Sleep(time.Hour)
			for i := range 200 {
				if r := take(t, m, "later"+strconv.Itoa(i), 2, l); !r.OK || r.Remaining != 0 {
					t.Fatalf("after recovery the unseen have buckets of their own again: %d %+v", i, r)
				}
			}
		})
	})
}

// Several limits of one Take, in a store that has room for one caller.
func TestMemoryFullOfLimits(t *testing.T) {
	t.Run("several limits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := memory(t, 3)
			day, hour := limit("day", 9, 24*time.Hour), limit("hour", 3, time.Hour)
			take(t, m, "a", 1, day, hour)
			for range 3 {
				if r := take(t, m, "b", 1, day, hour); !r.OK {
					t.Fatalf("refused while shared: %+v", r)
				}
			}
			if r := take(t, m, "c", 1, day, hour); r.OK || r.Limit != hour {
				t.Errorf("the shared bucket of the hour is empty: %+v", r)
			}
			if r := take(t, m, "a", 2, day, hour); !r.OK || r.Remaining != 0 {
				t.Errorf("whoever was there keeps what is his: %+v", r)
			}
		})
	})
	t.Run("more limits than shared buckets", func(t *testing.T) {
		m := memory(t, 1)
		take(t, m, "a", 1, limit("first", 1, time.Hour))
		failed := false
		for i := range 200 {
			_, err := m.Take(context.Background(), "b", 1, []ratelimit.Limit{limit("l"+strconv.Itoa(i), 1, time.Hour)})
			failed = failed || err == ratelimit.ErrUnavailable
		}
		if !failed || m.Len() > 100 {
			t.Errorf("failed: %t, %d held", failed, m.Len())
		}
	})
}

// A table that is swept, grown and probed at random keeps every debt: a second store that is
// never swept, because it has one key each, says what each key owes.
func TestMemoryTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		m, l := memory(t, 1<<14), limit("table", 3, 300*time.Millisecond)
		type bucket struct{ at time.Time }
		model := map[int]*bucket{}
		for range 300_000 {
			k := rnd.IntN(4000)
			if rnd.IntN(4) == 0 {
				time.Sleep(time.Duration(rnd.IntN(400_000)))
			}
			b, now := model[k], time.Now()
			if b == nil || b.at.Before(now) {
				b = &bucket{now}
				model[k] = b
			}
			want := b.at.Sub(now)+100*time.Millisecond <= 300*time.Millisecond
			if want {
				b.at = b.at.Add(100 * time.Millisecond)
			}
			if r := take(t, m, strconv.Itoa(k), 1, l); r.OK != want || r.Reset != b.at.Sub(now) {
				t.Fatalf("key %d: %+v, want OK %t, owed %v", k, r, want, b.at.Sub(now))
			}
		}
		if m.Shared() > 0 {
			t.Errorf("%d shared", m.Shared())
		}
	})
}

// pitfall-90: two that count at once never both take the last unit.
func TestMemoryConcurrent(t *testing.T) {
	const procs, each = 8, 4000
	m := memory(t, 1<<12)
	limits := []ratelimit.Limit{limit("a", 1000, time.Hour), limit("b", 700, 2*time.Hour)}
	var passed [4]atomic.Int64
	var wg sync.WaitGroup
	for p := range procs {
		wg.Go(func() {
			for i := range each {
				k := (i + p) % len(passed)
				if r, err := m.Take(t.Context(), strconv.Itoa(k), 1, limits); err == nil && r.OK {
					passed[k].Add(1)
				}
				_, _ = m.Take(t.Context(), fmt.Sprint(p, i), 1, limits[:1]) // others come and the table grows
			}
		})
	}
	wg.Wait()
	for k := range passed {
		if n := passed[k].Load(); n != 700 {
			t.Errorf("key %d: %d passed, want 700", k, n)
		}
	}
}

func TestMemoryAllocs(t *testing.T) {
	m := memory(t, 0)
	ctx := context.Background()
	limits := []ratelimit.Limit{limit("second", 1e6, time.Second), limit("day", 1e9, 24*time.Hour)}
	empty := []ratelimit.Limit{limit("empty", 1, 24*time.Hour)}
	take(t, m, "caller", 1, empty...)
	take(t, m, "caller", 1, limits...)
	t.Run("accept", func(t *testing.T) {
		allocs(t, 0, func() { _, _ = m.Take(ctx, "caller", 1, limits) })
	})
	t.Run("refuse", func(t *testing.T) {
		allocs(t, 0, func() { _, _ = m.Take(ctx, "caller", 1, empty) })
	})
	t.Run("after many reloads", func(t *testing.T) {
		for i := range int64(5000) {
			take(t, m, strconv.FormatInt(i, 10), 0, limit("reloaded", i+1, time.Hour))
		}
		fresh := []ratelimit.Limit{limit("fresh", 1e6, time.Hour)}
		allocs(t, 0, func() { _, _ = m.Take(ctx, "caller", 1, fresh) })
	})
}

// Budget 8: at most 64 bytes for each key that owes, at any number of keys.
func TestMemoryBytes(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	m, l := memory(t, 0), []ratelimit.Limit{limit("bytes", 1, 24*time.Hour)}
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before, key := heap(), make([]byte, 0, 16)
	for i := range 1 << 20 {
		key = strconv.AppendInt(key[:0], int64(i), 10)
		_, _ = m.Take(context.Background(), string(key), 1, l)
		if n := i + 1; n == 200_000 || n == 300_000 || n == 600_000 || n == 1<<20 {
			each := float64(heap()-before) / float64(m.Len())
			t.Logf("%d keys: %.1f bytes each", m.Len(), each)
			if each > 64 {
				t.Errorf("%d keys: %.1f bytes each, want at most 64", m.Len(), each)
			}
		}
	}
	runtime.KeepAlive(m)
}
