package replay_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/replay"
)

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
