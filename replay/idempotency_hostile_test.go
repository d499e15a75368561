package replay_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// payment is a request of client a with key k.
func payment(ctx context.Context, body io.Reader) *http.Request {
	r := httptest.NewRequestWithContext(ctx, "POST", "/payments?a=1", body)
	r.Header.Set("Client", "a")
	r.Header.Set("Idempotency-Key", `"k"`)
	return r
}

// TestIdempotencyOutlivesLease holds that a handler which takes longer than its lease runs once, and is
// answered for when it is done.
func TestIdempotencyOutlivesLease(t *testing.T) {
	t.Run("pitfall-105", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			d.handle = func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(3 * replay.DefaultLease)
				paid(w, r)
			}
			var first *httptest.ResponseRecorder
			go func() { first = d.post("a", `"k"`, "pay 1") }()
			time.Sleep(replay.DefaultLease - time.Second)
			d.refused(d.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrInFlight, 1)
			d.refused(d.post("a", `"k"`, "pay 2"), http.StatusUnprocessableEntity, replay.ErrMismatch, 1)
			time.Sleep(replay.DefaultLease)
			d.refused(d.post("a", `"k"`, "pay 1"), http.StatusConflict, replay.ErrUnresolved, 1)
			time.Sleep(2 * replay.DefaultLease)
			synctest.Wait()
			if again := d.post("a", `"k"`, "pay 1"); again.Code != 201 || again.Body.String() != first.Body.String() || d.ran.Load() != 1 {
				t.Errorf("%d %s after %d runs", again.Code, again.Body, d.ran.Load())
			}
		})
	})
}

// TestIdempotencyReleasedWhileItRuns: an operator was wrong, and freed what still ran. It ran twice, by the
// operator's word, but each is answered with its own answer, and what is kept stays the same.
func TestIdempotencyReleasedWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.handle = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(2 * replay.DefaultLease)
			paid(w, r)
		}
		var slow, quick *httptest.ResponseRecorder
		go func() { slow = d.post("a", `"k"`, "pay 1") }()
		time.Sleep(replay.DefaultLease + time.Second)
		if err := d.by.Release(t.Context(), "a", "k"); err != nil {
			t.Fatal(err)
		}
		go func() { quick = d.post("a", `"k"`, "pay 1") }()
		time.Sleep(3 * replay.DefaultLease)
		synctest.Wait()
		if slow.Code != 201 || quick.Code != 201 || slow.Body.String() == quick.Body.String() {
			t.Fatalf("%d %s, %d %s", slow.Code, slow.Body, quick.Code, quick.Body)
		}
		for range 2 {
			if again := d.post("a", `"k"`, "pay 1"); again.Body.String() != quick.Body.String() {
				t.Errorf("kept is %s", again.Body)
			}
		}
	})
}

// hasty gives up with the request.
type hasty struct{ replay.RunStore }

func (s hasty) Finish(ctx context.Context, r replay.Run, answer []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.RunStore.Finish(ctx, r, answer)
}

// TestIdempotencyWithoutTheClient: who asked is gone, the payment is made and its answer kept.
func TestIdempotencyWithoutTheClient(t *testing.T) {
	t.Run("R15, pitfall-105", func(t *testing.T) {
		d := newDesk(t, func(c *replay.IdempotencyConfig) { c.Store = hasty{newRunMemory(t)} })
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		var answer string
		d.handle = func(w http.ResponseWriter, r *http.Request) {
			leave()
			if r.Context().Err() == nil {
				t.Error("the handler is not told")
			}
			answer = "made"
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, answer)
		}
		_ = d.send(payment(ctx, strings.NewReader("pay 1")))
		if again := d.post("a", `"k"`, "pay 1"); again.Code != 201 || again.Body.String() != answer || d.ran.Load() != 1 {
			t.Errorf("%d %q after %d runs", again.Code, again.Body, d.ran.Load())
		}
	})
	t.Run("before all was sent", func(t *testing.T) {
		d := newDesk(t)
		d.refused(d.send(payment(t.Context(), io.MultiReader(strings.NewReader("pay"), broken{}))), http.StatusBadRequest, replay.ErrBody, 0)
		if w := d.post("a", `"k"`, "pay 1"); w.Code != 201 || d.ran.Load() != 1 {
			t.Errorf("the key is not free: %d", w.Code)
		}
	})
}

// endless is a body without an end that is read no further than it must be.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	if e.read > 1<<20 {
		return 0, errors.New("read on")
	}
	return len(p), nil
}

func TestIdempotencyEndlessBody(t *testing.T) {
	d := newDesk(t)
	body := new(endless)
	r := payment(t.Context(), body)
	r.ContentLength = -1 // chunked
	d.refused(d.send(r), http.StatusRequestEntityTooLarge, replay.ErrTooLarge, 0)
	if body.read > 4*replay.DefaultMaxBody {
		t.Errorf("%d bytes were read", body.read)
	}
	if w := d.post("a", `"k"`, "pay 1"); w.Code != 201 {
		t.Errorf("the key is not free: %d", w.Code)
	}
}

// TestIdempotencyOnTheWire looks at what a client sees of early hints and trailers, the first time and again.
func TestIdempotencyOnTheWire(t *testing.T) {
	d := newDesk(t)
	d.handle = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "Checksum")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made")
		w.Header().Set("Checksum", "1")
		w.Header().Set(http.TrailerPrefix+"Other", "1")
	}
	server := httptest.NewServer(d.h)
	defer server.Close()
	for n, wantHints := range []int{1, 0} {
		hints := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil },
		})
		r, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/payments", strings.NewReader("pay 1"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Client": {"a"}, "Idempotency-Key": {`"k"`}}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != 201 || string(body) != "made" || len(resp.Trailer) > 0 || hints != wantHints || resp.Header.Get("Link") == "" {
			t.Errorf("answer %d: %d %q, trailers %v, %d hints, %v, %v", n, resp.StatusCode, body, resp.Trailer, hints, resp.Header, err)
		}
	}
	if d.ran.Load() != 1 {
		t.Errorf("%d runs", d.ran.Load())
	}
}
