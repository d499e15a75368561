package replay_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// answers is a store that answers err, and counts how often it was asked.
type answers struct {
	err   error
	asked int
}

func (s *answers) Use(context.Context, replay.Use) error { s.asked++; return s.err }

// reports counts what a policy let pass.
type reports struct {
	n   int
	err error
}

func (r *reports) report(_ context.Context, _ replay.Use, err error) { r.n, r.err = r.n+1, err }

var errSocket = errors.New("dial redis://user:password@host")

// TestPoliciesWaiveOutagesOnly goes over everything that a store can say.
func TestPoliciesWaiveOutagesOnly(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct {
		name   string
		err    error
		ctx    context.Context
		u      func() replay.Use
		waived bool
	}{
		{name: "OPS-fail-closed", err: replay.ErrUnavailable, waived: true},
		{name: "any other error", err: errSocket, waived: true},
		{name: "wrapped", err: fmt.Errorf("store: %w", replay.ErrUnavailable), waived: true},
		{name: "used", err: replay.ErrUsed},
		{name: "used, wrapped", err: fmt.Errorf("store: %w", replay.ErrUsed)},
		{name: "used, and a connection that was lost", err: errors.Join(errSocket, replay.ErrUsed)},
		{name: "full", err: replay.ErrFull},
		{name: "quota", err: errors.Join(replay.ErrQuota, replay.ErrFull)},
		{name: "too old", err: replay.ErrTooOld},
		{name: "the request ended", err: replay.ErrUnavailable, ctx: canceled},
		{name: "our mistake", err: replay.ErrUnavailable, u: func() replay.Use { return replay.Use{Until: time.Now().Add(time.Minute)} }},
		{name: "over meanwhile", err: replay.ErrUnavailable, u: func() replay.Use { return use(1, 0) }},
		{name: "accepted", err: nil},
	} {
		for _, policy := range []string{"open", "back"} {
			t.Run(policy+"/"+test.name, func(t *testing.T) {
				ctx, u := test.ctx, use(1, time.Minute)
				if ctx == nil {
					ctx = context.Background()
				}
				if test.u != nil {
					u = test.u()
				}
				var r reports
				s := replay.DangerouslyFailOpen(&answers{err: test.err}, r.report)
				if policy == "back" {
					s = replay.DangerouslyFallBack(&answers{err: test.err}, &answers{}, r.report)
				}
				err := s.Use(ctx, u)
				switch {
				case test.waived && (err != nil || r.n != 1 || !errors.Is(r.err, test.err)):
					t.Errorf("got %v, %d reports, the last of %v", err, r.n, r.err)
				case !test.waived && (!errors.Is(err, test.err) || r.n != 0):
					t.Errorf("got %v, %d reports", err, r.n)
				}
			})
		}
	}
}

func TestFailOpen(t *testing.T) {
	t.Run("R8, pitfall-65", func(t *testing.T) { // nothing opens that was not named
		want(t, &answers{err: replay.ErrUnavailable}, use(1, time.Minute), replay.ErrUnavailable)
		var r reports
		for _, s := range []replay.Store{
			replay.DangerouslyFailOpen(nil, r.report),
			replay.DangerouslyFailOpen(newMemory(t, 8), nil),
			replay.DangerouslyFallBack(nil, newMemory(t, 8), r.report),
			replay.DangerouslyFallBack(newMemory(t, 8), nil, r.report),
			replay.DangerouslyFallBack(newMemory(t, 8), newMemory(t, 8), nil),
		} {
			want(t, s, use(1, time.Minute), replay.ErrUnavailable)
		}
		if r.n != 0 {
			t.Errorf("%d reports", r.n)
		}
	})
}

// TestFallBack follows a replica through an outage of the shared store.
func TestFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory(t, 100)
		down := false
		switched := replay.StoreFunc(func(ctx context.Context, u replay.Use) error {
			if down {
				return replay.ErrUnavailable
			}
			return shared.Use(ctx, u)
		})
		var r reports
		a := replay.DangerouslyFallBack(switched, newMemory(t, 100), r.report)
		b := replay.DangerouslyFallBack(switched, newMemory(t, 100), r.report)

		want(t, a, use(1, time.Minute), nil)
		want(t, b, use(1, time.Minute), replay.ErrUsed)
		down = true
		want(t, a, use(1, time.Minute), replay.ErrUsed) // used here before the outage
		want(t, a, use(2, time.Minute), nil)
		want(t, a, use(2, time.Minute), replay.ErrUsed)
		want(t, b, use(2, time.Minute), nil) // once in each process, as the doc says
		want(t, b, use(2, time.Minute), replay.ErrUsed)
		if r.n != 2 {
			t.Errorf("%d reports, want 2", r.n)
		}
		old := use(3, time.Minute)
		old.Made = old.Made.Add(-time.Second) // before the local store was made
		if err := a.Use(context.Background(), old); !errors.Is(err, replay.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		down = false
		want(t, a, use(2, time.Minute), replay.ErrUsed)
		want(t, a, use(4, time.Minute), nil)
		want(t, b, use(4, time.Minute), replay.ErrUsed)
		if r.n != 2 {
			t.Errorf("%d reports, want 2", r.n)
		}
	})
	t.Run("without room", func(t *testing.T) {
		shared, local := &answers{}, &answers{err: replay.ErrFull}
		var r reports
		s := replay.DangerouslyFallBack(shared, local, r.report)
		want(t, s, use(1, time.Minute), nil) // the shared store is well
		shared.err = replay.ErrUnavailable
		err := s.Use(context.Background(), use(1, time.Minute))
		if !errors.Is(err, replay.ErrUnavailable) || err.Error() != "replay: store unavailable" || r.n != 0 {
			t.Errorf("got %v, %d reports", err, r.n)
		}
	})
}
