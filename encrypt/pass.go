package encrypt

import (
	"context"
	"math"
	"net/http"
	"sync"

	"github.com/tegata-go/tegata/encrypt/internal/scan"
)

// keepBytes is the size up to which a buffer is kept for the next message.
const keepBytes = 64 << 10

// direction is what responses, or requests, have in common.
type direction struct {
	rules *scan.Rules
	plain [][]byte // headers by rule for application/json bound to nothing else, under the Keyring
	pool  sync.Pool
}

// mode is what a pass does with the values that rules name.
type mode uint8

const (
	sealing mode = iota
	opening
	resealing
)

// pass is one message on its way through the rules of one direction.
type pass struct {
	ctx       context.Context // of the message, for the Keys
	fields    *Fields
	direction *direction
	mode      mode
	binding   Binding
	plain     bool          // bound to nothing but application/json, under the Keyring
	request   *http.Request // of a response; nil for SealJSON

	scanner scan.Scanner
	inner   scan.Scanner // of what was inside a sealed value
	inside  bool         // there was one
	headers [][]byte     // by rule, for this binding; empty: not made yet
	ivs     ivs
	work    []byte // what goes in and out of the cipher
	out     []byte // what a response holds back

	content *content // what seals; nil before the first value
	last    struct { // what opened last
		alg, kid     string
		encryptedKey []byte
		content      *content
		today        bool // it would seal today
		current      bool // and so was the value sealed
	}
	unwrapped map[string]*content // by envelope, what private keys opened
	watch     watch
}

// pass takes a pass from the pool.
func (f *Fields) pass(ctx context.Context, d *direction, m mode, b Binding) *pass {
	p, _ := d.pool.Get().(*pass)
	if p == nil {
		p = &pass{fields: f, direction: d, headers: make([][]byte, d.rules.Len())}
		p.reset()
	}
	p.ctx, p.mode, p.binding, p.plain = ctx, m, b, f.ring != nil && b == (Binding{MediaType: jsonType})
	if m == sealing {
		var w scan.Watcher
		if f.config.Found != nil {
			w = p
		}
		p.scanner.Watch(w, f.guarded)
	}
	return p
}

// reset prepares the scanner for the next message.
func (p *pass) reset() {
	limits := scan.Limits{Depth: p.fields.config.MaxDepth, Value: p.fields.config.MaxValue}
	// A sealed value, which a response may hold too, is a third longer and has a header.
	limits.Value = (limits.Value+ivSize+tagSize+2)/3*4 + maxHeaderText + maxKeyOf(p.fields.config.Keys) + len(p.fields.before) + 16
	p.scanner.Reset(p.direction.rules, limits, p)
}

// release gives the pass back; nothing of the message stays in its buffers.
func (p *pass) release() {
	p.reset()
	if p.inside {
		p.inner.Reset(nil, scan.Limits{}, nil)
		p.inside = false
	}
	p.work, p.out = wiped(p.work), wiped(p.out)
	p.ivs.drop()
	p.forget()
	p.ctx, p.binding, p.request, p.content, p.watch = nil, Binding{}, nil, nil, watch{}
	p.last.content = nil
	clear(p.unwrapped)
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
	dst, _, err := p.feed(dst, src, math.MaxInt)
	if err != nil {
		return dst, err
	}
	return p.scanner.Finish(dst)
}

// feed reads a piece.
func (p *pass) feed(dst, src []byte, room int) (out []byte, n int, err error) {
	out, n, err = p.scanner.Feed(dst, src, room)
	p.ivs.drop()
	return out, n, err
}

// forget drops the headers that were made.
func (p *pass) forget() {
	for i := range p.headers {
		p.headers[i] = p.headers[i][:0]
	}
}

// seals gives the content that seals the next value: one for the whole message, unless its bounds are reached.
func (p *pass) seals() (c *content, err error) {
	if p.content != nil && p.content.bounds.use() {
		return p.content, nil
	}
	if to := p.binding.Recipient; to != nil {
		if c, err = to.sealing(); err != nil {
			err = unsealed(err)
		}
	} else {
		c, err = p.fields.config.Keys.seals(p.ctx, Place{Client: p.binding.Client, Record: p.binding.Record})
		if p.fields.ring == nil {
			p.forget() // they were of another key
		}
	}
	p.content = c
	return c, err
}

// header gives the first part of values that the rule names, as they are sealed in this message. Under a
// Keyring it is the same in every message.
func (p *pass) header(rule int) []byte {
	if p.plain {
		return p.direction.plain[rule]
	}
	if len(p.headers[rule]) == 0 {
		from := p.content
		if p.fields.ring != nil && p.binding.Recipient == nil {
			from = &p.fields.ring.keys[0].own
		}
		p.headers[rule] = from.header(p.headers[rule], p.direction.rules.Text(rule), p.binding)
	}
	return p.headers[rule]
}

// value appends what was inside a sealed value, which must be one JSON value: whoever has the
// key could otherwise write members of their own around the field.
func (p *pass) value(dst []byte, depth int, plain []byte) ([]byte, error) {
	p.inside = true
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
