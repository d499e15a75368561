package audit

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
)

// Lines is a slog.Handler that writes one line of JSON per record: `time` (RFC 3339, UTC), then
// the attributes. It writes neither level nor message, and takes every level.
//
// A line is one Write. A write that fails or is cut short is an error of Handle, and the line after
// it starts on a fresh line. It is safe for concurrent use. A writer that can block holds up all
// requests: put a Writer before it.
type Lines struct {
	out     *output
	fixed   []byte   // attributes of WithAttrs, formatted
	open    int      // groups that fixed leaves open
	pending []string // groups opened since: written only with something in them
}

type output struct {
	pool sync.Pool
	line *Writer // in place of what follows, when that is where the lines go
	mu   sync.Mutex
	w    io.Writer
	torn bool // the last line was cut short
}

// NewLines makes a Lines that writes to w, one call at a time; lines for a Writer do not wait for
// each other here.
func NewLines(w io.Writer) *Lines {
	o := &output{w: w}
	o.line, _ = w.(*Writer)
	return &Lines{out: o}
}

// Enabled is always true: a record of what was decided has no level below which it is noise.
func (l *Lines) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes the record. The error is the writer's, or io.ErrShortWrite.
func (l *Lines) Handle(_ context.Context, r slog.Record) error {
	p, _ := l.out.pool.Get().(*page)
	if p == nil {
		p = &page{line: make([]byte, 0, pageSize)}
	}
	b := p.line[:0]
	b = append(b, "\n{"...)
	if !r.Time.IsZero() {
		b = p.appendTime(b, r.Time)
	}
	b = appendMember(b, l.fixed)
	b = l.appendRecord(b, p, &r)
	b = append(b, '}', '\n')
	_, err := l.out.write(b)
	if cap(b) <= maxPage {
		p.line = b
		l.out.pool.Put(p)
	}
	return err
}

// appendRecord appends the record's attributes in the groups that are open, and closes those.
func (l *Lines) appendRecord(b []byte, p *page, r *slog.Record) []byte {
	open := l.open
	bare := len(b)
	b = appendGroups(b, l.pending)
	inner := len(b)
	i := 0
	r.Attrs(func(a slog.Attr) bool {
		b = p.appendAttr(b, i, &a)
		i++
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

// write puts out b, which is a line break and lines, with the break only where it is needed. It
// gives how much of the lines was taken.
func (o *output) write(b []byte) (int, error) {
	if o.line != nil {
		return o.line.Write(b[1:])
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	lead := 1
	if !o.torn {
		b, lead = b[1:], 0
	}
	n, err := o.w.Write(b)
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	if n = min(n, len(b)); n > 0 {
		o.torn = b[n-1] != '\n'
	}
	return n - lead, err
}
