package replay_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/replaytest"
)

func newRevocations(t testing.TB, capacity int) *replay.Revocations {
	t.Helper()
	r, err := replay.NewRevocations(replay.RevocationsConfig{Capacity: capacity})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// revoked asks about what was issued at that moment.
func revoked(r *replay.Revocations, issued time.Time, names ...replay.Key) error {
	return r.Revoked(context.Background(), names, issued)
}

func TestRevocationsConfigIsBounded(t *testing.T) {
	for _, capacity := range []int{-1, 0, 1<<24 + 1} {
		r, err := replay.NewRevocations(replay.RevocationsConfig{Capacity: capacity})
		if err == nil || r != nil || !strings.Contains(err.Error(), "Capacity") {
			t.Errorf("Capacity %d: %v", capacity, err)
		}
	}
}

func TestRevocationsKeepTheRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := replaytest.TestRevocations(func() replaytest.Revocations { return newRevocations(t, 20_000) }); err != nil {
			t.Error(err)
		}
	})
}

func TestRevocationsRefuseWhenFull(t *testing.T) {
	for _, id := range []string{"pitfall-60", "OPS-fail-closed"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, r := t.Context(), newRevocations(t, 1000)
				for i := range 1000 {
					if err := r.Revoke(ctx, key(i), time.Now().Add(time.Hour)); err != nil {
						t.Fatal(i, err)
					}
				}
				if err := r.Revoke(ctx, key(1000), time.Now().Add(time.Hour)); !errors.Is(err, replay.ErrFull) {
					t.Fatalf("got %v", err)
				}
				if err := r.RevokeBefore(ctx, key(7), time.Now(), time.Now().Add(2*time.Hour)); err != nil {
					t.Errorf("more of a name that is there: %v", err)
				}
				time.Sleep(time.Hour + replay.RevocationGrace - time.Second)
				if err := r.Revoke(ctx, key(1000), time.Now().Add(time.Hour)); !errors.Is(err, replay.ErrFull) {
					t.Fatalf("got %v", err)
				}
				for i := range 50 { // what shares a shard with them is looked through
					if err := r.RevokeBefore(ctx, key(i), time.Now(), time.Now().Add(3*time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 1000 {
					if err := revoked(r, time.Time{}, key(i)); !errors.Is(err, replay.ErrRevoked) {
						t.Fatalf("%d: %v", i, err)
					}
				}
				time.Sleep(time.Second)
				if err := r.Revoke(ctx, key(1000), time.Now().Add(time.Hour)); err != nil {
					t.Errorf("there is room again: %v", err)
				}
				if err := revoked(r, time.Time{}, key(7)); !errors.Is(err, replay.ErrRevoked) {
					t.Errorf("what is not over was swept away: %v", err)
				}
			})
		})
	}
}

// TestRevocationsAreSeenByWhoRemembers holds what a cache of answers relies on: no answer that is
// kept under a revision outlives a revocation, whenever that lands.
func TestRevocationsAreSeenByWhoRemembers(t *testing.T) {
	t.Run("pitfall-22", func(t *testing.T) {
		r := newRevocations(t, 1<<20)
		const rounds = 20_000
		var at, done atomic.Int64 // the name in question; how many of them are revoked
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range rounds {
				at.Store(int64(i))
				if err := r.Revoke(t.Context(), key(i), time.Now().Add(time.Hour)); err != nil {
					t.Error(err)
				}
				done.Store(int64(i + 1))
			}
		})
		wg.Go(func() {
			memo, asked := int64(-1), uint64(0) // the name that was not revoked, and at which revision
			for done.Load() < rounds {
				finished, name := done.Load(), at.Load()
				revision := r.Revision()
				passes := memo == name && asked == revision
				if !passes && revoked(r, time.Time{}, key(int(name))) == nil {
					passes, memo, asked = true, name, revision
				}
				if passes && finished > name {
					t.Errorf("%d passes after its revocation", name)
					return
				}
			}
		})
		wg.Wait()
	})
}

func TestRevocationsOfOneNameAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, r := t.Context(), newRevocations(t, 10)
		began := time.Now()
		old, fresh := began.Add(-time.Minute), began.Add(time.Minute)
		check := func(what string, issued time.Time, reason error) {
			t.Helper()
			if err := revoked(r, issued, key(1)); !errors.Is(err, reason) {
				t.Errorf("%s: %v", what, err)
			}
		}
		// Shut out for a minute, and what it had until then is void for an hour.
		_ = r.Revoke(ctx, key(1), began.Add(time.Minute))
		_ = r.RevokeBefore(ctx, key(1), began, began.Add(time.Hour))
		check("shut out", fresh, replay.ErrRevoked)
		time.Sleep(time.Minute + replay.RevocationGrace)
		check("let in again", fresh, nil)
		check("with what it had", old, replay.ErrRevoked)
		_ = r.RevokeBefore(ctx, key(1), began.Add(-time.Hour), began.Add(30*time.Minute))
		revision := r.Revision()
		_ = r.RevokeBefore(ctx, key(1), began.Add(-time.Hour), began.Add(30*time.Minute))
		if check("an earlier moment takes nothing back", old, replay.ErrRevoked); r.Revision() != revision {
			t.Error("a revision for nothing new")
		}
		_ = r.RevokeBefore(ctx, key(1), time.Now(), time.Now().Add(time.Hour))
		check("what ends its tokens does not shut it out", time.Now().Add(time.Second), nil)
		time.Sleep(2 * time.Hour)
		check("over", old, nil)
	})
}

func TestRevocationsAfterTheClockWasSetBack(t *testing.T) {
	r := newRevocations(t, 10)
	r.ForgetUntil(time.Now().Add(time.Hour).UnixMilli())
	if err := revoked(r, time.Now(), key(1)); !errors.Is(err, replay.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	r.ForgetUntil(time.Now().Add(-time.Second).UnixMilli())
	if err := revoked(r, time.Now(), key(1)); err != nil {
		t.Errorf("got %v", err)
	}
}

// TestRevocationsCanBeKept holds that what All gives makes the same list again.
func TestRevocationsCanBeKept(t *testing.T) {
	ctx, first, second := t.Context(), newRevocations(t, 1000), newRevocations(t, 1000)
	now := time.Now().Truncate(time.Second)
	for i := range 300 {
		if i%3 != 1 {
			_ = first.Revoke(ctx, key(i), now.Add(time.Hour))
		}
		if i%3 != 0 {
			_ = first.RevokeBefore(ctx, key(i), now.Add(-time.Minute), now.Add(2*time.Hour))
		}
	}
	count := 0
	for e := range first.All() {
		count++
		if err := second.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if count != 400 {
		t.Errorf("%d entries", count)
	}
	for i := range 301 {
		for _, issued := range []time.Time{{}, now.Add(-time.Hour), now, now.Add(time.Minute)} {
			if a, b := revoked(first, issued, key(i)), revoked(second, issued, key(i)); !errors.Is(a, b) {
				t.Fatalf("%d, %v: %v and %v", i, issued, a, b)
			}
		}
	}
	for range first.All() {
		break
	}
	if err := second.Add(replay.Revocation{Name: key(1), Until: now.Add(-replay.RevocationGrace)}); !errors.Is(err, replay.ErrTooOld) {
		t.Errorf("an entry that is over: %v", err)
	}
	if err := errors.Join(second.Add(replay.Revocation{Name: key(900), Until: now.Add(-time.Second)}), revoked(second, now, key(900))); !errors.Is(err, replay.ErrRevoked) {
		t.Errorf("an entry within the grace: %v", err)
	}
}

func TestRevocationsAllocateNothing(t *testing.T) {
	r := newRevocations(t, 1000)
	for i := range 500 {
		_ = r.Revoke(t.Context(), key(i), time.Now().Add(time.Hour))
	}
	miss, hit, issued := []replay.Key{key(501), key(502), key(503), key(504)}, []replay.Key{key(3)}, time.Now()
	allocates(t, 0, func() { r.Revision(); _ = r.Revoked(t.Context(), miss, issued) })
	allocates(t, 0, func() { _ = r.Revoked(t.Context(), hit, issued) })
}

func BenchmarkRevoked(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(map[bool]string{true: "1k", false: "1M"}[n == 1000], func(b *testing.B) {
			r := newRevocations(b, n)
			for i := range n {
				_ = r.Revoke(b.Context(), key(i), time.Now().Add(time.Hour))
			}
			names := make([][]replay.Key, 1024)
			for i := range names {
				for k := range 5 {
					names[i] = append(names[i], key(n+i*5+k))
				}
			}
			issued := time.Now()
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					_ = r.Revoked(context.Background(), names[i%len(names)], issued)
				}
			})
		})
	}
}

func BenchmarkRevoke(b *testing.B) {
	r := newRevocations(b, 1<<20)
	for i := range 1 << 19 {
		_ = r.Revoke(b.Context(), key(i), time.Now().Add(time.Hour))
	}
	until := time.Now().Add(time.Hour)
	b.ReportAllocs()
	i := 1 << 19
	for b.Loop() {
		_ = r.Revoke(b.Context(), key(i), until)
		i++
		if i == 1<<20 {
			i = 1 << 19
		}
	}
}
