package replay_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
)

func TestSetIfAbsent(t *testing.T) {
	broken := errors.New("dial redis://user:password@host")
	var got []replay.Key
	engine := func(stored bool, err error) replay.SetIfAbsent {
		return func(_ context.Context, key replay.Key, until time.Time) (bool, error) {
			got = append(got, key)
			return stored, err
		}
	}
	for _, test := range []struct {
		name  string
		store replay.Store
		u     replay.Use
		want  error
		asked int
	}{
		{"stored", engine(true, nil), use(1, time.Minute), nil, 1},
		{"there already", engine(false, nil), use(1, time.Minute), replay.ErrUsed, 1},
		{"pitfall-65", engine(false, broken), use(1, time.Minute), replay.ErrUnavailable, 1},
		{"OPS-fail-closed", engine(true, broken), use(1, time.Minute), replay.ErrUnavailable, 1},
		{"no function", replay.SetIfAbsent(nil), use(1, time.Minute), replay.ErrUnavailable, 0},
		{"over", engine(true, nil), use(1, 0), replay.ErrTooOld, 0},
		{"far", engine(true, nil), use(1, 1e6*time.Hour), replay.ErrUnavailable, 0},
		{"zero", engine(true, nil), replay.Use{}, replay.ErrUnavailable, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got = nil
			err := test.store.Use(context.Background(), test.u)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if len(got) != test.asked || test.asked > 0 && got[0] != test.u.Key {
				t.Errorf("the engine was asked for %x", got)
			}
			if err != nil && strings.Contains(err.Error(), "password") {
				t.Errorf("%q quotes the engine", err)
			}
		})
	}
	if err := engine(false, broken).Use(context.Background(), use(1, time.Minute)); !errors.Is(err, broken) {
		t.Error("the cause is lost")
	}
}

func TestStoreFunc(t *testing.T) {
	u := use(1, time.Minute)
	s := replay.StoreFunc(func(_ context.Context, got replay.Use) error {
		if got != u {
			t.Errorf("got %v", got)
		}
		return replay.ErrFull
	})
	want(t, s, u, replay.ErrFull)
}
