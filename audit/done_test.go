package audit_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
)

func hookDone(context.Context, audit.Done) { panic("x") }

func hookStep(context.Context, string, time.Duration, audit.Reason) { panic("x") }

func TestDoneAndStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, over := &spy{}, make(outcomes, 1)
		type step struct {
			control string
			took    time.Duration
			reason  audit.Reason
			id      string
		}
		var steps []step
		h := trail(t, s, over.into, func(c *audit.Config) {
			c.Step = func(ctx context.Context, control string, took time.Duration, reason audit.Reason) {
				steps = append(steps, step{control, took, reason, audit.InteractionID(ctx)})
			}
		}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			time.Sleep(3 * time.Millisecond)
			audit.Step(r.Context(), "token", began, refused)
			audit.Step(r.Context(), "limit", time.Time{}, "")
			time.Sleep(4 * time.Millisecond)
			w.WriteHeader(201)
			time.Sleep(5 * time.Millisecond)
			_, _ = io.WriteString(w, "hello")
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Fapi-Interaction-Id", anID)
		h.ServeHTTP(httptest.NewRecorder(), r)
		s.one(t).has(t, line{"latency_us": int64(7000), "status": int64(201)})
		if d := <-over; d.Took != 12*time.Millisecond || d.Status != 201 || d.Bytes != 5 || d.Decision != "allow" || !d.Recorded || d.Failure != nil || d.Panicked || d.Late != "" {
			t.Errorf("Done: %+v", d)
		}
		want := []step{{"token", 3 * time.Millisecond, refused, anID}, {"limit", 0, "", anID}}
		if len(steps) != 2 || steps[0] != want[0] || steps[1] != want[1] {
			t.Errorf("steps %+v, want %+v", steps, want)
		}
	})
}

func TestSecondWrapPassesThrough(t *testing.T) {
	s, over := &spy{}, make(outcomes, 2)
	l := trail(t, s, over.into)
	second := &spy{}
	w := httptest.NewRecorder()
	l.Wrap(trail(t, second).Wrap(l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
	})))).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	s.one(t)
	if len(over) != 1 || second.tried != 0 || w.Code != 204 {
		t.Errorf("Done %d times, second log %d records", len(over), second.tried)
	}
}

// adapter is what a framework without http.Handler does.
func adapter(l *audit.Log, r *http.Request, door error, status int) (int, http.Header, string) {
	r, finish := l.Start(r)
	defer func() { _ = finish(500) }()
	f := audit.Decide(r, nil)
	if f == nil {
		f = audit.Decide(r, door)
	}
	header, body := http.Header{}, []byte("hello")
	if f != nil {
		status, header, body = audit.Answer(r, f)
	}
	if err := finish(status); err != nil {
		status, header, body = audit.Answer(r, audit.Decide(r, err))
	}
	return status, header, string(body)
}

func TestStart(t *testing.T) {
	down := false
	s := &spy{fail: func(int) error {
		if down {
			return errDown
		}
		return nil
	}}
	over := make(outcomes, 1)
	l := trail(t, s, over.into)
	r := func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Fapi-Interaction-Id", anID)
		return r
	}
	status, _, body := adapter(l, r(), nil, 201)
	if status != 201 || body != "hello" || (<-over).Status != 201 {
		t.Errorf("%d %s", status, body)
	}
	s.one(t).has(t, line{"decision": "allow", "status": int64(201), "interaction_id": anID})

	status, header, body := adapter(l, r(), refusal(401), 201)
	if status != 401 || header.Get("Www-Authenticate") == "" || header.Get("X-Fapi-Interaction-Id") != anID || (<-over).Decision != "deny" {
		t.Errorf("%d %v %s", status, header, body)
	}
	s.one(t).has(t, line{"decision": "deny", "status": int64(401), "reason": string(refused)})

	down = true
	for range 2 {
		status, header, _ = adapter(l, r(), nil, 201)
		if d := <-over; status != 503 || header.Get("Retry-After") == "" || d.Status != 503 || d.Recorded || !errors.Is(d.Failure, errDown) {
			t.Errorf("%d %v %+v", status, header, d)
		}
	}
	down = false
	if status, _, _ = adapter(l, r(), nil, 201); status != 503 {
		t.Errorf("the probe: %d", status)
	}
	<-over
	s.one(t).has(t, line{"decision": "deny", "status": int64(503), "reason": string(audit.ErrSink)})
	if status, _, _ = adapter(l, r(), nil, 201); status != 201 {
		t.Errorf("after the probe: %d", status)
	}
	<-over
	s.one(t)

	// inside a Wrap there is one record, and it is Wrap's
	w := httptest.NewRecorder()
	l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, _, _ := adapter(l, r, nil, 202)
		w.WriteHeader(status)
	})).ServeHTTP(w, r())
	<-over
	s.one(t).has(t, line{"status": int64(202)})
}

func TestStartOfAnAdapterThatPanics(t *testing.T) {
	s := &spy{}
	func() {
		defer func() { _ = recover() }()
		_, finish := trail(t, s).Start(httptest.NewRequest("GET", "/", nil))
		defer func() { _ = finish(500) }()
		panic("x")
	}()
	s.one(t).has(t, line{"status": int64(500)})
}
