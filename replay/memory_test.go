package replay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
)

func TestMemoryConfigIsBounded(t *testing.T) {
	for _, capacity := range []int{-1, 1<<28 + 1} {
		m, err := replay.NewMemory(replay.MemoryConfig{Capacity: capacity})
		if err == nil || m != nil || !strings.Contains(err.Error(), "Capacity") {
			t.Errorf("Capacity %d: %v", capacity, err)
		}
	}
}

func TestMemoryUsesOnce(t *testing.T) {
	for _, id := range []string{"R1, RFC9449-11.1-2", "pitfall-59"} {
		t.Run(id, func(t *testing.T) {
			m := newMemory(t, 1)
			want(t, m, use(1, time.Minute), nil)
			want(t, m, use(1, time.Minute), replay.ErrUsed)
			want(t, m, use(2, time.Minute), nil)
		})
	}
}

func TestMemoryLetsOneOfManyIn(t *testing.T) {
	t.Run("pitfall-66", func(t *testing.T) {
		m := newMemory(t, 1000)
		for round := range 50 {
			u := use(round, time.Minute)
			var accepted, used atomic.Int64
			var wg sync.WaitGroup
			gate := make(chan struct{})
			for range 100 {
				wg.Go(func() {
					<-gate
					switch err := m.Use(context.Background(), u); {
					case err == nil:
						accepted.Add(1)
					case errors.Is(err, replay.ErrUsed):
						used.Add(1)
					}
				})
			}
			close(gate)
			wg.Wait()
			if accepted.Load() != 1 || used.Load() != 99 {
				t.Fatalf("round %d: %d accepted, %d used", round, accepted.Load(), used.Load())
			}
		}
	})
}

// TestMemoryIsOneStep lets callers run side by side over the same keys.
func TestMemoryIsOneStep(t *testing.T) {
	t.Run("pitfall-66", func(t *testing.T) {
		const callers, keys = 4, 20_000
		m := newMemory(t, 2*keys)
		uses := make([]replay.Use, keys)
		for n := range uses {
			uses[n] = use(n, time.Hour)
		}
		accepted := make([]atomic.Int32, keys)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for n, u := range uses {
					if m.Use(context.Background(), u) == nil {
						accepted[n].Add(1)
					}
				}
			})
		}
		wg.Wait()
		for n := range accepted {
			if got := accepted[n].Load(); got != 1 {
				t.Fatalf("key %d was accepted %d times", n, got)
			}
		}
	})
}

// TestMemoryNeverForgets fills stores far beyond their capacity: what was accepted stays used.
func TestMemoryNeverForgets(t *testing.T) {
	for _, id := range []string{"pitfall-60", "R5, RFC9449-11.1-3"} {
		t.Run(id, func(t *testing.T) {
			for _, capacity := range []int{1, 10, 1000, 20_000} {
				m := newMemory(t, capacity)
				var accepted []int
				full := 0
				for n := range 3 * capacity {
					switch err := m.Use(context.Background(), use(n, time.Hour)); {
					case err == nil:
						accepted = append(accepted, n)
					case errors.Is(err, replay.ErrFull):
						full++
					default:
						t.Fatal(err)
					}
				}
				if capacity >= 1000 && full == 0 {
					t.Errorf("capacity %d: %d keys were accepted and none refused", capacity, len(accepted))
				}
				for _, n := range accepted {
					want(t, m, use(n, time.Hour), replay.ErrUsed)
				}
			}
		})
	}
}

// TestMemoryHoldsItsCapacity fills stores of many sizes, each under a new secret.
func TestMemoryHoldsItsCapacity(t *testing.T) {
	sizes, rounds := []int{100_000}, 2
	if !testing.Short() && !raceEnabled {
		sizes, rounds = append(sizes, 1_000_000), 20
	}
	keys := make([]replay.Key, slices.Max(sizes))
	for n := range keys {
		keys[n] = key(n)
	}
	for n := 1; n < 300; n++ {
		sizes = append(sizes, n)
	}
	for range rounds {
		sizes = append(sizes, 1000, 4095, 8191, 8192, 8193, 16_384)
	}
	for _, capacity := range sizes {
		m := newMemory(t, capacity)
		now := time.Now()
		for n := range capacity {
			err := m.Use(context.Background(), replay.Use{Key: keys[n], Made: now, Until: now.Add(time.Hour)})
			if err != nil {
				t.Errorf("capacity %d: %v at %d", capacity, err, n)
				break
			}
		}
	}
}

func TestMemoryExpires(t *testing.T) {
	t.Run("pitfall-68", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(t, 8)
			for round := range 100 { // never full, although nothing sweeps
				for n := range 8 {
					want(t, m, use(8*round+n, 10*time.Second), nil)
				}
				time.Sleep(10 * time.Second)
			}
			want(t, m, use(8*99, 10*time.Second), nil)
		})
	})
	t.Run("R4, pitfall-64", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, fraction := range []time.Duration{0, 1, 500 * time.Millisecond, time.Second - 1} {
				m := newMemory(t, 8)
				time.Sleep(300 * time.Millisecond)
				u := use(1, 70*time.Second+fraction)
				want(t, m, u, nil)
				time.Sleep(time.Until(u.Until) - 1)
				want(t, m, u, replay.ErrUsed)
				longer := u
				longer.Until = u.Until.Add(time.Hour)
				want(t, m, longer, replay.ErrUsed)
				time.Sleep(time.Nanosecond)
				want(t, m, u, replay.ErrTooOld)
				time.Sleep(time.Second)
				want(t, m, use(1, time.Minute), nil)
			}
		})
	})
}

func TestMemoryRefusesMistakes(t *testing.T) {
	now := time.Now()
	m := newMemory(t, 8)
	for name, test := range map[string]struct {
		u    replay.Use
		want error
	}{
		"zero":          {replay.Use{}, replay.ErrUnavailable},
		"zero Key":      {replay.Use{Made: now, Until: now.Add(time.Minute)}, replay.ErrUnavailable},
		"zero Until":    {replay.Use{Key: key(1), Made: now}, replay.ErrTooOld},
		"Until before":  {use(1, -1), replay.ErrTooOld},
		"Until is now":  {use(1, 0), replay.ErrTooOld},
		"Until far":     {use(1, replay.MaxLifetime+time.Minute), replay.ErrUnavailable},
		"Until in 2106": {replay.Use{Key: key(1), Made: now, Until: time.Unix(1<<32, 0)}, replay.ErrUnavailable},
		"Made after":    {replay.Use{Key: key(1), Made: now.Add(time.Hour), Until: now.Add(time.Minute)}, replay.ErrUnavailable},
		"zero Made":     {replay.Use{Key: key(1), Until: now.Add(time.Minute)}, replay.ErrTooOld},
	} {
		t.Run(name, func(t *testing.T) {
			want(t, m, test.u, test.want)
		})
	}
	want(t, m, use(1, replay.MaxLifetime), nil)
}

func TestMemoryGuardsItsStart(t *testing.T) {
	for _, test := range []struct {
		name    string
		made    time.Duration // after the start
		decline bool
		want    error
	}{
		{"before", -time.Nanosecond, false, replay.ErrTooOld},
		{"long before", -time.Minute, false, replay.ErrTooOld},
		{"at the start", 0, false, nil},
		{"after", time.Second, false, nil},
		{"ahead", 20 * time.Second, false, nil},
		{"before, declined", -time.Minute, true, nil},
	} {
		t.Run("R9: "+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := replay.NewMemory(replay.MemoryConfig{Capacity: 8, DangerouslyNoStartGuard: test.decline})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				time.Sleep(10 * time.Second)
				u := use(1, time.Minute)
				u.Made = start.Add(test.made)
				want(t, m, u, test.want)
				u.Key, u.Made = key(2), u.Made.Round(0) // as from a token, without a monotonic reading
				want(t, m, u, test.want)
			})
		})
	}
}

func TestMemoryAllocatesNothing(t *testing.T) {
	m := newMemory(t, 10_000)
	var s replay.Store = m
	u := use(0, time.Minute)
	n := byte(0)
	allocates(t, 0, func() {
		n++
		u.Key[0], u.Key[1] = n, u.Key[1]+n/255
		_ = s.Use(context.Background(), u)
	})
}

// TestMemorySaysNothing holds that an error has nothing of the value in it.
func TestMemorySaysNothing(t *testing.T) {
	m := newMemory(t, 1)
	u := use(1, time.Minute)
	want(t, m, u, nil)
	for _, u := range []replay.Use{u, use(1, -1), {}, use(1, 1e6*time.Hour)} {
		err := m.Use(context.Background(), u)
		if text := fmt.Sprintf("%+v", err); !strings.HasPrefix(text, "replay: ") || len(text) > 30 {
			t.Errorf("%q", text)
		}
	}
}
