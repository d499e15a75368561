package audit

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const maxPooled = 64 << 10

// Lines is a slog.Handler that writes one line of JSON per record: `time` (RFC 3339, UTC), then
// the attributes. It writes neither level nor message, and takes every level.
//
// A line is one Write. A write that fails or is cut short is an error of Handle, and the line after
// it starts on a fresh line. It is safe for concurrent use.
type Lines struct {
	out     *output
	fixed   []byte   // attributes of WithAttrs, formatted
	open    int      // groups that fixed leaves open
	pending []string // groups opened since: written only with something in them
}

type output struct {
	pool sync.Pool
	mu   sync.Mutex
	w    io.Writer
	torn bool // the last line was cut short
}

// NewLines makes a Lines that writes to w, one call at a time.
func NewLines(w io.Writer) *Lines { return &Lines{out: &output{w: w}} }

// Enabled is always true: a record of what was decided has no level below which it is noise.
func (l *Lines) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes the record. The error is the writer's, or io.ErrShortWrite.
func (l *Lines) Handle(_ context.Context, r slog.Record) error {
	p, _ := l.out.pool.Get().(*[]byte)
	if p == nil {
		p = new([]byte)
		*p = make([]byte, 0, 1024)
	}
	b := (*p)[:0]
	b = append(b, "\n{"...)
	if !r.Time.IsZero() {
		b = append(b, `"time":"`...)
		b = append(r.Time.UTC().AppendFormat(b, time.RFC3339Nano), '"')
	}
	b = appendMember(b, l.fixed)
	b = l.appendRecord(b, &r)
	b = append(b, '}', '\n')
	err := l.out.write(b)
	if cap(b) <= maxPooled {
		*p = b
		l.out.pool.Put(p)
	}
	return err
}

// appendRecord appends the record's attributes in the groups that are open, and closes those.
func (l *Lines) appendRecord(b []byte, r *slog.Record) []byte {
	open := l.open
	bare := len(b)
	b = appendGroups(b, l.pending)
	inner := len(b)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, &a)
		return true
	})
	if len(b) == inner {
		b = b[:bare]
	} else {
		open += len(l.pending)
	}
	for range open {
		b = append(b, '}')
	}
	return b
}

// WithAttrs gives a Lines that writes attrs in each line.
func (l *Lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	b := appendGroups(slices.Clone(l.fixed), l.pending)
	inner := len(b)
	for i := range attrs {
		b = appendAttr(b, &attrs[i])
	}
	if len(b) == inner {
		return l
	}
	return &Lines{out: l.out, fixed: b, open: l.open + len(l.pending)}
}

// WithGroup gives a Lines that puts what follows into a member named name.
func (l *Lines) WithGroup(name string) slog.Handler {
	if name == "" {
		return l
	}
	return &Lines{out: l.out, fixed: l.fixed, open: l.open, pending: append(slices.Clone(l.pending), name)}
}

// write puts out b, which is a line break and a line, with the break only where it is needed.
func (o *output) write(b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.torn {
		b = b[1:]
	}
	n, err := o.w.Write(b)
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	if n = min(n, len(b)); n > 0 {
		o.torn = b[n-1] != '\n'
	}
	return err
}
