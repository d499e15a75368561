package audit

import (
	"log/slog"
	"strconv"
	"time"
)

const (
	pageSize = 1024
	maxPage  = 64 << 10 // what is kept for the lines to come
	maxNames = 32
)

// page is what a line is written on. It remembers of the lines before what this one most likely
// repeats: the second, and the name of each attribute.
type page struct {
	line  []byte
	unix  int64  // the second that stamp is about
	stamp []byte // the member `time` up to the second, after RFC 3339; empty at first
	names [maxNames]member
}

// member is the start of one: its name, and that formatted, from the comma to the colon.
type member struct {
	name string
	text []byte
}

// appendTime appends the member `time`, the first of a line.
func (p *page) appendTime(b []byte, t time.Time) []byte {
	if unix := t.Unix(); unix != p.unix || len(p.stamp) == 0 {
		p.unix = unix
		p.stamp = t.UTC().AppendFormat(append(p.stamp[:0], `"time":"`...), "2006-01-02T15:04:05")
	}
	b = append(b, p.stamp...)
	if nano := t.Nanosecond(); nano != 0 {
		b = append(b, ".000000000"...)
		for i := len(b) - 1; nano > 0; i-- {
			b[i] += byte(nano % 10)
			nano /= 10
		}
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return append(b, 'Z', '"')
}

// appendAttr appends the attribute that is the i-th of its record, starting with 0.
func (p *page) appendAttr(b []byte, i int, a *slog.Attr) []byte {
	if i < maxNames {
		switch a.Value.Kind() {
		case slog.KindString:
			return appendString(p.appendName(b, i, a.Key), a.Value.String())
		case slog.KindInt64:
			return strconv.AppendInt(p.appendName(b, i, a.Key), a.Value.Int64(), 10)
		}
	}
	return appendAttr(b, a)
}

func (p *page) appendName(b []byte, i int, name string) []byte {
	m := &p.names[i]
	if m.name != name || len(m.text) == 0 {
		if len(name) > maxKey { // kept for long, so kept small
			return appendName(b, name)
		}
		m.name, m.text = name, appendName(m.text[:0], name)
	}
	return append(appendSeparator(b), m.text...)
}
