package encrypt

import (
	"bytes"
	"math"
	"sync"

	"github.com/tegata-go/tegata/encrypt/internal/scan"
)

// keepBytes is the size up to which a buffer is kept for the next message.
const keepBytes = 64 << 10

// direction is what responses, or requests, have in common.
type direction struct {
	rules *scan.Rules
	plain [][]byte // headers by rule for application/json bound to nothing else
	pool  sync.Pool
}

// pass is one message on its way through the rules of one direction.
type pass struct {
	fields    *Fields
	direction *direction
	opens     bool
	binding   Binding

	scanner scan.Scanner
	inner   scan.Scanner // of what was inside a sealed value
	headers [][]byte     // by rule, for this binding; empty: not made yet
	work    []byte       // what goes in and out of the cipher
	out     []byte       // what a response holds back
}

// pass takes a pass from the pool.
func (f *Fields) pass(d *direction, b Binding) *pass {
	p, _ := d.pool.Get().(*pass)
	if p == nil {
		p = &pass{fields: f, direction: d, opens: d == &f.open, headers: make([][]byte, d.rules.Len())}
	}
	p.binding = b
	limits := scan.Limits{Depth: f.config.MaxDepth, Value: f.config.MaxValue}
	// A sealed value, which a response may hold too, is a third longer and has a header.
	limits.Value = (limits.Value+ivSize+tagSize+2)/3*4 + maxHeaderText + 8
	p.scanner.Reset(d.rules, limits, p)
	return p
}

// release gives the pass back; nothing of the message stays in its buffers.
func (p *pass) release() {
	p.scanner.Reset(nil, scan.Limits{}, nil)
	p.inner.Reset(nil, scan.Limits{}, nil)
	p.work, p.out = wiped(p.work), wiped(p.out)
	for i := range p.headers {
		p.headers[i] = p.headers[i][:0]
	}
	p.binding = Binding{}
	p.direction.pool.Put(p)
}

// wiped empties a buffer for the next message, or drops it if it has become large.
func wiped(b []byte) []byte {
	clear(b[:cap(b)])
	if cap(b) > keepBytes {
		return nil
	}
	return b[:0]
}

// whole reads a text at once and appends the result.
func (p *pass) whole(dst, src []byte) ([]byte, error) {
	dst, _, err := p.scanner.Feed(dst, src, math.MaxInt)
	if err != nil {
		return dst, err
	}
	return p.scanner.Finish(dst)
}

// header gives the first part of values that the rule names, sealed under the first key.
func (p *pass) header(rule int) []byte {
	if p.binding == (Binding{MediaType: jsonType}) {
		return p.direction.plain[rule]
	}
	if len(p.headers[rule]) == 0 {
		p.headers[rule] = p.fields.config.Keyring.keys[0].header(p.headers[rule], p.direction.rules.Text(rule), p.binding)
	}
	return p.headers[rule]
}

// Value seals or opens one value: it makes a pass a scan.Taker.
func (p *pass) Value(dst []byte, rule, depth int, text []byte) ([]byte, error) {
	if !p.opens {
		return p.seal(dst, rule, depth, text)
	}
	plain, err := p.opened(rule, text, p.fields.config.DangerouslyOpenUnbound)
	if err == nil {
		dst, err = p.value(dst, depth, plain)
	}
	if err != nil {
		return dst, notOpened(err)
	}
	return dst, nil
}

// seal appends the sealed form of text, which is text itself if that is what it already is.
func (p *pass) seal(dst []byte, rule, depth int, text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte(`"ey`)) { // the first bytes of {" in base64url
		if plain, err := p.opened(rule, text, false); err == nil {
			before := len(dst)
			dst, err = p.value(dst, depth, plain)
			clear(dst[before:])
			if dst = dst[:before]; err == nil {
				return append(dst, text...), nil
			}
		}
	}
	if len(text) > p.fields.config.MaxValue {
		return dst, scan.ErrValue
	}
	ring := p.fields.config.Keyring
	if !ring.count() {
		return dst, exhausted()
	}
	dst, p.work = ring.keys[0].appendSealed(dst, p.work, p.header(rule), text)
	return dst, nil
}

// value appends what was inside a sealed value, which must be one JSON value: whoever has the
// key could otherwise write members of their own around the field.
func (p *pass) value(dst []byte, depth int, plain []byte) ([]byte, error) {
	p.inner.Reset(nil, scan.Limits{Depth: p.fields.config.MaxDepth - depth}, nil)
	out, _, err := p.inner.Feed(dst, plain, math.MaxInt)
	if err == nil {
		out, err = p.inner.Finish(out)
	}
	if err != nil {
		return out, causePlain
	}
	return out, nil
}
