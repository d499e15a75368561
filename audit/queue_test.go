package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// pipe is a destination that takes nothing until it is let, and keeps what it took.
type pipe struct {
	open chan struct{} // a write waits until it can receive
	mu   sync.Mutex
	took []string
	at   atomic.Int64 // how many write at this moment
	fail func(b []byte) (int, error)
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.at.Add(1) > 1 {
		panic("two write at once")
	}
	defer p.at.Add(-1)
	<-p.open
	if p.fail != nil {
		return p.fail(b)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took = append(p.took, string(b))
	return len(b), nil
}

func (p *pipe) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.took, "")
}

func newWriter(t testing.TB, c audit.WriterConfig) *audit.Writer {
	t.Helper()
	w, err := audit.NewWriter(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// write is one Write: its error and how long it took.
func write(t testing.TB, w io.Writer, line string) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	n, err := w.Write([]byte(line))
	if want := map[bool]int{true: len(line)}[err == nil]; n != want {
		t.Errorf("n = %d, %v", n, err)
	}
	return time.Since(began), err
}

func TestWriterConfig(t *testing.T) {
	_, err := audit.NewWriter(audit.WriterConfig{Timeout: -1, Queue: -1})
	for _, want := range []string{"Path", "Out", "Timeout", "Queue"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := audit.NewWriter(audit.WriterConfig{Path: "x", Out: io.Discard}); err == nil {
		t.Error("both Path and Out")
	}
	if _, err := audit.NewWriter(audit.WriterConfig{Path: t.TempDir()}); err == nil {
		t.Error("a directory")
	}
}

// TestWriterStuck: the time of each call is exact; what waited behind a stuck line is told at once
// and never written; the stuck line ends whole before any other.
func TestWriterStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{open: make(chan struct{})}
		w := newWriter(t, audit.WriterConfig{Out: p, Timeout: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() {
			if took, err := write(t, w, "stuck\n"); err == nil || took != time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
		time.Sleep(time.Second / 4)
		for range 3 {
			wg.Go(func() {
				if took, err := write(t, w, "behind\n"); err == nil || took != 3*time.Second/4 {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
		wg.Wait()
		if took, err := write(t, w, "late\n"); err == nil || took != 0 {
			t.Errorf("%v after %v", err, took)
		}
		close(p.open)
		synctest.Wait()
		if _, err := write(t, w, "again\n"); err != nil {
			t.Error(err)
		}
		if got := p.text(); got != "stuck\nagain\n" {
			t.Errorf("written: %q", got)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, err := write(t, w, "closed\n"); err == nil || w.Close() == nil {
			t.Error("a closed writer takes lines")
		}
	})
}

// TestWriterWithdraws: a slow destination is not a stuck one, and a line given up before its turn is not written.
func TestWriterWithdraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{open: make(chan struct{})}
		w := newWriter(t, audit.WriterConfig{Out: p, Timeout: time.Second})
		var wg sync.WaitGroup
		outcome := func(line string, want bool) {
			wg.Go(func() {
				if _, err := write(t, w, line); (err == nil) != want {
					t.Errorf("%q: %v", line, err)
				}
			})
			synctest.Wait()
		}
		outcome("1\n", true)
		time.Sleep(600 * time.Millisecond)
		outcome("2\n", false)
		outcome("3\n", false)
		p.open <- struct{}{} // 2 is on its way until the second is over
		synctest.Wait()
		time.Sleep(time.Second)
		wg.Wait()
		close(p.open)
		synctest.Wait()
		if got := p.text(); got != "1\n2\n" {
			t.Errorf("written: %q", got)
		}
	})
}

func TestWriterQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{open: make(chan struct{})}
		w := newWriter(t, audit.WriterConfig{Out: p, Queue: 10})
		if took, err := write(t, w, "0123456789\n"); err == nil || took != 0 {
			t.Errorf("longer than the queue: %v", err)
		}
		var wg sync.WaitGroup
		for range 3 { // one is being written, two wait
			wg.Go(func() {
				if _, err := write(t, w, "1234\n"); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if took, err := write(t, w, "\n"); err == nil || took != 0 {
			t.Errorf("over the bound: %v after %v", err, took)
		}
		close(p.open)
		wg.Wait()
		if _, err := write(t, w, "123456789\n"); err != nil {
			t.Errorf("as long as the queue: %v", err)
		}
	})
}

func TestWriterTakesWholeLines(t *testing.T) {
	p := &pipe{open: make(chan struct{})}
	w := newWriter(t, audit.WriterConfig{Out: p})
	for _, s := range []string{"", "x"} {
		if _, err := write(t, w, s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

// TestWriterAfterAFailedWrite: what was taken in part is followed by a line break; no answer is kept from anybody.
func TestWriterAfterAFailedWrite(t *testing.T) {
	for name, c := range map[string]struct {
		take int
		err  error
		want string
	}{
		"nothing":                {0, errDown, "next\n"},
		"some":                   {2, errDown, "li\nnext\n"},
		"some, no error":         {2, nil, "li\nnext\n"},
		"all but the break":      {4, errDown, "line\nnext\n"},
		"all, and yet an error":  {5, errDown, "line\nnext\n"},
		"more than there is":     {9, errDown, "line\nnext\n"},
		"less than nothing":      {-9, errDown, "next\n"},
		"less than nothing, nil": {-9, nil, "next\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pipe{open: make(chan struct{})}
			close(p.open)
			p.fail = func(b []byte) (int, error) {
				p.took = append(p.took, string(b[:max(0, min(c.take, len(b)))]))
				p.fail = nil
				return c.take, c.err
			}
			w := newWriter(t, audit.WriterConfig{Out: p})
			if _, err := write(t, w, "line\n"); err == nil || c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("error %v", err)
			}
			if _, err := write(t, w, "next\n"); err != nil {
				t.Error(err)
			}
			if got := p.text(); got != c.want {
				t.Errorf("written: %q", got)
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		p := &pipe{open: make(chan struct{}), fail: func([]byte) (int, error) { panic("SECRET") }}
		close(p.open)
		w := newWriter(t, audit.WriterConfig{Out: p})
		if _, err := write(t, w, "line\n"); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("error %v", err)
		}
	})
}

func TestWriterCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{open: make(chan struct{})}
		w := newWriter(t, audit.WriterConfig{Out: p, Timeout: time.Second})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := write(t, w, "line\n"); err == nil {
					t.Error("taken")
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		if err := w.Close(); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		wg.Wait()
		close(p.open) // or the goroutine would outlive the test
	})
}

func TestWriterCloseWaitsForLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{open: make(chan struct{})}
		w := newWriter(t, audit.WriterConfig{Out: p})
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := write(t, w, "line\n"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		time.AfterFunc(time.Second, func() { close(p.open) })
		if err := w.Close(); err != nil || p.text() != strings.Repeat("line\n", 5) {
			t.Errorf("%v, %q", err, p.text())
		}
		wg.Wait()
	})
}

// TestStuckSinkRefuses: what the log does when its records are not being read.
func TestStuckSinkRefuses(t *testing.T) {
	t.Run("A6", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &pipe{open: make(chan struct{})}
			trail, err := audit.New(audit.Config{Handler: audit.NewLines(newWriter(t, audit.WriterConfig{Out: p, Timeout: time.Second}))})
			if err != nil {
				t.Fatal(err)
			}
			var ran int
			h := trail.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran++ }))
			serve := func(status, runs int, most time.Duration) {
				t.Helper()
				began, w := time.Now(), httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				if took := time.Since(began); w.Code != status || ran != runs || took > most {
					t.Errorf("%d after %v, %d have run", w.Code, took, ran)
				}
			}
			serve(503, 1, time.Second)
			serve(503, 1, 0)
			serve(503, 1, 0)
			close(p.open)
			synctest.Wait()
			serve(503, 1, 0) // its record is the probe
			serve(200, 2, 0)
			decisions := ""
			for text := range strings.Lines(p.text()) {
				var l struct{ Decision string }
				if err := json.Unmarshal([]byte(text), &l); err != nil {
					t.Errorf("%v: %s", err, text)
				}
				decisions += l.Decision + " "
			}
			if decisions != "allow deny allow " {
				t.Errorf("records: %s", decisions)
			}
		})
	})
}

func TestWriterConcurrently(t *testing.T) {
	var out bytes.Buffer
	h := audit.NewLines(newWriter(t, audit.WriterConfig{Out: &out}))
	manyLines(t, h)
	wholeLines(t, out.String(), 800)
}

// manyLines writes 800 records from 8 goroutines.
func manyLines(t *testing.T, h slog.Handler) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				r := slog.NewRecord(time.Time{}, 0, "", 0)
				r.AddAttrs(slog.Int("n", i*100+j), slog.String("s", strings.Repeat("x", i*j)))
				if err := h.Handle(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// wholeLines demands that each number from 0 stands in one whole line.
func wholeLines(t *testing.T, text string, want int) {
	t.Helper()
	seen := map[int]bool{}
	for text := range strings.Lines(text) {
		var l struct{ N int }
		if err := json.Unmarshal([]byte(text), &l); err != nil || seen[l.N] {
			t.Fatalf("%v, again %v: %q", err, seen[l.N], text)
		}
		seen[l.N] = true
	}
	if len(seen) != want {
		t.Errorf("%d lines, want %d", len(seen), want)
	}
}

// TestWriterAtTheLastMoment: a line that is taken while its time runs out leaves a writer that takes more.
func TestWriterAtTheLastMoment(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			p := &pipe{open: make(chan struct{})}
			w := newWriter(t, audit.WriterConfig{Out: p, Timeout: time.Second, Queue: 10})
			time.AfterFunc(time.Second, func() { close(p.open) })
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { _, _ = write(t, w, "1234\n") }) // either is right
			}
			wg.Wait()
			synctest.Wait()
			if _, err := write(t, w, "123456789\n"); err != nil {
				t.Fatalf("as long as the queue, afterwards: %v", err)
			}
		})
	}
}

// TestWriterRoomComesBack: lines that were given up take no room.
func TestWriterRoomComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{open: make(chan struct{})}
		w := newWriter(t, audit.WriterConfig{Out: p, Timeout: time.Second, Queue: 10})
		for range 3 {
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					if _, err := write(t, w, "1234\n"); err == nil {
						t.Error("taken")
					}
				})
				synctest.Wait()
				time.Sleep(time.Duration(i) * time.Millisecond)
			}
			wg.Wait()
			p.open <- struct{}{} // what was on its way
			synctest.Wait()
		}
		wait := make(chan struct{})
		go func() {
			defer close(wait)
			_, _ = write(t, w, "1\n")
		}()
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		var late sync.WaitGroup
		late.Go(func() { _, _ = write(t, w, "2345\n") }) // given up before its turn, by its own time
		synctest.Wait()
		p.open <- struct{}{}
		<-wait
		synctest.Wait()
		late.Go(func() { _, _ = write(t, w, "6789\n") })
		synctest.Wait()
		time.Sleep(600 * time.Millisecond) // the first of the two is over
		close(p.open)
		late.Wait()
		synctest.Wait()
		if _, err := write(t, w, "123456789\n"); err != nil {
			t.Errorf("as long as the queue: %v", err)
		}
	})
}
