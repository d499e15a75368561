package replaytest_test

import (
	"container/list"
	"context"
	"errors"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/replaytest"
)

// table is a correct store that is easily spoiled.
type table struct {
	faults
	mu   sync.Mutex
	ends map[replay.Key]time.Time
}

// faults break a table, each in one way.
type faults struct {
	getThenSet, unchecked, perOwner, keeps, forgetsEarly, overwrites, vague, drops bool
}

func (s *table) Use(ctx context.Context, u replay.Use) error {
	now := time.Now()
	if s.drops && ctx.Err() != nil {
		return nil
	}
	if err := u.Check(now); err != nil && !s.unchecked {
		return err
	}
	key := u.Key
	if s.perOwner {
		key = replay.Digest("owned", string(u.Key[:]), string(u.Owner[:]))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end, found := s.ends[key]
	if s.getThenSet {
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	if found && s.overwrites {
		s.ends[key] = u.Until
	}
	if found && (end.After(now) || s.keeps) {
		if s.vague {
			return errors.New("no")
		}
		return replay.ErrUsed
	}
	s.ends[key] = u.Until
	if s.forgetsEarly {
		s.ends[key] = u.Until.Truncate(time.Second)
	}
	return nil
}

// lru is a cache that makes room, which is not a replay store.
type lru struct {
	mu    sync.Mutex
	at    map[replay.Key]*list.Element
	order list.List
}

func (s *lru) Use(_ context.Context, u replay.Use) error {
	if err := u.Check(time.Now()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.at[u.Key]; ok {
		if e.Value.(replay.Use).Until.After(time.Now()) {
			return replay.ErrUsed
		}
		s.order.Remove(e)
	}
	s.at[u.Key] = s.order.PushFront(u)
	if len(s.at) > 1000 {
		delete(s.at, s.order.Remove(s.order.Back()).(replay.Use).Key)
	}
	return nil
}

func newTable(f faults) *table {
	return &table{faults: f, ends: map[replay.Key]time.Time{}}
}

// overMap is the one line for an engine, here a map; it forgets what is over.
func overMap() replay.Store {
	var mu sync.Mutex
	ends := map[replay.Key]time.Time{}
	return replay.SetIfAbsent(func(_ context.Context, key replay.Key, until time.Time) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		maps.DeleteFunc(ends, func(_ replay.Key, end time.Time) bool { return !end.After(time.Now()) })
		if _, ok := ends[key]; ok {
			return false, nil
		}
		ends[key] = until
		return true, nil
	})
}

func memory(t *testing.T) func() replay.Store {
	return func() replay.Store {
		m, err := replay.NewMemory(replay.MemoryConfig{Capacity: 20_000})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func TestCorrectStoresPass(t *testing.T) {
	for name, open := range map[string]func() replay.Store{
		"memory":    memory(t),
		"map":       overMap,
		"table":     func() replay.Store { return newTable(faults{}) },
		"full soon": func() replay.Store { return small(t) },
	} {
		t.Run("R17: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := replaytest.TestStore(open); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// small is a store that must refuse most of what the kit gives it.
func small(t *testing.T) replay.Store {
	m, err := replay.NewMemory(replay.MemoryConfig{Capacity: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRunPassesMemory(t *testing.T) {
	replaytest.Run(t, memory(t))
}

// TestBrokenStoresFail proves that each rule finds what it is for, and that no other store
// mistake hides it.
func TestBrokenStoresFail(t *testing.T) {
	for _, test := range []struct {
		name  string
		open  func() replay.Store
		rules string // all that must break
	}{
		{"always yes", func() replay.Store {
			return replay.StoreFunc(func(context.Context, replay.Use) error { return nil })
		}, "once, race, owner, past, mistake, never forgets, canceled, long, until, not shortened"},
		{"always no", func() replay.Store {
			return replay.StoreFunc(func(context.Context, replay.Use) error { return replay.ErrUsed })
		}, "once, race, distinct, owner, past, mistake, never forgets, long, until, not shortened, expiry"},
		{"get then set", func() replay.Store { return newTable(faults{getThenSet: true}) }, "race"},
		{"an LRU", func() replay.Store { return &lru{at: map[replay.Key]*list.Element{}} }, "never forgets"},
		{"one key per owner", func() replay.Store { return newTable(faults{perOwner: true}) }, "owner"},
		{"never expires", func() replay.Store { return newTable(faults{keeps: true}) }, "expiry"},
		{"rounds down", func() replay.Store { return newTable(faults{forgetsEarly: true}) }, "until"},
		{"each use sets the end", func() replay.Store { return newTable(faults{overwrites: true}) }, "not shortened, expiry"},
		{"does not check", func() replay.Store { return newTable(faults{unchecked: true}) }, "past, mistake"},
		{"says no, not why", func() replay.Store { return newTable(faults{vague: true}) }, "once, race, owner, never forgets, canceled, long, until, not shortened, expiry"},
		{"gives up with yes", func() replay.Store { return newTable(faults{drops: true}) }, "canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := replaytest.TestStore(test.open)
				if err == nil {
					t.Fatal("passes")
				}
				var broken []string
				for line := range strings.Lines(err.Error()) {
					name, _, _ := strings.Cut(line, ":")
					broken = append(broken, name)
				}
				got := strings.Join(broken, ", ")
				if got != test.rules {
					t.Errorf("broken: %s\n  want: %s\n%v", got, test.rules, err)
				}
			})
		})
	}
}
