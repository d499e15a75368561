package replay_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// ever is the age of a store that reaches back to every moment.
const ever = time.Duration(math.MaxInt64)

// TestMemoryIsAMap compares random uses under a moving clock with a plain map.
func TestMemoryIsAMap(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			const keys = 200
			m := newMemory(t, keys)
			ends := map[int]int64{} // the second from which a key is free again
			for range 5000 {
				if rnd.IntN(4) == 0 {
					time.Sleep(time.Duration(rnd.Int64N(int64(2 * time.Second))))
				}
				n := rnd.IntN(keys)
				u := use(n, time.Duration(rnd.Int64N(int64(time.Minute)))-time.Second)
				now := time.Now()
				var model error
				switch {
				case !u.Until.After(now):
					model = replay.ErrTooOld
				case ends[n] > now.Unix():
					model = replay.ErrUsed
				default:
					ends[n] = u.Until.Add(time.Second - 1).Unix()
				}
				if err := m.Use(context.Background(), u); !errors.Is(err, model) {
					t.Fatalf("seed %d: got %v, want %v", seed, err, model)
				}
			}
		})
	}
}

// TestMemoryUnderAnyClock lets the wall clock jump to and fro while the store is small and its
// slots are written over: no key is accepted twice with the same Until.
func TestMemoryUnderAnyClock(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		m := newMemory(t, 20)
		now := time.Now().Round(0)
		accepted := map[replay.Use]bool{}
		var past []replay.Use
		for range 20_000 {
			switch rnd.IntN(20) {
			case 0:
				now = now.Add(time.Duration(rnd.Int64N(int64(2*time.Minute))) - time.Minute)
			case 1, 2, 3, 4, 5:
				now = now.Add(time.Duration(rnd.Int64N(int64(3 * time.Second))))
			}
			u := replay.Use{Key: key(rnd.IntN(500)), Until: now.Add(time.Duration(1 + rnd.Int64N(int64(30*time.Second))))}
			if len(past) > 0 && rnd.IntN(2) == 0 {
				u = past[rnd.IntN(len(past))] // again, exactly
			}
			if m.UseAt(u, now, ever) == nil {
				if accepted[u] {
					t.Fatalf("seed %d: accepted twice", seed)
				}
				accepted[u] = true
				past = append(past, u)
			}
		}
		if len(past) < 1000 {
			t.Errorf("seed %d: only %d uses were accepted, the test is blind", seed, len(past))
		}
	}
}

// TestMemoryClockSteps are the cases of the promise.
func TestMemoryClockSteps(t *testing.T) {
	at := time.Now().Round(0)
	// living ends d after at, and is made a minute before that.
	living := func(n int, d time.Duration) replay.Use {
		return replay.Use{Key: key(n), Made: at.Add(d - time.Minute), Until: at.Add(d)}
	}
	check := func(t *testing.T, m *replay.Memory, u replay.Use, now time.Duration, reason error) {
		t.Helper()
		if err := m.UseAt(u, at.Add(now), time.Hour); !errors.Is(err, reason) {
			t.Fatalf("got %v, want %v", err, reason)
		}
	}
	t.Run("set back, slot kept", func(t *testing.T) {
		m := newMemory(t, 10)
		check(t, m, living(1, time.Minute), 0, nil)
		check(t, m, living(1, time.Minute), -time.Hour, replay.ErrUsed)
	})
	t.Run("set back, slot written over", func(t *testing.T) {
		m := newMemory(t, 10)
		check(t, m, living(1, time.Minute), 0, nil)
		for n := range 16 { // every slot of every bucket
			check(t, m, living(100+n, 3*time.Minute), 2*time.Minute, nil)
		}
		check(t, m, living(1, time.Minute), 0, replay.ErrTooOld)
		check(t, m, living(1, 2*time.Minute), 0, replay.ErrFull) // another value, by its Until
	})
	t.Run("before the store's seconds", func(t *testing.T) {
		m := newMemory(t, 10)
		check(t, m, living(1, time.Minute), 0, nil)
		decades := -70 * 365 * 24 * time.Hour
		check(t, m, living(1, decades+time.Minute), decades, replay.ErrUnavailable)
		check(t, m, living(1, -decades+time.Minute), -decades, replay.ErrUnavailable)
	})
	t.Run("set on at the start", func(t *testing.T) {
		// The clock was an hour slow when the store was made and is right now: a value from before
		// the restart has an age by today's clock that the store has not.
		m := newMemory(t, 10)
		u := replay.Use{Key: key(1), Made: at.Add(time.Hour - time.Minute), Until: at.Add(time.Hour + time.Minute)}
		if err := m.UseAt(u, at.Add(time.Hour), 30*time.Second); !errors.Is(err, replay.ErrTooOld) {
			t.Errorf("got %v", err)
		}
		u.Made = at.Add(time.Hour - 20*time.Second)
		if err := m.UseAt(u, at.Add(time.Hour), 30*time.Second); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// FuzzMemory reads uses and clock steps from bytes and compares with a map, as far as the clock
// moves on.
func FuzzMemory(f *testing.F) {
	f.Add([]byte{0, 1, 9, 0, 1, 9, 3, 1, 9})
	f.Add([]byte{0, 1, 1, 200, 1, 1, 1, 2, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		m := newMemory(t, 256)
		now := time.Now().Round(0)
		ends := map[byte]int64{}
		for ; len(script) >= 3; script = script[3:] {
			now = now.Add(time.Duration(script[0]) * 37 * time.Millisecond)
			n := script[1]
			u := replay.Use{Key: replay.Digest("fuzz", string(n)), Until: now.Add(time.Duration(binary.BigEndian.Uint16(script[1:])) * time.Millisecond)}
			var model error
			switch {
			case !u.Until.After(now):
				model = replay.ErrTooOld
			case ends[n] > now.Unix():
				model = replay.ErrUsed
			default:
				ends[n] = u.Until.Add(time.Second - 1).Unix()
			}
			if err := m.UseAt(u, now, ever); !errors.Is(err, model) {
				t.Fatalf("got %v, want %v", err, model)
			}
		}
	})
}
