package replay_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
)

// TestIdempotencyWithoutAClientIsNeverWaived holds that nothing runs unprotected for a mistake of the chain, and that
// what Client says is not lost behind Owner.
func TestIdempotencyWithoutAClientIsNeverWaived(t *testing.T) {
	d := newDesk(t)
	d.waive = true
	d.refused(d.post("", `"k"`, "pay 1"), http.StatusInternalServerError, replay.ErrClient, 0)
	d = newDesk(t, func(c *replay.IdempotencyConfig) {
		c.Client = func(*http.Request) (string, error) {
			return "a", &audit.Refusal{Reason: "theirs", Status: http.StatusTeapot}
		}
		c.Owner = func(*http.Request) (string, error) { return "a", nil }
	})
	d.refused(d.post("a", `"k"`, "pay 1"), http.StatusTeapot, "theirs", 0)
}

// strict gives up with the request, whatever it is told.
type strict struct{ hasty }

func (s strict) Forget(ctx context.Context, r replay.Run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.RunStore.Forget(ctx, r)
}

// TestIdempotencyOfWhoHungUp holds that a key is freed, or of unknown outcome, also when who asked is gone.
func TestIdempotencyOfWhoHungUp(t *testing.T) {
	for status, again := range map[int]audit.Reason{400: "", 500: replay.ErrUnresolved} {
		d := newDesk(t, func(c *replay.IdempotencyConfig) { c.Store = strict{hasty{newRunMemory(t)}} })
		ctx, leave := context.WithCancel(t.Context())
		d.handle = func(w http.ResponseWriter, _ *http.Request) {
			leave()
			w.WriteHeader(status)
		}
		_ = d.send(payment(ctx, strings.NewReader("pay 1")))
		leave()
		d.handle = paid
		w := d.post("a", `"k"`, "pay 1")
		if again != "" {
			d.refused(w, http.StatusConflict, again, 1)
		} else if w.Code != 201 {
			t.Errorf("after %d: %d", status, w.Code)
		}
	}
}

// TestIdempotencyKeepsWhatItCanGiveAgain holds that a field which would be refused when it is read again makes no
// answer that is an outage from then on.
func TestIdempotencyKeepsWhatItCanGiveAgain(t *testing.T) {
	d := newDesk(t)
	d.handle = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", "\"a\r\nb\"")
		w.WriteHeader(http.StatusCreated)
	}
	if w := d.post("a", `"k"`, "pay 1"); w.Code != 201 {
		t.Fatalf("got %d", w.Code)
	}
	d.refused(d.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrNotKept, 1)
}
