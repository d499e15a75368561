package audit_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tegata-go/tegata/audit"
)

// ways in which a handler makes bytes leave.
var ways = map[string]func(w http.ResponseWriter){
	"nothing":     func(http.ResponseWriter) {},
	"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(201) },
	"Write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("SECRET")) },
	"WriteString": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "SECRET") },
	"ReadFrom":    func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader("SECRET")) },
	"Flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	"controller":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
	"Hijack": func(w http.ResponseWriter) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSECRET")
			_ = c.Close()
		}
	},
	"early hints": func(w http.ResponseWriter) { w.WriteHeader(103) },
	"Write, then panic": func(w http.ResponseWriter) {
		_, _ = w.Write([]byte("SECRET"))
		panic("SECRET")
	},
	"Write, then abort": func(w http.ResponseWriter) {
		_, _ = w.Write([]byte("SECRET"))
		panic(http.ErrAbortHandler)
	},
	"endless": func(w http.ResponseWriter) {
		for {
			if _, err := w.Write([]byte("SECRET")); err != nil {
				return
			}
		}
	},
}

// TestSinkFailure: the answer of a request whose record is lost is a whole 503 at a real client, with
// nothing of the handler's in it.
func TestSinkFailure(t *testing.T) {
	for name, way := range ways {
		for failure, fail := range map[string]func(int) error{
			"error": func(int) error { return errDown },
			"panic": func(int) error { panic("SECRET") },
		} {
			t.Run("A6,OPS-audit-2/"+name+"/"+failure, func(t *testing.T) {
				s := &spy{}
				over, ran := make(outcomes, 1), atomic.Int64{}
				h := anew(t, s, func(w http.ResponseWriter, _ *http.Request) {
					ran.Add(1)
					held := w.Header()
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Set-Cookie", "SECRET")
					w.Header().Set("Content-Length", "6")
					w.Header().Set("Content-Encoding", "gzip")
					way(w)
					w.WriteHeader(202)
					held[http.TrailerPrefix+"X-Secret"] = []string{"SECRET"}
					_, _ = w.Write([]byte("SECRET"))
					_, _ = io.Copy(w, strings.NewReader("SECRET"))
					_ = http.NewResponseController(w).Flush()
				}, over.into)
				s.fail = fail
				overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
					a := do(t, client, "GET", url)
					a.isProblem(t, 503)
					if a.Header.Get("Retry-After") == "" || a.Header.Get("Set-Cookie") != "" || a.Header.Get("Content-Encoding") != "" {
						t.Errorf("header %v", a.Header)
					}
					if strings.Contains(a.body, "SECRET") || !strings.Contains(a.body, `"status":503`) || len(a.Trailer) > 0 {
						t.Errorf("body %s, trailer %v", a.body, a.Trailer)
					}
					if d := <-over; d.Status != 503 || d.Recorded || d.Failure == nil || d.Reason != audit.ErrSink || d.Bytes != int64(len(a.body)) {
						t.Errorf("Done: %+v", d)
					}
				})
				if s.count() != 0 || ran.Load() != 2 {
					t.Errorf("%d records were taken, the handler ran %d times", s.count(), ran.Load())
				}
			})
		}
	}
}

// TestLostAnswerIsWholeBeforeTheHandlerEnds: the client need not wait for a handler that goes on.
func TestLostAnswerIsWholeBeforeTheHandlerEnds(t *testing.T) {
	s := &spy{fail: func(int) error { return errDown }}
	read := make(chan struct{})
	h := anew(t, s, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(201)
		<-read
		audit.Refused(w, r, refusal(403))
		t.Error("went on")
	})
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 503 || res.ContentLength <= 0 {
			t.Fatalf("%d, length %d", res.StatusCode, res.ContentLength)
		}
		body := make([]byte, res.ContentLength)
		if _, err := io.ReadFull(res.Body, body); err != nil || !strings.Contains(string(body), `"status":503`) {
			t.Errorf("%s, %v", body, err)
		}
		read <- struct{}{}
	})
}

// TestSinkBreaks: after a failure requests are refused before the handler; the record of the first
// refusal that is taken opens the door for the next request.
func TestSinkBreaks(t *testing.T) {
	var down atomic.Bool
	var ran atomic.Int64
	s := &spy{fail: func(int) error {
		if down.Load() {
			return errDown
		}
		return nil
	}}
	h := trail(t, s).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran.Add(1) }))
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		ran.Store(0)
		step := func(status int, runs int64, record any) {
			t.Helper()
			a := do(t, client, "GET", url)
			if status == 503 {
				a.isProblem(t, 503)
				if a.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			} else if a.err != nil || a.StatusCode != status {
				t.Errorf("status %v, want %d", a.Response, status)
			}
			if ran.Load() != runs {
				t.Errorf("ran %d times, want %d", ran.Load(), runs)
			}
			if record == nil {
				if s.count() != 0 {
					t.Error("a record was taken")
				}
				return
			}
			l := s.one(t)
			l.has(t, line{"decision": record, "status": int64(status)})
			if record == "deny" {
				l.has(t, line{"reason": string(audit.ErrSink)})
			}
		}
		step(200, 1, "allow")
		down.Store(true)
		step(503, 2, nil) // the one that had run
		step(503, 2, nil)
		step(503, 2, nil)
		down.Store(false)
		step(503, 2, "deny") // the probe
		step(200, 3, "allow")
	})
}

// TestSlowSuccessDoesNotHideFailure: only a probe that began after the failure heals.
func TestSlowSuccessDoesNotHideFailure(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := &spy{fail: func(try int) error {
		switch try {
		case 1:
			close(entered)
			<-release
		case 2:
			return errDown
		}
		return nil
	}}
	var ran atomic.Int64
	h := trail(t, s).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran.Add(1) }))
	serve := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		return w.Code
	}
	var wg sync.WaitGroup
	wg.Go(func() { serve() })
	<-entered
	if got := serve(); got != 503 {
		t.Errorf("lost record: %d", got)
	}
	close(release)
	wg.Wait()
	if got := serve(); got != 503 || ran.Load() != 2 {
		t.Errorf("after the failure: %d, ran %d times", got, ran.Load())
	}
	if got := serve(); got != 200 {
		t.Errorf("after the probe: %d", got)
	}
}

func TestBytesWaitForTheRecord(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := &spy{fail: func(int) error { close(entered); <-release; return errDown }}
	w := httptest.NewRecorder()
	trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.WriteString(w, "SECRET") })
		<-entered
		wg.Go(func() { _, _ = io.WriteString(w, "SECRET") }) // must not overtake the record
		close(release)
		wg.Wait()
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 || strings.Contains(w.Body.String(), "SECRET") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
