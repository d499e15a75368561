package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// flaky takes at most the given bytes of each write, then everything.
type flaky struct {
	bytes.Buffer
	take  []int
	err   error
	calls int
}

func (f *flaky) Write(b []byte) (int, error) {
	f.calls++
	if len(f.take) == 0 {
		return f.Buffer.Write(b)
	}
	n := min(f.take[0], len(b))
	f.take = f.take[1:]
	f.Buffer.Write(b[:n])
	return n, f.err
}

func TestLinesAfterAFailedWrite(t *testing.T) {
	for _, c := range []struct {
		name string
		take []int
		err  error
		want string // what stands before the last, whole line
	}{
		{"nothing taken", []int{0}, errDown, ""},
		{"cut short", []int{3}, errDown, "{\"a\n"},
		{"cut short, no error", []int{3}, nil, "{\"a\n"},
		{"cut twice", []int{3, 2}, errDown, "{\"a\n{\n"},
		{"cut, then only the break", []int{3, 1}, errDown, "{\"a\n"},
		{"cut, then nothing", []int{3, 0}, errDown, "{\"a\n"},
		{"all taken and failed", []int{99}, errDown, "{\"a\":1}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &flaky{take: c.take, err: c.err}
			h := audit.NewLines(f)
			r := slog.NewRecord(time.Time{}, 0, "", 0)
			r.AddAttrs(attr("a", 1))
			want := c.err
			if want == nil {
				want = io.ErrShortWrite
			}
			for range c.take {
				if err := h.Handle(t.Context(), r); !errors.Is(err, want) {
					t.Errorf("error %v", err)
				}
			}
			if err := h.Handle(t.Context(), r); err != nil {
				t.Error(err)
			}
			if got := f.String(); got != c.want+"{\"a\":1}\n" {
				t.Errorf("got %q", got)
			}
			if f.calls != len(c.take)+1 {
				t.Errorf("%d writes", f.calls)
			}
		})
	}
}

func TestLinesConcurrently(t *testing.T) {
	var out bytes.Buffer
	h := audit.NewLines(&out)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			g := h.WithAttrs([]slog.Attr{attr("i", i)})
			for range 100 {
				r := slog.NewRecord(time.Time{}, 0, "", 0)
				r.AddAttrs(attr("s", strings.Repeat(fmt.Sprint(i), 50)))
				_ = g.Handle(context.Background(), r)
			}
		})
	}
	wg.Wait()
	n := 0
	for text := range strings.Lines(out.String()) {
		var m struct {
			I int
			S string
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil || m.S != strings.Repeat(fmt.Sprint(m.I), 50) {
			t.Fatalf("%v: %s", err, text)
		}
		n++
	}
	if n != 800 {
		t.Errorf("%d lines", n)
	}
}
