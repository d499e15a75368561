package audit_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tegata-go/tegata/audit"
)

const (
	anID    = "93bac548-d2de-4546-b106-880a5018460d"
	refused = audit.Reason("test: refused")
	other   = audit.Reason("test: other")
)

var errDown = errors.New("disk full")

// line is one record as a sink sees it.
type line map[string]any

// spy is a sink that keeps records, takes no level, and fails on demand.
type spy struct {
	mu    sync.Mutex
	lines []line
	tried int
	fail  func(try int) error // called with the number of this try, from 1; may panic
	ctx   context.Context
}

func (s *spy) Enabled(context.Context, slog.Level) bool { return false }
func (s *spy) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *spy) WithGroup(string) slog.Handler            { return s }

func (s *spy) Handle(ctx context.Context, r slog.Record) error {
	s.mu.Lock()
	s.tried++
	s.ctx = ctx
	try, fail := s.tried, s.fail
	s.mu.Unlock()
	if fail != nil {
		if err := fail(try); err != nil {
			return err
		}
	}
	l := line{"msg": r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if _, twice := l[a.Key]; twice {
			l["TWICE"] = a.Key
		}
		l[a.Key] = a.Value.Any()
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, l)
	return nil
}

func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// one gives the only record since the last call, and demands that there is exactly one.
func (s *spy) one(t testing.TB) line {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) != 1 {
		t.Fatalf("%d records, want exactly one: %v", len(s.lines), s.lines)
	}
	l := s.lines[0]
	s.lines = nil
	if l["TWICE"] != nil {
		t.Fatalf("attribute %v stands twice", l["TWICE"])
	}
	return l
}

// has compares attributes; a nil value means that there is none of that name.
func (l line) has(t testing.TB, want line) {
	t.Helper()
	for name, w := range want {
		got, ok := l[name]
		if w == nil && !ok {
			continue
		}
		if list, isList := got.([]string); isList {
			got = strings.Join(list, "|")
		}
		if got != w {
			t.Errorf("record: %s = %v (%T), want %v (%T)", name, got, got, w, w)
		}
	}
}

func trail(t testing.TB, s *spy, adjust ...func(*audit.Config)) *audit.Log {
	t.Helper()
	c := audit.Config{Handler: s}
	for _, f := range adjust {
		f(&c)
	}
	l, err := audit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// anew wraps h in a new log for each request, so that no request pays for the one before.
func anew(t testing.TB, s *spy, h http.HandlerFunc, adjust ...func(*audit.Config)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { trail(t, s, adjust...).Wrap(h).ServeHTTP(w, r) })
}

// outcomes collects what Config.Done is told.
type outcomes chan audit.Done

func (o outcomes) into(c *audit.Config) {
	c.Done = func(_ context.Context, d audit.Done) { o <- d }
}

func refusal(status int) *audit.Refusal {
	return &audit.Refusal{Reason: refused, Status: status, Detail: "not like this"}
}

// answer is a response that was read to its end, or the error that ended it.
type answer struct {
	*http.Response
	body string
	err  error // of the exchange or of the body
}

// do sends a request and reads the whole answer.
func do(t testing.TB, client *http.Client, method, url string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res, string(b), err}
}

// overBoth runs the test against real servers of both protocols.
func overBoth(t *testing.T, h http.Handler, test func(t *testing.T, client *http.Client, url string)) {
	t.Helper()
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != proto {
					t.Errorf("spoken: %s", r.Proto)
				}
				h.ServeHTTP(w, r)
			}))
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.EnableHTTP2 = proto == "HTTP/2.0"
			srv.StartTLS()
			defer srv.Close()
			client := srv.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			test(t, client, srv.URL)
		})
	}
}

// isProblem demands a whole problem with what every response must have.
func (a answer) isProblem(t testing.TB, status int) {
	t.Helper()
	if a.err != nil {
		t.Fatalf("no whole answer: %v", a.err)
	}
	if a.StatusCode != status {
		t.Errorf("status %d, want %d", a.StatusCode, status)
	}
	for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store"} {
		if got := a.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := a.Header.Values("X-Fapi-Interaction-Id"); len(got) != 1 {
		t.Errorf("x-fapi-interaction-id: %q", got)
	}
	if a.Header.Get("Date") == "" {
		t.Error("no Date")
	}
	if (status == 401) != (len(a.Header.Values("Www-Authenticate")) > 0) {
		t.Errorf("WWW-Authenticate: %q", a.Header.Values("Www-Authenticate"))
	}
	if len(a.body) >= 2048 {
		t.Errorf("body of %d bytes", len(a.body))
	}
}
