package replay_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
)

// TestIdempotencyOutageIsNeverWaived holds that report-only does not pay twice when the store, which may know of
// the payment, cannot be asked or understood.
func TestIdempotencyOutageIsNeverWaived(t *testing.T) {
	for what, c := range map[string]struct {
		begin  error
		answer []byte
		reason audit.Reason
	}{
		"down":              {errors.New("connection refused"), nil, replay.ErrUnavailable},
		"full":              {replay.ErrFull, nil, replay.ErrFull},
		"an owner too many": {replay.ErrQuota, nil, replay.ErrQuota},
		"no answer":         {nil, []byte("HTTP/1.1 200 OK"), replay.ErrUnavailable},
	} {
		t.Run("R15, pitfall-105: "+what, func(t *testing.T) {
			store := &faulty{RunStore: newRunMemory(t)}
			d := newDesk(t, func(cfg *replay.IdempotencyConfig) { cfg.Store = store })
			d.waive = true
			if w := d.post("a", `"k"`, "pay 1"); w.Code != 201 {
				t.Fatalf("got %d", w.Code)
			}
			store.begin, store.answer = c.begin, c.answer // the answer was lost on its way: the client asks again
			d.refused(d.post("a", `"k"`, "pay 1"), http.StatusServiceUnavailable, c.reason, 1)
		})
	}
}

// TestIdempotencyOwner holds that a client who has many customers does not have the room of all of them.
func TestIdempotencyOwner(t *testing.T) {
	t.Run("pitfall-67", func(t *testing.T) {
		store, err := replay.NewRunMemory(replay.RunMemoryConfig{Capacity: 16, Bytes: 1 << 20, PerOwner: 2, DangerouslyForgetsAtRestart: true})
		if err != nil {
			t.Fatal(err)
		}
		owner := func(r *http.Request) (string, error) {
			client := r.Header.Get("Client")
			if client == "nobody" {
				return "", nil
			}
			return client[:1], nil
		}
		d := newDesk(t, func(c *replay.IdempotencyConfig) { c.Store, c.Owner = store, owner })
		for n := range 2 {
			if w := d.post(fmt.Sprint("a's customer ", n), `"k"`, "pay 1"); w.Code != 201 {
				t.Fatalf("customer %d: %d", n, w.Code)
			}
		}
		d.refused(d.post("a's customer 2", `"k"`, "pay 1"), http.StatusServiceUnavailable, replay.ErrQuota, 2)
		if w := d.post("a's customer 1", `"k"`, "pay 1"); w.Code != 201 || d.ran.Load() != 2 {
			t.Errorf("what is known is answered: %d after %d runs", w.Code, d.ran.Load())
		}
		if w := d.post("b's customer", `"k"`, "pay 1"); w.Code != 201 {
			t.Errorf("another client: %d", w.Code)
		}
		d.refused(d.post("nobody", `"k"`, "pay 1"), http.StatusInternalServerError, replay.ErrClient, 3)
	})
}

// TestRunMemorySharesItsBytes holds that one owner's answers leave room for those of others, and that what is over
// counts no more.
func TestRunMemorySharesItsBytes(t *testing.T) {
	t.Run("pitfall-67", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, err := replay.NewRunMemory(replay.RunMemoryConfig{Capacity: 800, Bytes: 80_000, DangerouslyForgetsAtRestart: true})
			if err != nil {
				t.Fatal(err)
			}
			make1 := func(owner, n int) error {
				run := replay.Run{Key: key(n), Fingerprint: key(n), Owner: key(owner), ID: [16]byte{1}, Lease: time.Minute, TTL: time.Hour}
				if _, err := m.Begin(t.Context(), run); err != nil {
					return err
				}
				return m.Finish(t.Context(), run, make([]byte, 1000))
			}
			for range 2 {
				made := 0
				for made < 100 && err == nil {
					if err = make1(1, made); err == nil {
						made++
					}
				}
				if made != 10 || !errors.Is(err, replay.ErrQuota) {
					t.Errorf("the greedy one: %d, %v", made, err)
				}
				if err = make1(2, 1000); err != nil {
					t.Errorf("another: %v", err)
				}
				time.Sleep(time.Hour)
			}
		})
	})
}

// TestRunMemoryIsFullOfBytes holds that nothing begins whose answer would have no room, and that what was answered
// stays as it was.
func TestRunMemoryIsFullOfBytes(t *testing.T) {
	m, err := replay.NewRunMemory(replay.RunMemoryConfig{Capacity: 100, Bytes: 10, PerOwner: 100, DangerouslyForgetsAtRestart: true})
	if err != nil {
		t.Fatal(err)
	}
	run := func(n int) replay.Run {
		return replay.Run{Key: key(n), Fingerprint: key(n), ID: [16]byte{1}, Lease: time.Minute, TTL: time.Hour}
	}
	if _, err := m.Begin(t.Context(), run(1)); err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{"0123456789", "9876543210", "", "x"} {
		given := []byte(answer)
		if err := m.Finish(t.Context(), run(1), given); err != nil {
			t.Errorf("%q: %v", answer, err)
		}
		clear(given) // what callers do with their bytes changes nothing
		kept, err := m.Begin(t.Context(), run(1))
		if err != nil || string(kept) != "0123456789" {
			t.Errorf("after %q: %q, %v", answer, kept, err)
		}
		clear(kept)
	}
	if _, err := m.Begin(t.Context(), run(2)); !errors.Is(err, replay.ErrFull) || errors.Is(err, replay.ErrQuota) {
		t.Errorf("got %v", err)
	}
	if m, err = replay.NewRunMemory(replay.RunMemoryConfig{Capacity: 1 << 24, Bytes: 1 << 40, PerOwner: 1 << 24, DangerouslyForgetsAtRestart: true}); err != nil {
		t.Fatal(err)
	}
	for n := range 3 { // the share of the largest store is no number that wraps round
		r := run(n)
		r.Owner = key(100)
		if _, err := m.Begin(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := m.Finish(t.Context(), r, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
}
