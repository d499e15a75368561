package audit_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// skipAllocs skips where allocations cannot be counted: the race detector makes its own.
func skipAllocs(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("allocations are not counted under the race detector")
	}
}

// discard is a sink that looks at nothing.
type discard struct{ spy }

func (*discard) Handle(context.Context, slog.Record) error { return nil }

// facts of a certificate-bound call: with the record's own they are 20 attributes.
var facts = []slog.Attr{
	slog.String("client", "tpp-4711"), slog.String("subject", "5f1ad5cfc31b1c7d"), slog.String("token", "0b9c2625dc21ef05f6ad4ddf47c5f203837aa32c"),
	slog.String("jkt", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"), slog.String("x5t", "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"),
	slog.String("scope", "accounts"), slog.Int("cost", 1), slog.Int("remaining", 99), slog.Bool("cached", true), slog.String("kid", "k1"),
}

func call() *http.Request {
	r := httptest.NewRequest("GET", "https://api.bank.example/accounts", nil)
	r.Header.Set("X-Fapi-Interaction-Id", anID)
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	r.Pattern = "GET /accounts"
	return r
}

var ok = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	audit.Add(r.Context(), facts...)
	w.WriteHeader(http.StatusNoContent)
})

func TestAllocations(t *testing.T) {
	skipAllocs(t)
	w := &quiet{h: http.Header{}}
	for _, c := range []struct {
		name    string
		handler slog.Handler
		h       http.Handler
		most    float64
	}{
		// the record with its context and writer, the request's copy, and slog's own slice
		{"20 attributes, any sink", &discard{}, ok, 3},
		{"20 attributes, our lines", audit.NewLines(io.Discard), ok, 3},
		{"no facts", audit.NewLines(io.Discard), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }), 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := audit.New(audit.Config{Handler: c.handler})
			if err != nil {
				t.Fatal(err)
			}
			h, r := l.Wrap(c.h), call()
			if got := testing.AllocsPerRun(200, func() { clear(w.h); h.ServeHTTP(w, r) }); got > c.most {
				t.Errorf("%v allocations, at most %v", got, c.most)
			}
		})
	}
	t.Run("a line", func(t *testing.T) {
		h, r := audit.NewLines(io.Discard), twenty()
		if got := testing.AllocsPerRun(200, func() { _ = h.Handle(context.Background(), r) }); got != 0 {
			t.Errorf("%v allocations", got)
		}
	})
	t.Run("a line through a Writer", func(t *testing.T) {
		w := newWriter(t, audit.WriterConfig{Out: io.Discard})
		defer w.Close()
		h, r := audit.NewLines(w), twenty()
		if got := testing.AllocsPerRun(500, func() { _ = h.Handle(context.Background(), r) }); got > 1 {
			t.Errorf("%v allocations", got)
		}
	})
	t.Run("handing over a record of 20", func(t *testing.T) {
		attrs := own()
		if got := testing.AllocsPerRun(200, func() {
			r := slog.NewRecord(time.Time{}, 0, "request", 0)
			r.AddAttrs(attrs...)
			_ = (&discard{}).Handle(context.Background(), r)
		}); got > 1 {
			t.Errorf("%v allocations", got)
		}
	})
	t.Run("Step, Add and Decide without a log", func(t *testing.T) {
		r := call()
		if got := testing.AllocsPerRun(200, func() {
			audit.Step(r.Context(), "x", time.Time{}, "")
			audit.Add(r.Context(), facts...)
			audit.Decide(r, nil)
		}); got != 0 {
			t.Errorf("%v allocations", got)
		}
	})
}

func own() []slog.Attr {
	return append([]slog.Attr{
		slog.Int("schema", 1), slog.String("interaction_id", anID), slog.String("method", "GET"), slog.String("route", "GET /accounts"),
		slog.Int("status", 204), slog.String("decision", "allow"), slog.String("peer", "192.0.2.1"), slog.Int64("latency_us", 12),
		slog.String("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"), slog.Int("dropped", 1),
	}, facts...)
}

func twenty() slog.Record {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "request", 0)
	r.AddAttrs(own()...)
	return r
}

// floor appends the same twenty attributes by hand, with the escaping that they happen to need: none.
func floor(b []byte, at time.Time) []byte {
	b = append(b, `{"time":"`...)
	b = at.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	for _, a := range own20 {
		b = append(b, ',', '"')
		b = append(b, a.Key...)
		b = append(b, '"', ':')
		switch a.Value.Kind() {
		case slog.KindString:
			b = append(b, '"')
			b = append(b, a.Value.String()...)
			b = append(b, '"')
		case slog.KindBool:
			b = strconv.AppendBool(b, a.Value.Bool())
		default:
			b = strconv.AppendInt(b, a.Value.Int64(), 10)
		}
	}
	return append(b, '}', '\n')
}

var own20 = own()

// ratio gives the cost of f in units of base: the least of many short rounds of both, taken in turn.
func ratio(f, base func()) float64 {
	least := [2]float64{math.Inf(1), math.Inf(1)}
	for range 4000 {
		for i, run := range [2]func(){f, base} {
			began := time.Now()
			for range 10 {
				run()
			}
			least[i] = min(least[i], float64(time.Since(began).Nanoseconds()))
		}
	}
	return least[0] / least[1]
}

func BenchmarkLine(b *testing.B) {
	h, r := audit.NewLines(io.Discard), twenty()
	line := func() { _ = h.Handle(context.Background(), r) }
	b.ReportAllocs()
	for b.Loop() {
		line()
	}
	base := byHand()
	peer := slog.NewJSONHandler(io.Discard, nil)
	b.ReportMetric(ratio(line, base), "x-floor")
	b.ReportMetric(ratio(func() { _ = peer.Handle(context.Background(), r) }, base), "slog-x-floor")
}

func byHand() func() {
	buf, at := make([]byte, 0, 2048), time.Now()
	return func() { buf = floor(buf[:0], at); _, _ = io.Discard.Write(buf) }
}

// BenchmarkLineParallel reports how many times as many lines two goroutines write as one does, at best.
func BenchmarkLineParallel(b *testing.B) {
	h, r := audit.NewLines(io.Discard), twenty()
	lines := func() {
		for range 1000 {
			_ = h.Handle(context.Background(), r)
		}
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = h.Handle(context.Background(), r)
		}
	})
	b.StopTimer()
	least := [2]time.Duration{math.MaxInt64, math.MaxInt64}
	for range 300 {
		began := time.Now()
		lines()
		least[0] = min(least[0], time.Since(began))
		var wg sync.WaitGroup
		began = time.Now()
		for range 2 {
			wg.Go(lines)
		}
		wg.Wait()
		least[1] = min(least[1], time.Since(began))
	}
	b.ReportMetric(2*float64(least[0])/float64(least[1]), "x-one-core")
}

// BenchmarkWriter is a line on its way into a file, alone and among others, beside a plain file.
func BenchmarkWriter(b *testing.B) {
	for _, kind := range []string{"file", "Writer"} {
		for _, callers := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s, %d callers", kind, callers), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "audit.log")
				var out io.WriteCloser
				out, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				if kind == "Writer" {
					out, err = audit.NewWriter(audit.WriterConfig{Path: path})
				}
				if err != nil {
					b.Fatal(err)
				}
				defer out.Close()
				h, r := audit.NewLines(out), twenty()
				b.ReportAllocs()
				b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
				if callers == 1 {
					for b.Loop() {
						_ = h.Handle(context.Background(), r)
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						_ = h.Handle(context.Background(), r)
					}
				})
			})
		}
	}
}

// BenchmarkRecord is what a request pays for the whole of Wrap: twenty attributes, ready on a line.
func BenchmarkRecord(b *testing.B) {
	for name, sink := range map[string]slog.Handler{"lines": audit.NewLines(io.Discard), "discard": &discard{}, "slog": slog.NewJSONHandler(io.Discard, nil)} {
		b.Run(name, func(b *testing.B) {
			l, err := audit.New(audit.Config{Handler: sink})
			if err != nil {
				b.Fatal(err)
			}
			w, r, h := &quiet{h: http.Header{}}, call(), l.Wrap(ok)
			request := func() { clear(w.h); h.ServeHTTP(w, r) }
			b.ReportAllocs()
			for b.Loop() {
				request()
			}
			b.ReportMetric(ratio(request, byHand()), "x-floor")
		})
	}
}

// BenchmarkRefused compares refusing with letting pass.
func BenchmarkRefused(b *testing.B) {
	l, err := audit.New(audit.Config{Handler: audit.NewLines(io.Discard)})
	if err != nil {
		b.Fatal(err)
	}
	f := refusal(403)
	pass := l.Wrap(ok)
	h := l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { audit.Refused(w, r, f) }))
	w, r := &quiet{h: http.Header{}}, call()
	refuse := func() { clear(w.h); h.ServeHTTP(w, r) }
	b.ReportAllocs()
	for b.Loop() {
		refuse()
	}
	b.ReportMetric(ratio(refuse, func() { clear(w.h); pass.ServeHTTP(w, r) }), "x-pass")
}
