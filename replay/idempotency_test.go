package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
)

// desk is a handler behind Idempotency, and what is known of it.

// reasons is a slog.Handler that notes why a request was refused, or would have been.

// paid answers differently each time.

// post sends a payment with a key of client; an empty key is none.

// refused fails unless w is that refusal and the handler has run so often.

func TestIdempotencyAnswersAgain(t *testing.T) {
	for _, id := range []string{"pitfall-104", "BR-idem", "UK-idem-2"} {
		t.Run(id, func(t *testing.T) {
			d := newDesk(t)
			first := d.post("a", `"k"`, "pay 1")
			if first.Code != http.StatusCreated || first.Header().Get("Set-Cookie") == "" || d.ran.Load() != 1 {
				t.Fatalf("%d %v", first.Code, first.Header())
			}
			for range 3 {
				again := d.post("a", `"k"`, "pay 1")
				if again.Code != first.Code || !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) || d.ran.Load() != 1 {
					t.Fatalf("%d %q after %d runs", again.Code, again.Body, d.ran.Load())
				}
				for _, name := range []string{"Content-Type", "Location"} {
					if again.Header().Get(name) != first.Header().Get(name) {
						t.Errorf("%s: %q", name, again.Header().Get(name))
					}
				}
				if again.Header().Get("Set-Cookie") != "" {
					t.Error("a cookie of another exchange")
				}
				if a, b := again.Header().Get("X-Fapi-Interaction-Id"), first.Header().Get("X-Fapi-Interaction-Id"); a == b || a == "" {
					t.Errorf("interaction %q again", a)
				}
				if again.Header().Get("Dpop-Nonce") != "nonce 1" {
					t.Errorf("%q is not this exchange's nonce", again.Header().Get("Dpop-Nonce"))
				}
			}
		})
	}
}

func TestIdempotencyTellsRequestsApart(t *testing.T) {
	request := func(method, target, body string) *http.Request {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Client", "a")
		r.Header.Set("Idempotency-Key", `"k"`)
		return r
	}
	for what, other := range map[string]*http.Request{
		"pitfall-104, BR-idem, UK-idem-2: another body": request("POST", "/payments?a=1", "pay 2"),
		"another path":   request("POST", "/transfers?a=1", "pay 1"),
		"another query":  request("POST", "/payments?a=2", "pay 1"),
		"another method": request("PUT", "/payments?a=1", "pay 1"),
		"escaped path":   request("POST", "/p%61yments?a=1", "pay 1"),
	} {
		t.Run(what, func(t *testing.T) {
			d := newDesk(t)
			d.post("a", `"k"`, "pay 1")
			d.refused(d.send(other), http.StatusUnprocessableEntity, replay.ErrMismatch, 1)
		})
	}
	t.Run("another client", func(t *testing.T) {
		d := newDesk(t)
		d.post("a", `"k"`, "pay 1")
		if w := d.post("b", `"k"`, "pay 1"); w.Code != 201 || d.ran.Load() != 2 {
			t.Errorf("%d after %d runs", w.Code, d.ran.Load())
		}
	})
	t.Run("another key", func(t *testing.T) {
		d := newDesk(t)
		d.post("a", `"k"`, "pay 1")
		if w := d.post("a", `"l"`, "pay 1"); w.Code != 201 || d.ran.Load() != 2 {
			t.Errorf("%d after %d runs", w.Code, d.ran.Load())
		}
	})
}

func TestIdempotencyRunsOneOfMany(t *testing.T) {
	t.Run("pitfall-66, pitfall-104", func(t *testing.T) {
		d := newDesk(t)
		release := make(chan struct{})
		d.handle = func(w http.ResponseWriter, r *http.Request) { <-release; paid(w, r) }
		var created, conflict atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				switch w := d.post("a", `"k"`, "pay 1"); w.Code {
				case http.StatusCreated:
					created.Add(1)
				case http.StatusConflict:
					if conflict.Add(1) == 99 {
						close(release)
					}
					if w.Header().Get("Retry-After") == "" {
						t.Error("409 without Retry-After")
					}
				default:
					t.Errorf("%d", w.Code)
				}
			})
		}
		wg.Wait()
		if created.Load() != 1 || conflict.Load() != 99 || d.ran.Load() != 1 {
			t.Errorf("%d created, %d conflicts, %d runs", created.Load(), conflict.Load(), d.ran.Load())
		}
	})
}

func TestIdempotencyNeverRunsWhatMayHaveRun(t *testing.T) {
	for what, c := range map[string]struct {
		handle http.HandlerFunc
		first  int
	}{
		"a panic":          {func(http.ResponseWriter, *http.Request) { panic("core banking") }, 500},
		"a status of 500":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 500},
		"a timeout behind": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) }, 504},
		"a large failure": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(502)
			_, _ = w.Write(make([]byte, 1<<20))
		}, 502},
	} {
		t.Run("pitfall-105: "+what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				d.handle = c.handle
				if w := d.post("a", `"k"`, "pay 1"); w.Code != c.first {
					t.Fatalf("got %d", w.Code)
				}
				d.handle = paid
				d.refused(d.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrUnresolved, 1)
				time.Sleep(replay.DefaultLease + time.Second)
				d.refused(d.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrUnresolved, 1)
				d.refused(d.post("a", `"k"`, "pay 2"), http.StatusUnprocessableEntity, replay.ErrMismatch, 1)
				d.waive = true // report-only must not pay twice either
				d.refused(d.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrUnresolved, 1)
				if err := d.by.Release(t.Context(), "a", "k"); err != nil {
					t.Fatal(err)
				}
				if w := d.post("a", `"k"`, "pay 1"); w.Code != 201 || d.ran.Load() != 2 {
					t.Errorf("freed by an operator: %d", w.Code)
				}
				if err := d.by.Release(t.Context(), "a", "k"); !errors.Is(err, replay.ErrUnresolved) {
					t.Errorf("freed although it was answered: %v", err)
				}
			})
		})
	}
	t.Run("pitfall-105: the process dies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newRunMemory(t) // stands for one that outlives the process
			same := func(c *replay.IdempotencyConfig) { c.Store = store }
			dying, next := newDesk(t, same), newDesk(t, same)
			r := httptest.NewRequest("POST", "/payments?a=1", strings.NewReader("pay 1"))
			r.Header.Set("Client", "a")
			r.Header.Set("Idempotency-Key", `"k"`)
			a, err := dying.by.Begin(r)
			if err != nil || a.Answer != nil {
				t.Fatal(err)
			}
			next.refused(next.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrInFlight, 0)
			time.Sleep(replay.DefaultLease)
			next.refused(next.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrUnresolved, 0)
			time.Sleep(replay.DefaultTTL - replay.DefaultLease - time.Second)
			next.refused(next.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrUnresolved, 0)
		})
	})
}

func TestIdempotencyFreesWhatWasRefused(t *testing.T) {
	d := newDesk(t)
	for _, status := range []int{400, 403, 404, 409, 422, 429} {
		d.handle = func(w http.ResponseWriter, r *http.Request) {
			audit.Refused(w, r, &audit.Refusal{Reason: "test", Status: status})
		}
		if w := d.post("a", `"k"`, fmt.Sprint("pay ", status)); w.Code != status {
			t.Fatalf("got %d", w.Code)
		}
	}
	d.handle = func(w http.ResponseWriter, r *http.Request) {
		replay.NoEffect(r.Context())
		audit.Refused(w, r, &audit.Refusal{Reason: "core is down", Status: 503})
	}
	if w := d.post("a", `"k"`, "pay 1"); w.Code != 503 {
		t.Fatalf("got %d", w.Code)
	}
	d.handle = paid
	if w := d.post("a", `"k"`, "pay 2"); w.Code != 201 {
		t.Errorf("got %d", w.Code)
	}
	// Said of what took effect, it frees nothing.
	d.handle = func(w http.ResponseWriter, r *http.Request) { replay.NoEffect(r.Context()); paid(w, r) }
	before := d.ran.Load()
	d.post("a", `"l"`, "pay 1")
	if w := d.post("a", `"l"`, "pay 1"); w.Code != 201 || d.ran.Load() != before+1 {
		t.Errorf("%d after %d runs", w.Code, d.ran.Load()-before)
	}
	replay.NoEffect(t.Context()) // elsewhere it does nothing
}

func TestIdempotencyWhenTheStoreFails(t *testing.T) {
	down := errors.New("connection refused to 10.0.0.1")
	for what, c := range map[string]struct {
		store  faulty
		reason audit.Reason
	}{
		"OPS-fail-closed: down": {faulty{begin: down}, replay.ErrUnavailable},
		"full":                  {faulty{begin: replay.ErrFull}, replay.ErrFull},
		"no answer":             {faulty{answer: []byte("HTTP/1.1 200 OK")}, replay.ErrUnavailable},
		"an answer of 500":      {faulty{answer: []byte{1, 1, 1, 0xf4, 0}}, replay.ErrUnavailable},
		"an empty answer":       {faulty{answer: []byte{}}, replay.ErrUnavailable},
		"another field":         {faulty{answer: forged("Set-Cookie", "session=stolen")}, replay.ErrUnavailable},
		"a line break":          {faulty{answer: forged("Location", "/\r\nSet-Cookie: session=stolen")}, replay.ErrUnavailable},
	} {
		t.Run(what, func(t *testing.T) {
			d := newDesk(t, func(cfg *replay.IdempotencyConfig) { cfg.Store = &c.store })
			w := d.post("a", `"k"`, "pay 1")
			d.refused(w, http.StatusServiceUnavailable, c.reason, 0)
			if w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.0.0.1") {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		})
	}
	t.Run("pitfall-105: after the handler", func(t *testing.T) {
		store := &faulty{RunStore: newRunMemory(t), finish: down, forget: down}
		d := newDesk(t, func(cfg *replay.IdempotencyConfig) { cfg.Store = store })
		if w := d.post("a", `"k"`, "pay 1"); w.Code != 201 {
			t.Errorf("the client is not told what happened: %d", w.Code)
		}
		d.refused(d.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrInFlight, 1)
		d.handle = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }
		if w := d.post("a", `"l"`, "pay 1"); w.Code != 400 {
			t.Errorf("got %d", w.Code)
		}
		d.refused(d.post("a", `"l"`, "pay 1"), http.StatusConflict, replay.ErrInFlight, 2)
	})
}

// TestIdempotencyKeepsBeforeItAnswers holds that no client has an answer that is not kept.
