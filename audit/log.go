package audit

import (
	"net/http"
	"runtime/debug"
	"time"
)

// Wrap opens a record for each request and writes it at the last moment when the answer can still
// change: before the final WriteHeader, Write, Flush, ReadFrom or Hijack takes effect, or when next
// returns or panics. A 1xx answer other than 101 is not final. Wrap stands outermost; a second Wrap
// further in passes requests through.
//
// If the sink does not take the record, the answer becomes 503 with Retry-After, nothing of the
// handler's header and body leaves, and its further writes fail. From then on requests are refused
// with 503 before the handler, and the record of such a refusal is the probe: once the sink has
// taken one, requests pass again.
//
// A panic in next is recorded and answered with 500, or, when the header is out, the connection is
// cut with http.ErrAbortHandler; the panic's value goes nowhere. A panic with http.ErrAbortHandler
// is recorded and passes.
//
// The writer that next gets is an http.Flusher, http.Hijacker and io.ReaderFrom exactly when the
// server's is, and works with http.ResponseController. A layer inside that answers while the
// handler still runs, as http.TimeoutHandler does, races with the router for r.Pattern: bound time
// with contexts and server timeouts instead.
func (l *Log) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		c, r := l.open(w, r)
		defer c.close()
		if c.shut != nil {
			write(c.writer(), r, c.shut)
			return
		}
		next.ServeHTTP(c.writer(), r)
	})
}

// Start opens a record for an adapter that has no http.Handler to wrap: go on with the request it
// returns, ask Decide(r, err) after each decision and once with nil before the handler, and call
// the returned function with the status before the first byte leaves. Its error is a *Refusal for
// Answer: send that instead. Further calls give the same error and record nothing, so
//
//	r, finish := trail.Start(r)
//	defer finish(http.StatusInternalServerError)
//
// records a panic, too. The adapter sets x-fapi-interaction-id on its own answers, from
// InteractionID. On a request that already has a record Start passes through.
func (l *Log) Start(r *http.Request) (*http.Request, func(status int) error) {
	if from(r.Context()) != nil {
		return r, func(int) error { return nil }
	}
	c, r := l.open(nil, r)
	return r, c.finish
}

// open makes the record and the copy of the request that carries it.
func (l *Log) open(w http.ResponseWriter, r *http.Request) (*record, *http.Request) {
	c := &record{Context: r.Context(), log: l, under: w, began: time.Now(), peer: r.RemoteAddr}
	c.id, c.replaced = interaction(r.Header)
	c.trace = traceID(r.Header)
	c.facts = c.room[:0]
	if w != nil {
		c.outer = outer(w.Header())
	}
	if l.sink.broken() {
		c.shut = sinkRefusal()
		c.refusal = c.shut
	}
	r = r.WithContext(c)
	c.req = r
	return c, r
}

// outer keeps what layers outside have set on the response, beyond what every answer of ours sets.
func outer(h http.Header) http.Header {
	n := len(h)
	if n == 0 {
		return nil
	}
	for _, name := range [...]string{interactionHeader, "Cache-Control"} {
		if _, ok := h[name]; ok {
			n--
		}
	}
	if n == 0 {
		return nil
	}
	return h.Clone()
}

// finish ends the record of an adapter.
func (c *record) finish(status int) error {
	c.gate.Lock()
	again := c.sent.Load()
	if !again {
		if c.commit(status, "") != nil {
			status = http.StatusServiceUnavailable
		}
		c.status = status
		c.sent.Store(true)
	}
	shut := c.shut
	c.gate.Unlock()
	if !again {
		c.over(false, nil)
	}
	if shut != nil {
		return shut
	}
	return nil
}

// close is deferred by Wrap: it ends the record and decides what becomes of a panic.
func (c *record) close() {
	p := recover()
	aborted := p == any(http.ErrAbortHandler) // the very value, as net/http compares
	panicked := p != nil && !aborted
	var stack []byte
	if panicked && c.log.done != nil {
		stack = debug.Stack()
	}
	cut := c.settle(p, aborted)
	if c.lost {
		dropTrailers(c.under.Header()) // they would go out behind our 503
	}
	c.over(panicked, stack)
	if cut {
		panic(http.ErrAbortHandler) // never p: its value may hold secrets
	}
}

// settle gives the handler's end an answer where there is none yet, and says whether the
// connection must be cut so that half an answer is not taken for a whole one.
func (c *record) settle(p any, aborted bool) (cut bool) {
	switch {
	case p == nil:
		c.begin(http.StatusOK)
		return false
	case c.sent.Load():
		if !aborted {
			c.deny(panicRefusal(p))
		}
		return !c.lost // our own 503 is whole
	case aborted:
		c.gate.Lock()
		defer c.gate.Unlock()
		_ = c.commit(0, keyAborted) // there is no answer left to change
		return true
	}
	f := panicRefusal(p)
	c.deny(f)
	c.reset()
	write(c.writer(), c.request(), f)
	return false
}
