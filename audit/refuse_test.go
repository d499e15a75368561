package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tegata-go/tegata/audit"
)

func TestRefusedOverRealServers(t *testing.T) {
	s := &spy{}
	var ran atomic.Int64
	doors := map[string]error{
		"401":     refusal(401),
		"403":     refusal(403),
		"404":     refusal(404),
		"429":     &audit.Refusal{Reason: refused, Status: 429, Header: http.Header{"Retry-After": {"7"}}},
		"503":     refusal(503),
		"wrapped": fmt.Errorf("outer eyJSECRET: %w", refusal(403)),
		"foreign": errors.New("token eyJSECRET is bad"),
		"status":  refusal(200),
		"zero":    &audit.Refusal{},
		"pass":    nil,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{door}", func(w http.ResponseWriter, r *http.Request) {
		if audit.Refused(w, r, doors[r.PathValue("door")]) {
			return
		}
		ran.Add(1)
		_, _ = io.WriteString(w, "hello")
	})
	for _, c := range []struct {
		door   string
		status int
		reason any
	}{
		{"401", 401, string(refused)}, {"403", 403, string(refused)}, {"404", 404, string(refused)},
		{"429", 429, string(refused)}, {"503", 503, string(refused)}, {"wrapped", 403, string(refused)},
		{"foreign", 500, "audit: internal error"}, {"status", 500, string(refused)}, {"zero", 500, nil},
	} {
		t.Run("A1,A5,OPS-audit-1,FAPI1-BASE-6.2.1-9,RFC9110-15.5.2/"+c.door, func(t *testing.T) {
			overBoth(t, trail(t, s).Wrap(mux), func(t *testing.T, client *http.Client, url string) {
				for _, method := range []string{"GET", "HEAD", "POST"} {
					a := do(t, client, method, url+"/"+c.door+"?access_token=eyJSECRET")
					a.isProblem(t, c.status)
					l := s.one(t)
					l.has(t, line{"decision": "deny", "reason": c.reason, "status": int64(c.status), "method": method,
						"route": "/{door}", "interaction_id": a.Header.Get("X-Fapi-Interaction-Id"), "schema": int64(1), "msg": "request"})
					tellsNothing(t, a, l, c.door)
					isWhole(t, a, c.status, method)
				}
			})
		})
	}
	if ran.Load() != 0 {
		t.Errorf("the handler ran %d times", ran.Load())
	}
	overBoth(t, trail(t, s).Wrap(mux), func(t *testing.T, client *http.Client, url string) {
		a := do(t, client, "GET", url+"/pass")
		if a.body != "hello" || a.StatusCode != 200 || a.Header.Get("Www-Authenticate") != "" {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
		s.one(t).has(t, line{"decision": "allow", "reason": nil, "waived": nil, "status": int64(200)})
	})
}

// tellsNothing demands that neither the answer nor the record quotes the request.
func tellsNothing(t *testing.T, a answer, l line, path string) {
	t.Helper()
	if text := fmt.Sprint(l, a.body, a.Header); strings.Contains(text, "SECRET") || strings.Contains(text, "/"+path) {
		t.Errorf("input leaked: %s", text)
	}
}

// isWhole demands the body of a problem, and what its status brings with it.
func isWhole(t *testing.T, a answer, status int, method string) {
	t.Helper()
	if (status == 503) != (a.Header.Get("Retry-After") == "5") || status == 429 && a.Header.Get("Retry-After") != "7" {
		t.Errorf("Retry-After %q", a.Header.Values("Retry-After"))
	}
	if method == "HEAD" {
		if a.body != "" {
			t.Errorf("HEAD has the body %q", a.body)
		}
		return
	}
	var p struct {
		Title  string
		Status int
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != status || p.Title != http.StatusText(status) {
		t.Errorf("body %s: %v", a.body, err)
	}
}

func TestCacheControl(t *testing.T) {
	s := &spy{}
	mux := http.NewServeMux()
	mux.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/own", func(w http.ResponseWriter, _ *http.Request) { w.Header().Add("Cache-Control", "private, max-age=60") })
	mux.HandleFunc("/refused", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		audit.Refused(w, r, refusal(403))
	})
	overBoth(t, trail(t, s).Wrap(mux), func(t *testing.T, client *http.Client, url string) {
		for path, want := range map[string]string{"/silent": "no-store", "/own": "private, max-age=60", "/refused": "no-store", "/none": "no-store"} {
			t.Run("RFC9110-2xx-cache"+path, func(t *testing.T) {
				if got := do(t, client, "GET", url+path).Header.Values("Cache-Control"); len(got) != 1 || got[0] != want {
					t.Errorf("Cache-Control %q, want %q", got, want)
				}
			})
		}
	})
}

// waiver lets everything pass and counts how often it was asked.
func waiver(asked *atomic.Int64) func(*audit.Config) {
	return func(c *audit.Config) {
		c.Waive = func(*http.Request, *audit.Refusal) bool { asked.Add(1); return true }
	}
}

func TestReportOnly(t *testing.T) {
	twice, foreign := refusal(401), errors.New("x")
	final := &audit.Refusal{Reason: other, Status: 500, Final: true}
	for _, c := range []struct {
		name   string
		errs   []error
		status int
		asked  int64
		want   line
	}{
		{"one", []error{refusal(401)}, 200, 1, line{"decision": "would_deny", "reason": string(refused), "waived": string(refused)}},
		{"the same error again", []error{twice, twice, fmt.Errorf("again: %w", twice)}, 200, 1, line{"decision": "would_deny", "waived": string(refused)}},
		{"the same foreign error again", []error{foreign, foreign}, 200, 1, line{"decision": "would_deny", "waived": "audit: internal error"}},
		{"the same reason again", []error{refusal(401), refusal(403)}, 200, 2, line{"decision": "would_deny", "waived": string(refused)}},
		{"two", []error{refusal(401), &audit.Refusal{Reason: other, Status: 403, Client: "c1"}}, 200, 2,
			line{"decision": "would_deny", "reason": string(refused), "waived": "test: refused|test: other", "client": "c1"}},
		{"a final one", []error{final}, 500, 0, line{"decision": "deny", "reason": string(other), "waived": nil}},
		{"a final one after", []error{refusal(401), final}, 500, 1, line{"decision": "deny", "reason": string(other), "waived": string(refused)}},
		{"none", nil, 200, 0, line{"decision": "allow", "reason": nil, "waived": nil}},
	} {
		t.Run("H1,pitfall-111/"+c.name, func(t *testing.T) {
			s, asked, over := &spy{}, atomic.Int64{}, make(outcomes, 1)
			h := trail(t, s, waiver(&asked), over.into).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for _, err := range c.errs {
					if audit.Refused(w, r, err) {
						return
					}
				}
				_, _ = io.WriteString(w, "hello")
			}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != c.status || asked.Load() != c.asked {
				t.Errorf("status %d, asked %d times; want %d, %d", w.Code, asked.Load(), c.status, c.asked)
			}
			s.one(t).has(t, c.want)
			if d := <-over; d.Decision != c.want["decision"] {
				t.Errorf("Done: %+v", d)
			}
			if c.status != 200 {
				return
			}
			// the response is the one of a request with nothing to waive
			plain := httptest.NewRecorder()
			trail(t, &spy{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "hello")
			})).ServeHTTP(plain, httptest.NewRequest("GET", "/", nil))
			w.Header().Del("X-Fapi-Interaction-Id")
			plain.Header().Del("X-Fapi-Interaction-Id")
			if fmt.Sprint(w.Header(), w.Body) != fmt.Sprint(plain.Header(), plain.Body) {
				t.Errorf("%v %v differs from %v %v", w.Header(), w.Body, plain.Header(), plain.Body)
			}
		})
	}
}

func TestWaiveThatPanicsLetsNothingPass(t *testing.T) {
	s := &spy{}
	l := trail(t, s, func(c *audit.Config) {
		c.Waive = func(*http.Request, *audit.Refusal) bool { panic("x") }
	})
	w := httptest.NewRecorder()
	l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !audit.Refused(w, r, refusal(403)) {
			t.Error("passed")
		}
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	s.one(t).has(t, line{"decision": "deny", "status": int64(403)})
}

func TestWaiveMayAddFacts(t *testing.T) {
	s := &spy{}
	l := trail(t, s, func(c *audit.Config) {
		c.Waive = func(r *http.Request, f *audit.Refusal) bool { // would deadlock if asked under a lock
			audit.Add(r.Context(), attr("stage", "pilot"))
			return audit.InteractionID(r.Context()) != ""
		}
	})
	l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		audit.Refused(w, r, refusal(403))
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	s.one(t).has(t, line{"decision": "would_deny", "stage": "pilot"})
}

func TestFirstRefusalIsTheReason(t *testing.T) {
	s := &spy{}
	trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		audit.Decide(r, &audit.Refusal{Reason: other, Status: 403, Code: "insufficient_scope", Client: "c1"})
		audit.Refused(w, r, refusal(401))
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	s.one(t).has(t, line{"reason": string(other), "code": "insufficient_scope", "client": "c1", "status": int64(401)})
}

func TestWithoutLog(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	if audit.Decide(r, nil) != nil || audit.Refused(nil, r, nil) {
		t.Error("nil is refused")
	}
	f := refusal(401)
	if audit.Decide(r, f) != f || !errors.Is(audit.Decide(r, io.EOF), audit.ErrInternal) {
		t.Error("not refused")
	}
	audit.Add(r.Context(), attr("a", "b"))
	audit.Follow(r)
	audit.Challenges(r, nil)
	audit.Step(r.Context(), "x", now(), "")
	w := httptest.NewRecorder()
	if !audit.Refused(w, r, f) {
		t.Fatal("not refused")
	}
	if w.Code != 401 || w.Header().Get("Www-Authenticate") != `Bearer realm="api"` || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	f.Header = http.Header{"X-Fapi-Interaction-Id": {anID}, "Retry-After": {"9"}}
	f.Status = 503
	status, header, body := audit.Answer(r, f)
	if status != 503 || header.Get("X-Fapi-Interaction-Id") != "" || header.Get("Retry-After") != "9" || len(body) == 0 {
		t.Errorf("%d %v %s", status, header, body)
	}
	r.Method = "HEAD"
	if _, _, body = audit.Answer(r, f); body != nil {
		t.Errorf("HEAD: %s", body)
	}
	var none *audit.Refusal
	if got := audit.Decide(r, none); got == nil || got.Status != 500 {
		t.Errorf("a nil *Refusal: %v", got)
	}
}

func TestRefusalsAreDecidedConcurrently(t *testing.T) {
	s, asked := &spy{}, atomic.Int64{}
	trail(t, s, waiver(&asked)).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				audit.Add(r.Context(), attr(fmt.Sprint("fact", i), i))
				audit.Decide(r, refusal(403))
				audit.Follow(r.WithContext(context.WithValue(r.Context(), t, 1)))
				audit.Challenges(r, nil)
				audit.Step(r.Context(), "x", now(), refused)
				_, _ = io.WriteString(w, "") // the writer itself need not be safe, the record must be
			})
		}
		wg.Wait()
	})).ServeHTTP(&quiet{h: http.Header{}}, httptest.NewRequest("GET", "/", nil))
	s.one(t).has(t, line{"decision": "would_deny", "waived": string(refused)})
}
