package audit_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// shapes of a server's writer, by what it shows besides Header, Write and WriteHeader.
type (
	bare struct{ http.ResponseWriter }
	fl   struct{}
	hi   struct{}
	rf   struct{}
)

func (fl) Flush()                                       {}
func (hi) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }
func (rf) ReadFrom(r io.Reader) (int64, error)          { return io.Copy(io.Discard, r) }

func TestWriterShowsWhatTheServersHas(t *testing.T) {
	b := bare{httptest.NewRecorder()}
	for name, under := range map[string]http.ResponseWriter{
		"": b,
		"F": struct {
			bare
			fl
		}{b, fl{}},
		"H": struct {
			bare
			hi
		}{b, hi{}},
		"R": struct {
			bare
			rf
		}{b, rf{}},
		"FH": struct {
			bare
			fl
			hi
		}{b, fl{}, hi{}},
		"FR": struct {
			bare
			fl
			rf
		}{b, fl{}, rf{}},
		"HR": struct {
			bare
			hi
			rf
		}{b, hi{}, rf{}},
		"FHR": struct {
			bare
			fl
			hi
			rf
		}{b, fl{}, hi{}, rf{}},
	} {
		t.Run("shape "+name, func(t *testing.T) {
			trail(t, &spy{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if got := shape(w); got != name {
					t.Errorf("shows %q", got)
				}
			})).ServeHTTP(under, httptest.NewRequest("GET", "/", nil))
		})
	}
}

func shape(w http.ResponseWriter) (s string) {
	if _, ok := w.(http.Flusher); ok {
		s += "F"
	}
	if _, ok := w.(http.Hijacker); ok {
		s += "H"
	}
	if _, ok := w.(io.ReaderFrom); ok {
		s += "R"
	}
	return s
}

func TestWriterOverRealServers(t *testing.T) {
	s := &spy{}
	var inner, outer string
	deadlines := errors.New("not tried")
	wrapped := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		inner = shape(w)
		c := http.NewResponseController(w)
		deadlines = errors.Join(c.SetReadDeadline(time.Now().Add(time.Minute)), c.SetWriteDeadline(time.Now().Add(time.Minute)), c.EnableFullDuplex())
		if s.count() != 0 {
			t.Error("deadlines wrote the record")
		}
		if _, ok := w.(interface{ Unwrap() http.ResponseWriter }); !ok {
			t.Error("no Unwrap")
		}
	}))
	overBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outer = shape(w)
		wrapped.ServeHTTP(w, r)
	}), func(t *testing.T, client *http.Client, url string) {
		do(t, client, "GET", url)
		s.one(t)
		if want := map[bool]string{true: "F", false: "FHR"}[strings.Contains(t.Name(), "HTTP/2.0")]; inner != outer || inner != want {
			t.Errorf("ours shows %q, the server's %q, want %q", inner, outer, want)
		}
		if deadlines != nil {
			t.Errorf("deadlines: %v", deadlines)
		}
	})
}

// TestWritingMoment: the record is there before the bytes, and not before they are due.
func TestWritingMoment(t *testing.T) {
	for name, c := range map[string]struct {
		act    func(w http.ResponseWriter) error
		status int
		commit bool
	}{
		"WriteHeader":       {func(w http.ResponseWriter) error { w.WriteHeader(404); return nil }, 404, true},
		"Write":             {func(w http.ResponseWriter) error { _, err := w.Write([]byte("x")); return err }, 200, true},
		"empty Write":       {func(w http.ResponseWriter) error { _, err := w.Write(nil); return err }, 200, true},
		"WriteString":       {func(w http.ResponseWriter) error { _, err := io.WriteString(w, "x"); return err }, 200, true},
		"Flush":             {func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil }, 200, true},
		"controller Flush":  {func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }, 200, true},
		"Copy":              {func(w http.ResponseWriter) error { _, err := io.Copy(w, strings.NewReader("x")); return err }, 200, true},
		"Copy of nothing":   {func(w http.ResponseWriter) error { _, err := io.Copy(w, strings.NewReader("")); return err }, 200, false},
		"100":               {func(w http.ResponseWriter) error { w.WriteHeader(100); return nil }, 200, false},
		"103":               {func(w http.ResponseWriter) error { w.WriteHeader(103); return nil }, 200, false},
		"deadline":          {func(w http.ResponseWriter) error { return http.NewResponseController(w).SetWriteDeadline(time.Time{}) }, 200, false},
		"Unwrap, then copy": {func(w http.ResponseWriter) error { return http.NewResponseController(unwrap(w)).Flush() }, 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spy{}
			h := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if err := c.act(w); err != nil {
					t.Error(err)
				}
				if got := s.count() == 1; got != c.commit {
					t.Errorf("recorded: %v", got)
				}
			}))
			overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
				a := do(t, client, "GET", url)
				if a.err != nil || a.StatusCode != c.status {
					t.Errorf("%+v", a)
				}
				s.one(t).has(t, line{"status": int64(c.status)})
			})
		})
	}
}

func unwrap(w http.ResponseWriter) http.ResponseWriter {
	return w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
}

// hidden is a layer outside whose writer shows nothing and leads to the server's by Unwrap.
type hidden struct{ http.ResponseWriter }

func (h hidden) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func TestFlushAndHijackBehindAnUnwrapAreRecordedFirst(t *testing.T) {
	for _, act := range []string{"flush", "hijack"} {
		s := &spy{}
		inner := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			if act == "flush" {
				if err := c.Flush(); err != nil || s.count() != 1 {
					t.Errorf("%v, %d records", err, s.count())
				}
				return
			}
			conn, _, err := c.Hijack()
			if r.ProtoMajor == 2 {
				if !errors.Is(err, http.ErrNotSupported) || s.count() != 0 {
					t.Errorf("%v, %d records", err, s.count())
				}
				return
			}
			if err != nil || s.count() != 1 {
				t.Fatalf("%v, %d records", err, s.count())
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Fapi-Interaction-Id: x\r\n\r\n")
			_ = conn.Close()
		}))
		overBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(hidden{w}, r) }),
			func(t *testing.T, client *http.Client, url string) {
				if a := do(t, client, "GET", url); a.err != nil || a.StatusCode != 200 {
					t.Errorf("%+v", a)
				}
				l := s.one(t)
				if act == "hijack" && !strings.Contains(t.Name(), "HTTP/2.0") {
					l.has(t, line{"status": int64(101), "hijacked": true})
				}
			})
	}
}

func TestSwitchingProtocolsIsFinal(t *testing.T) {
	s := &spy{}
	trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
		if s.count() != 1 {
			t.Error("not recorded")
		}
	})).ServeHTTP(&quiet{h: http.Header{}}, httptest.NewRequest("GET", "/", nil))
	s.one(t).has(t, line{"status": int64(101)})
}

func TestInterimAnswerIsNotFinal(t *testing.T) {
	s := &spy{}
	h := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(418)
	}))
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		if a := do(t, client, "GET", url); a.err != nil || a.StatusCode != 418 {
			t.Errorf("%+v", a)
		}
		s.one(t).has(t, line{"status": int64(418)})
	})
}
