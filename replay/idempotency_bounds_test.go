package replay_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/replaytest"
)

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

// forged is what somebody who can write to the store may put there.

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
		begin(1, 2, replay.ErrQuota) // pitfall-67: an eighth is one owner's
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
