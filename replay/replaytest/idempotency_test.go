package replaytest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/replaytest"
)

func runMemory(t testing.TB) *replay.RunMemory {
	m, err := replay.NewRunMemory(replay.RunMemoryConfig{Capacity: 20_000, Bytes: 16 << 20, DangerouslyForgetsAtRestart: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// spoiledRuns is a correct store that was broken in one way.
type spoiledRuns struct {
	*replay.RunMemory
	begin  func(context.Context, replay.Run) ([]byte, error)
	finish func(context.Context, replay.Run, []byte) error
	forget func(context.Context, replay.Run) error
}

func (s spoiledRuns) Begin(ctx context.Context, r replay.Run) ([]byte, error) {
	if s.begin != nil {
		return s.begin(ctx, r)
	}
	return s.RunMemory.Begin(ctx, r)
}

func (s spoiledRuns) Finish(ctx context.Context, r replay.Run, answer []byte) error {
	if s.finish != nil {
		return s.finish(ctx, r, answer)
	}
	return s.RunMemory.Finish(ctx, r, answer)
}

func (s spoiledRuns) Forget(ctx context.Context, r replay.Run) error {
	if s.forget != nil {
		return s.forget(ctx, r)
	}
	return s.RunMemory.Forget(ctx, r)
}

func TestCorrectRunStoresPass(t *testing.T) {
	replaytest.RunRunStore(t, func() replay.RunStore { return runMemory(t) })
}

func TestBrokenRunStoresFail(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(m *replay.RunMemory) spoiledRuns
		rule  string // that must be among the broken ones
	}{
		"always yes": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, func(context.Context, replay.Run) ([]byte, error) { return nil, nil }, nil, nil}
		}, "once"},
		"looks first": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, func(ctx context.Context, r replay.Run) ([]byte, error) {
				answer, err := m.Begin(ctx, r)
				if errors.Is(err, replay.ErrInFlight) && strings.Contains("0123", string('0'+r.ID[0]%100)) {
					return nil, nil // some find what the others did not see
				}
				return answer, err
			}, nil, nil}
		}, "race"},
		"no fingerprint": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, func(ctx context.Context, r replay.Run) ([]byte, error) {
				if r.Check() == nil {
					r.Fingerprint = replay.Key{1}
				}
				return m.Begin(ctx, r)
			}, nil, nil}
		}, "another request"},
		"runs again after the lease": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, func(ctx context.Context, r replay.Run) ([]byte, error) {
				answer, err := m.Begin(ctx, r)
				if errors.Is(err, replay.ErrUnresolved) {
					_ = m.Forget(ctx, replay.Run{Key: r.Key})
					return m.Begin(ctx, r)
				}
				return answer, err
			}, nil, nil}
		}, "lease"},
		"cuts answers": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, nil, func(ctx context.Context, r replay.Run, answer []byte) error {
				return m.Finish(ctx, r, answer[:min(len(answer), 1000)])
			}, nil}
		}, "answer"},
		"believes any run": {func(m *replay.RunMemory) spoiledRuns {
			one := func(r replay.Run) replay.Run {
				if r.ID != [16]byte{} {
					r.ID = [16]byte{1}
				}
				return r
			}
			return spoiledRuns{m, func(ctx context.Context, r replay.Run) ([]byte, error) { return m.Begin(ctx, one(r)) },
				func(ctx context.Context, r replay.Run, answer []byte) error { return m.Finish(ctx, one(r), answer) },
				func(ctx context.Context, r replay.Run) error { return m.Forget(ctx, one(r)) }}
		}, "another run"},
		"gives up by forgetting": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, nil, func(ctx context.Context, r replay.Run, answer []byte) error {
				if answer == nil {
					return m.Forget(ctx, r)
				}
				return m.Finish(ctx, r, answer)
			}, nil}
		}, "unknown outcome"},
		"never forgets a failure": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, nil, nil, func(context.Context, replay.Run) error { return nil }}
		}, "forget"},
		"says yes to canceled": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, func(ctx context.Context, r replay.Run) ([]byte, error) {
				if ctx.Err() == nil {
					return m.Begin(ctx, r)
				}
				return nil, nil
			}, nil, nil}
		}, "canceled"},
		"keeps for ever": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, func(ctx context.Context, r replay.Run) ([]byte, error) {
				if r.Check() == nil {
					r.TTL = replay.MaxLifetime
				}
				return m.Begin(ctx, r)
			}, nil, nil}
		}, "ttl"},
		"does not check": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, func(ctx context.Context, r replay.Run) ([]byte, error) {
				if r.Check() == nil {
					return m.Begin(ctx, r)
				}
				return nil, nil
			}, nil, nil}
		}, "mistake"},
		"loses what it did not begin": {func(m *replay.RunMemory) spoiledRuns {
			return spoiledRuns{m, nil, func(ctx context.Context, r replay.Run, answer []byte) error {
				probe := r
				probe.ID = [16]byte{9}
				if answer, err := m.Begin(ctx, probe); answer == nil && err == nil {
					return m.Forget(ctx, probe)
				}
				return m.Finish(ctx, r, answer)
			}, nil}
		}, "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := replaytest.TestRunStore(func() replay.RunStore { return test.spoil(runMemory(t)) })
				if err == nil {
					t.Fatal("passes")
				}
				for line := range strings.Lines(err.Error()) {
					if strings.HasPrefix(line, test.rule+": ") {
						return
					}
				}
				t.Errorf("%q is not among %v", test.rule, err)
			})
		})
	}
}
