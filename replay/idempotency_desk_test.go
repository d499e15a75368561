package replay_test

import (
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
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
)

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

func paid(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/payments/"+time.Now().Format(time.RFC3339Nano))
	w.Header().Set("Set-Cookie", "session=secret")
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"body":%q,"at":%d}`+"\x00\xff", body, time.Now().UnixNano())
}

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

func (d *desk) refused(w *httptest.ResponseRecorder, status int, reason audit.Reason, ran int64) {
	d.t.Helper()
	d.mu.Lock()
	last := d.last
	d.mu.Unlock()
	if w.Code != status || last != string(reason) || d.ran.Load() != ran ||
		w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
		d.t.Fatalf("got %d, %q after %d runs: %v %s; want %d, %q after %d", w.Code, last, d.ran.Load(), w.Header(), w.Body, status, reason, ran)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }

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

func forged(name, value string) []byte {
	return replay.MarshalAnswer(&replay.Answer{Status: 201, Header: http.Header{name: {value}}}, map[string]bool{name: true})
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
