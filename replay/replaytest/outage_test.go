package replaytest_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/replaytest"
)

// switchable is a store over another that can be taken away.
type switchable struct {
	replay.Store
	mu   sync.Mutex
	gone bool
	use  func(ctx context.Context, u replay.Use) error // while it is gone
}

func (s *switchable) Use(ctx context.Context, u replay.Use) error {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return s.use(ctx, u)
	}
	return s.Store.Use(ctx, u)
}

func (s *switchable) set(gone bool) func() {
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gone = gone
	}
}

func TestOutageKit(t *testing.T) {
	var line sync.Mutex
	for _, test := range []struct {
		name, broken string
		use          func(ctx context.Context, u replay.Use) error
		mends        func(s *switchable) // what the end of the outage does
	}{
		{name: "correct", use: func(context.Context, replay.Use) error {
			time.Sleep(500 * time.Millisecond)
			return replay.ErrUnavailable
		}},
		{name: "fails open", broken: "outage: a value was accepted", use: func(context.Context, replay.Use) error { return nil }},
		{name: "blames the value", broken: "outage: a value was blamed", use: func(context.Context, replay.Use) error { return replay.ErrUsed }},
		{name: "hangs", broken: "outage: an answer took", use: func(context.Context, replay.Use) error {
			time.Sleep(time.Minute)
			return replay.ErrUnavailable
		}},
		{name: "one after the other", broken: "outage: an answer took", use: func(context.Context, replay.Use) error {
			for !line.TryLock() {
				time.Sleep(time.Millisecond)
			}
			defer line.Unlock()
			time.Sleep(500 * time.Millisecond)
			return replay.ErrUnavailable
		}},
		{name: "never recovers", broken: "recovery: 10", use: func(context.Context, replay.Use) error { return replay.ErrUnavailable },
			mends: func(*switchable) {}},
		{name: "forgets", broken: "recovery: a value used before", use: func(context.Context, replay.Use) error { return replay.ErrUnavailable },
			mends: func(s *switchable) { s.Store = newTable(faults{}); s.set(false)() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &switchable{Store: newTable(faults{}), use: test.use}
				end := s.set(false)
				if test.mends != nil {
					end = func() { test.mends(s) }
				}
				err := replaytest.TestOutage(s, s.set(true), end)
				if test.broken == "" && err != nil || test.broken != "" && (err == nil || !strings.Contains(err.Error(), test.broken)) {
					t.Errorf("got %v, want %q", err, test.broken)
				}
			})
		})
	}
}

func TestQuotaKit(t *testing.T) {
	const capacity = 1000
	bounded := func(quota bool) func() replay.Store {
		return func() replay.Store {
			m, err := replay.NewMemory(replay.MemoryConfig{Capacity: capacity})
			if err != nil {
				t.Fatal(err)
			}
			if quota {
				return m
			}
			return replay.StoreFunc(func(ctx context.Context, u replay.Use) error {
				u.Owner = replay.Key{}
				return m.Use(ctx, u)
			})
		}
	}
	if err := replaytest.TestQuota(bounded(true), capacity); err != nil {
		t.Error(err)
	}
	if err := replaytest.TestQuota(bounded(false), capacity); err == nil || !strings.HasPrefix(err.Error(), "quota: ") {
		t.Errorf("a store without quotas: %v", err)
	}
	t.Run("pitfall-67", func(t *testing.T) { // without a bound one owner gets all it wants
		err := replaytest.TestQuota(func() replay.Store { return newTable(faults{}) }, capacity)
		if err == nil || !strings.Contains(err.Error(), "all 1000 places") {
			t.Errorf("got %v", err)
		}
	})
}
