package replay_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
)

// facts is a slog.Handler that notes what records say of idempotency.
type facts struct {
	slog.Handler
	mu   sync.Mutex
	said []string
}

func (f *facts) Enabled(context.Context, slog.Level) bool { return true }

func (f *facts) Handle(_ context.Context, r slog.Record) error {
	said := "nothing"
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "idempotency" {
			said = a.Value.String()
		}
		return true
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, said)
	return nil
}

// TestIdempotencyRecord holds that the record tells a payment from its answer given again, and says when nobody
// will know what came of one: an operator finds those by it.
func TestIdempotencyRecord(t *testing.T) {
	store := &faulty{RunStore: newRunMemory(t)}
	d := newDesk(t, func(c *replay.IdempotencyConfig) { c.Store = store })
	sink := &facts{Handler: slog.DiscardHandler}
	log, err := audit.New(audit.Config{Handler: sink})
	if err != nil {
		t.Fatal(err)
	}
	d.h = log.Wrap(d.by.Wrap(http.HandlerFunc(paid)))
	d.post("a", `"k"`, "pay 1")
	d.post("a", `"k"`, "pay 1")
	store.finish, store.forget = errors.New("down"), errors.New("down")
	d.post("a", `"l"`, "pay 1")
	if want := []string{"nothing", "kept answer", "outcome not stored"}; !slices.Equal(sink.said, want) {
		t.Errorf("got %q, want %q", sink.said, want)
	}
}

// TestIdempotencyHeaderIsTheHandlers holds that what a handler takes away from the header is away.
func TestIdempotencyHeaderIsTheHandlers(t *testing.T) {
	d := newDesk(t)
	d.handle = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Del("Dpop-Nonce") // an outer layer had set it
		paid(w, r)
	}
	if w := d.post("a", `"k"`, "pay 1"); w.Code != 201 || w.Header().Get("Dpop-Nonce") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
