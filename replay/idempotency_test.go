package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	"github.com/tegata-go/tegata/replay/replaytest"
)

// desk is a handler behind Idempotency, and what is known of it.
type desk struct {
	t      testing.TB
	config replay.IdempotencyConfig
	h      http.Handler
	by     *replay.Idempotency
	ran    atomic.Int64
	handle http.HandlerFunc
	mu     sync.Mutex
	last   string // the reason of the last request's refusal
	waive  bool
}

// reasons is a slog.Handler that notes why a request was refused, or would have been.
type reasons struct {
	slog.Handler
	d *desk
}

func (h reasons) Enabled(context.Context, slog.Level) bool { return true }

func (h reasons) Handle(_ context.Context, r slog.Record) error {
	reason := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "reason" {
			reason = a.Value.String()
		}
		return true
	})
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.d.last = reason
	return nil
}

func newRunMemory(t testing.TB) *replay.RunMemory {
	m, err := replay.NewRunMemory(replay.RunMemoryConfig{Capacity: 10_000, Bytes: 16 << 20, DangerouslyForgetsAtRestart: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newDesk(t testing.TB, with ...func(*replay.IdempotencyConfig)) *desk {
	t.Helper()
	d := &desk{t: t, handle: paid}
	d.config = replay.IdempotencyConfig{
		Store:  newRunMemory(t),
		Client: func(r *http.Request) (string, error) { return r.Header.Get("Client"), nil },
	}
	for _, w := range with {
		w(&d.config)
	}
	by, err := replay.NewIdempotency(d.config)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.New(audit.Config{Handler: reasons{slog.DiscardHandler, d}, Waive: func(*http.Request, *audit.Refusal) bool { return d.waive }})
	if err != nil {
		t.Fatal(err)
	}
	d.by = by
	outer := func(next http.Handler) http.Handler { // what layers outside do: each answer has a nonce of its own
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Dpop-Nonce", fmt.Sprint("nonce ", d.ran.Load()))
			next.ServeHTTP(w, r)
		})
	}
	d.h = log.Wrap(outer(by.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.ran.Add(1)
		d.handle(w, r)
	}))))
	return d
}

// paid answers differently each time.
func paid(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/payments/"+time.Now().Format(time.RFC3339Nano))
	w.Header().Set("Set-Cookie", "session=secret")
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"body":%q,"at":%d}`+"\x00\xff", body, time.Now().UnixNano())
}

// post sends a payment with a key of client; an empty key is none.
func (d *desk) post(client, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/payments?a=1", strings.NewReader(body))
	r.Header.Set("Client", client)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return d.send(r)
}

func (d *desk) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return w
}

// refused fails unless w is that refusal and the handler has run so often.
func (d *desk) refused(w *httptest.ResponseRecorder, status int, reason audit.Reason, ran int64) {
	d.t.Helper()
	if w.Code != status || d.last != string(reason) || d.ran.Load() != ran ||
		w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
		d.t.Fatalf("got %d, %q after %d runs: %v %s; want %d, %q after %d", w.Code, d.last, d.ran.Load(), w.Header(), w.Body, status, reason, ran)
	}
}

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

func TestIdempotencyDemandsAKey(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		d := newDesk(t, func(c *replay.IdempotencyConfig) { c.Documentation = "https://bank.example/keys" })
		w := d.post("a", "", "pay 1")
		d.refused(w, http.StatusBadRequest, replay.ErrKeyMissing, 0)
		if w.Header().Get("Link") != `<https://bank.example/keys>; rel="describedby"; type="text/html"` {
			t.Errorf("Link: %q", w.Header().Get("Link"))
		}
	})
	t.Run("UK-idem-1: malformed", func(t *testing.T) {
		d := newDesk(t, func(c *replay.IdempotencyConfig) { c.Header, c.Plain, c.MaxKey = "x-idempotency-key", true, 40 })
		post := func(key string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "/payments", strings.NewReader("pay 1"))
			r.Header.Set("Client", "a")
			r.Header.Set("X-Idempotency-Key", key)
			return d.send(r)
		}
		w := post(strings.Repeat("k", 41))
		d.refused(w, http.StatusBadRequest, replay.ErrKey, 0)
		if strings.Contains(w.Body.String(), "kkk") {
			t.Error("the key is in the answer")
		}
		if w := post(strings.Repeat("k", 40)); w.Code != 201 {
			t.Errorf("40 characters: %d", w.Code)
		}
	})
	t.Run("optional", func(t *testing.T) {
		d := newDesk(t, func(c *replay.IdempotencyConfig) { c.Optional = true })
		for range 2 {
			if w := d.post("a", "", "pay 1"); w.Code != 201 {
				t.Errorf("got %d", w.Code)
			}
		}
		d.refused(d.post("a", "k", "pay 1"), http.StatusBadRequest, replay.ErrKey, 2)
	})
	t.Run("safe methods", func(t *testing.T) {
		d := newDesk(t)
		for range 2 {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE"} {
				d.send(httptest.NewRequest(method, "/payments", nil))
			}
		}
		if d.ran.Load() != 8 {
			t.Errorf("%d runs", d.ran.Load())
		}
		d.refused(d.send(httptest.NewRequest("BREW", "/payments", nil)), http.StatusBadRequest, replay.ErrKeyMissing, 8)
	})
	t.Run("no client", func(t *testing.T) {
		d := newDesk(t)
		d.refused(d.post("", `"k"`, "pay 1"), http.StatusInternalServerError, replay.ErrClient, 0)
		d = newDesk(t, func(c *replay.IdempotencyConfig) {
			c.Client = func(*http.Request) (string, error) {
				return "", &audit.Refusal{Reason: "theirs", Status: http.StatusTeapot}
			}
		})
		d.refused(d.post("a", `"k"`, "pay 1"), http.StatusTeapot, "theirs", 0)
	})
	t.Run("report-only", func(t *testing.T) {
		d := newDesk(t)
		d.waive = true
		if w := d.post("a", "", "pay 1"); w.Code != 201 || !strings.Contains(w.Body.String(), `"body":"pay 1"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		d.post("a", `"k"`, "pay 1")
		if w := d.post("a", `"k"`, "pay 2"); w.Code != 201 || !strings.Contains(w.Body.String(), `"body":"pay 2"`) || d.last != string(replay.ErrMismatch) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func TestIdempotencyBoundsBodies(t *testing.T) {
	d := newDesk(t, func(c *replay.IdempotencyConfig) { c.MaxBody = 10 })
	d.refused(d.post("a", `"k"`, "12345678901"), http.StatusRequestEntityTooLarge, replay.ErrTooLarge, 0)
	for name, body := range map[string]io.Reader{
		"without a length": struct{ io.Reader }{strings.NewReader("12345678901")},
		"broken":           struct{ io.Reader }{io.MultiReader(strings.NewReader("123"), broken{})},
	} {
		r := httptest.NewRequest("POST", "/payments", body)
		r.Header.Set("Client", "a")
		r.Header.Set("Idempotency-Key", `"k"`)
		if name == "broken" {
			d.refused(d.send(r), http.StatusBadRequest, replay.ErrBody, 0)
			continue
		}
		d.refused(d.send(r), http.StatusRequestEntityTooLarge, replay.ErrTooLarge, 0)
		d.waive = true // the handler gets the whole body, as it was sent
		r = httptest.NewRequest("POST", "/payments", struct{ io.Reader }{strings.NewReader("12345678901")})
		r.Header.Set("Client", "a")
		r.Header.Set("Idempotency-Key", `"k"`)
		if w := d.send(r); !strings.Contains(w.Body.String(), `"body":"12345678901"`) {
			t.Errorf("%s", w.Body)
		}
		d.waive = false
		d.ran.Store(0)
	}
	if w := d.post("a", `"k"`, "1234567890"); w.Code != 201 {
		t.Errorf("got %d", w.Code)
	}
	if w := d.post("a", `"empty"`, ""); w.Code != 201 {
		t.Errorf("got %d", w.Code)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }

func TestIdempotencyBoundsAnswers(t *testing.T) {
	for what, handle := range map[string]http.HandlerFunc{
		"in one piece": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 5000)) },
		"in many": func(w http.ResponseWriter, _ *http.Request) {
			for range 500 {
				_, _ = w.Write(make([]byte, 10))
			}
		},
		"by a field": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/"+strings.Repeat("a", 4000))
			_, _ = w.Write(make([]byte, 5000-4001))
		},
	} {
		t.Run("pitfall-105: "+what, func(t *testing.T) {
			d := newDesk(t, func(c *replay.IdempotencyConfig) { c.MaxAnswer = 4096 })
			d.handle = handle
			w := d.post("a", `"k"`, "pay 1")
			if size := w.Body.Len() + len(w.Header().Get("Location")); w.Code != 200 || size != 5000 {
				t.Fatalf("%d with %d bytes", w.Code, size)
			}
			d.refused(d.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrNotKept, 1)
			if err := d.by.Release(t.Context(), "a", "k"); !errors.Is(err, replay.ErrUnresolved) {
				t.Errorf("freed although it ran: %v", err)
			}
		})
	}
}

// faulty is a store that fails where it is told to.
type faulty struct {
	replay.RunStore
	begin, finish, forget error
	answer                []byte
}

func (f *faulty) Begin(ctx context.Context, r replay.Run) ([]byte, error) {
	if f.begin != nil || f.answer != nil {
		return f.answer, f.begin
	}
	return f.RunStore.Begin(ctx, r)
}

func (f *faulty) Finish(ctx context.Context, r replay.Run, answer []byte) error {
	if f.finish != nil {
		return f.finish
	}
	return f.RunStore.Finish(ctx, r, answer)
}

func (f *faulty) Forget(ctx context.Context, r replay.Run) error {
	if f.forget != nil {
		return f.forget
	}
	return f.RunStore.Forget(ctx, r)
}

// forged is what somebody who can write to the store may put there.
func forged(name, value string) []byte {
	return replay.MarshalAnswer(&replay.Answer{Status: 201, Header: http.Header{name: {value}}}, map[string]bool{name: true})
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
func TestIdempotencyKeepsBeforeItAnswers(t *testing.T) {
	var order []string
	store := &faulty{RunStore: newRunMemory(t)}
	d := newDesk(t, func(c *replay.IdempotencyConfig) {
		c.Store = spyStore{store, func(call string) { order = append(order, call) }}
	})
	w := spyWriter{httptest.NewRecorder(), func() { order = append(order, "header") }}
	r := httptest.NewRequest("POST", "/payments", strings.NewReader("pay 1"))
	r.Header.Set("Client", "a")
	r.Header.Set("Idempotency-Key", `"k"`)
	d.h.ServeHTTP(w, r)
	if got := strings.Join(order, " "); got != "begin finish header" {
		t.Errorf("got %s", got)
	}
}

type spyStore struct {
	replay.RunStore
	call func(string)
}

func (s spyStore) Begin(ctx context.Context, r replay.Run) ([]byte, error) {
	s.call("begin")
	return s.RunStore.Begin(ctx, r)
}

func (s spyStore) Finish(ctx context.Context, r replay.Run, answer []byte) error {
	s.call("finish")
	return s.RunStore.Finish(ctx, r, answer)
}

type spyWriter struct {
	http.ResponseWriter
	header func()
}

func (w spyWriter) WriteHeader(status int) { w.header(); w.ResponseWriter.WriteHeader(status) }

func TestIdempotencyWriter(t *testing.T) {
	d := newDesk(t)
	var kept http.ResponseWriter
	d.handle = func(w http.ResponseWriter, _ *http.Request) {
		kept = w
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "a")
		_, _ = io.WriteString(w, "b")
		if _, ok := w.(http.Hijacker); ok {
			t.Error("it can be hijacked")
		}
		if err := http.NewResponseController(w).Flush(); err == nil {
			t.Error("it can be flushed")
		}
	}
	for range 2 {
		if w := d.post("a", `"k"`, "pay 1"); w.Code != 202 || w.Body.String() != "ab" || w.Header().Get("Content-Type") != "text/plain" {
			t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
		}
	}
	if _, err := kept.Write([]byte("late")); err == nil {
		t.Error("a late write is taken")
	}
	d.handle = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
			t.Errorf("got %v", err)
		}
	}
	for range 2 {
		if w := d.post("a", `"none"`, ""); w.Code != 204 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	d.handle = func(http.ResponseWriter, *http.Request) {}
	for range 2 {
		if w := d.post("a", `"silent"`, ""); w.Code != 200 || w.Body.Len() != 0 {
			t.Errorf("%d", w.Code)
		}
	}
}

func TestIdempotencyConfigTellsEveryMistake(t *testing.T) {
	i, err := replay.NewIdempotency(replay.IdempotencyConfig{
		Header: "a b", MaxKey: -1, MaxBody: -1, MaxAnswer: -1, Lease: -1, TTL: -2, Keep: []string{"set-cookie", "a:b"}, Documentation: "http://bank.example",
	})
	if i != nil || err == nil {
		t.Fatal("accepted")
	}
	for _, word := range []string{"Store", "Client", "Header", "MaxKey", "MaxBody", "MaxAnswer", "Lease", "TTL", "Keep[0]", "Keep[1]", "Documentation"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v: no word of %s", err, word)
		}
	}
	m, err := replay.NewRunMemory(replay.RunMemoryConfig{PerOwner: -1})
	if m != nil || err == nil {
		t.Fatal("accepted")
	}
	for _, word := range []string{"Capacity", "Bytes", "PerOwner", "DangerouslyForgetsAtRestart"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v: no word of %s", err, word)
		}
	}
}

func TestRunMemoryKeepsTheRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := replaytest.TestRunStore(func() replay.RunStore { return newRunMemory(t) }); err != nil {
			t.Error(err)
		}
	})
}

func TestRunMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := replay.NewRunMemory(replay.RunMemoryConfig{Capacity: 16, Bytes: 1000, DangerouslyForgetsAtRestart: true})
		if err != nil {
			t.Fatal(err)
		}
		run := func(owner, n int) replay.Run {
			return replay.Run{Key: key(n), Fingerprint: key(n), Owner: key(owner), ID: [16]byte{1}, Lease: time.Minute, TTL: time.Hour}
		}
		begin := func(owner, n int, reason error) {
			t.Helper()
			if answer, err := m.Begin(t.Context(), run(owner, n)); answer != nil || !errors.Is(err, reason) {
				t.Fatalf("%d: %v", n, err)
			}
		}
		begin(1, 0, nil)
		begin(1, 1, nil)
		begin(1, 2, replay.ErrFull) // pitfall-67: an eighth is one owner's
		for n := 2; n < 16; n++ {
			begin(n, n, nil)
		}
		begin(99, 16, replay.ErrFull)
		begin(1, 0, replay.ErrInFlight) // a full store still knows
		if err := m.Finish(t.Context(), run(1, 0), make([]byte, 900)); err != nil {
			t.Fatal(err)
		}
		if err := m.Finish(t.Context(), run(1, 1), make([]byte, 101)); !errors.Is(err, replay.ErrFull) {
			t.Errorf("got %v", err)
		}
		begin(1, 1, replay.ErrUnresolved)
		time.Sleep(time.Hour)
		begin(1, 1, nil)
		if err := m.Finish(t.Context(), run(1, 1), make([]byte, 1000)); err != nil {
			t.Errorf("the room of what is over: %v", err)
		}
	})
}

func TestUseID(t *testing.T) {
	t.Run("BR-6.1-9", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newMemory(t, 1000)
			check := func(what string, id replay.ID, status int, reason audit.Reason) {
				t.Helper()
				err := replay.UseID(t.Context(), store, id)
				if status == 0 {
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
					return
				}
				var f *audit.Refusal
				if !errors.As(err, &f) || f.Status != status || f.Reason != reason {
					t.Errorf("%s: %+v", what, err)
				}
			}
			time.Sleep(time.Minute)
			id := replay.ID{Kind: "payment jws", Client: "a", Value: "jti", Made: time.Now()}
			other, another := id, id
			other.Client, another.Kind = "b", "request"
			check("first", id, 0, "")
			check("again", id, http.StatusForbidden, replay.ErrUsed)
			check("another client's", other, 0, "")
			check("another kind", another, 0, "")
			time.Sleep(replay.UniquePeriod - time.Second)
			check("within a day", id, http.StatusForbidden, replay.ErrUsed)
			time.Sleep(2 * time.Second)
			id.Made = time.Now()
			check("after a day", id, 0, "")
			old, nobody, empty, long := id, id, id, id
			old.Value, old.Made = "old", time.Now().Add(-48*time.Hour)
			nobody.Client, empty.Value, long.Value = "", "", strings.Repeat("i", 257)
			check("before the start", old, http.StatusForbidden, replay.ErrTooOld)
			check("nobody's", nobody, http.StatusInternalServerError, replay.ErrClient)
			check("empty", empty, http.StatusBadRequest, replay.ErrKey)
			check("long", long, http.StatusBadRequest, replay.ErrKey)
			ahead := id
			ahead.Value, ahead.Made = "ahead", time.Now().Add(48*time.Hour)
			check("by a clock ahead", ahead, 0, "")
			for _, reason := range []error{replay.ErrFull, replay.ErrUnavailable, errors.New("down")} {
				err := replay.UseID(t.Context(), replay.StoreFunc(func(context.Context, replay.Use) error { return reason }), id)
				var f *audit.Refusal
				if !errors.As(err, &f) || f.Status != http.StatusServiceUnavailable {
					t.Errorf("%v: %v", reason, err)
				}
			}
		})
	})
}
