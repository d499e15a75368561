package audit_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
)

func TestPanic(t *testing.T) {
	type vault struct{ secret string }
	for _, c := range []struct {
		name  string
		value any
		cause string
	}{
		{"string", "eyJSECRET", "string"},
		{"error", errors.New("eyJSECRET"), "*errors.errorString"},
		{"struct", vault{"eyJSECRET"}, "audit_test.vault"},
		{"nil", nil, "*runtime.PanicNilError"},
		{"uncomparable", []string{"eyJSECRET"}, "[]string"},
		{"wrapped abort", fmt.Errorf("SECRET %w", http.ErrAbortHandler), "*fmt.wrapError"},
	} {
		t.Run("OPS-panic/"+c.name, func(t *testing.T) {
			s, over := &spy{}, make(outcomes, 1)
			late := false
			h := trail(t, s, over.into).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Set-Cookie", "SECRET")
				if late {
					_, _ = io.WriteString(w, "half")
					_ = http.NewResponseController(w).Flush()
				}
				panic(c.value)
			}))
			overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
				late = false
				a := do(t, client, "GET", url)
				a.isProblem(t, 500)
				l, d := s.one(t), <-over
				l.has(t, line{"decision": "deny", "reason": string(audit.ErrPanic), "cause": c.cause, "status": int64(500)})
				if !d.Panicked || d.Status != 500 || d.Late != "" || !strings.Contains(string(d.Stack), "TestPanic") {
					t.Errorf("Done: %+v", d)
				}
				if text := fmt.Sprint(l, a.Header, a.body, string(d.Stack)); strings.Contains(text, "SECRET") {
					t.Errorf("secret in %s", text)
				}

				late = true
				a = do(t, client, "GET", url)
				if a.err == nil {
					t.Errorf("a cut answer looks whole: %d %q", a.StatusCode, a.body)
				}
				d = <-over
				s.one(t).has(t, line{"decision": "allow", "status": int64(200)})
				if !d.Panicked || d.Late != audit.ErrPanic || d.Status != 200 {
					t.Errorf("Done: %+v", d)
				}
			})
		})
	}
}

func TestPanicValueTravelsNoFurther(t *testing.T) {
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("the server gets %v", p)
		}
	}()
	trail(t, &spy{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		panic("SECRET")
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	t.Error("no panic")
}

func TestAbort(t *testing.T) {
	s, over := &spy{}, make(outcomes, 1)
	late := false
	h := trail(t, s, over.into).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if late {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}))
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		late = false
		if a := do(t, client, "POST", url); a.err == nil {
			t.Errorf("answered %d", a.StatusCode)
		}
		s.one(t).has(t, line{"decision": "allow", "status": nil, "aborted": true})
		if d := <-over; d.Status != 0 || d.Panicked || !d.Recorded || d.Stack != nil {
			t.Errorf("Done: %+v", d)
		}
		late = true
		if a := do(t, client, "POST", url); a.err == nil {
			t.Errorf("whole: %d", a.StatusCode)
		}
		s.one(t).has(t, line{"decision": "allow", "status": int64(200), "aborted": nil})
		if d := <-over; d.Status != 200 || d.Late != "" {
			t.Errorf("Done: %+v", d)
		}
	})
}

func TestPanicsOfHooksAreContained(t *testing.T) {
	s := &spy{}
	h := trail(t, s, func(c *audit.Config) {
		c.Done = hookDone
		c.Step = hookStep
	}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		audit.Step(r.Context(), "x", now(), "")
		w.WriteHeader(204)
	}))
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		if a := do(t, client, "GET", url); a.err != nil || a.StatusCode != 204 {
			t.Errorf("%+v", a)
		}
		s.one(t)
	})
}

func TestPanicWhileTheSinkIsDown(t *testing.T) {
	s := &spy{fail: func(int) error { return errDown }}
	h := anew(t, s, func(http.ResponseWriter, *http.Request) { panic("x") })
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		do(t, client, "GET", url).isProblem(t, 503)
	})
}

func TestInvalidStatusIsAPanicBeforeTheRecord(t *testing.T) {
	s := &spy{}
	for _, status := range []int{0, 99, 1000, -1} {
		overBoth(t, trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		})), func(t *testing.T, client *http.Client, url string) {
			do(t, client, "GET", url).isProblem(t, 500)
			s.one(t).has(t, line{"status": int64(500), "reason": string(audit.ErrPanic)})
		})
	}
}
