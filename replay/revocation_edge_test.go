package replay_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// TestRevocationsMakeRoom holds that what is over makes room whatever was revoked before it, and for longer: else
// a revocation would be turned away.
func TestRevocationsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := replay.NewRevocations(replay.RevocationsConfig{Capacity: 2})
		if err != nil {
			t.Fatal(err)
		}
		revoke := func(n int, d time.Duration, want error) {
			t.Helper()
			if err := r.Revoke(t.Context(), key(n), time.Now().Add(d)); !errors.Is(err, want) {
				t.Fatalf("%d: %v", n, err)
			}
		}
		revoke(1, 10*time.Hour, nil)
		revoke(2, time.Hour, nil)
		revoke(3, time.Hour, replay.ErrFull)
		time.Sleep(time.Hour + replay.RevocationGrace)
		revoke(3, time.Hour, nil)
		if err := r.Revoked(t.Context(), []replay.Key{key(1)}, time.Now()); !errors.Is(err, replay.ErrRevoked) {
			t.Errorf("the long one: %v", err)
		}
	})
}

// TestRevocationsForgetWhatIsOver holds that a moment which counts no more does not come back with a new one.
func TestRevocationsForgetWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := replay.NewRevocations(replay.RevocationsConfig{Capacity: 2})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := r.RevokeBefore(t.Context(), key(1), began.Add(30*time.Minute), began.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if err := r.RevokeBefore(t.Context(), key(1), began, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := r.Revoked(t.Context(), []replay.Key{key(1)}, began.Add(10*time.Minute)); err != nil {
			t.Errorf("issued after the moment that counts: %v", err)
		}
	})
}
