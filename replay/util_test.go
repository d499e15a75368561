package replay_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// key is the n-th key.
func key(n int) replay.Key {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return replay.Digest("test", string(b[:]))
}

// use is a use of the n-th key that is made now and lives for d.
func use(n int, d time.Duration) replay.Use {
	now := time.Now()
	return replay.Use{Key: key(n), Made: now, Until: now.Add(d)}
}

func newMemory(t testing.TB, capacity int) *replay.Memory {
	t.Helper()
	m, err := replay.NewMemory(replay.MemoryConfig{Capacity: capacity})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// want uses u and compares the answer; a nil reason wants nil.
func want(t *testing.T, s replay.Store, u replay.Use, reason error) {
	t.Helper()
	if err := s.Use(context.Background(), u); !errors.Is(err, reason) {
		t.Fatalf("got %v, want %v", err, reason)
	}
}

// allocates fails when f allocates more than max times.
func allocates(t *testing.T, max float64, f func()) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	if got := testing.AllocsPerRun(1000, f); got > max {
		t.Errorf("%v allocations, want at most %v", got, max)
	}
}
