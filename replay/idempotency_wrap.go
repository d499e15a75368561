package replay

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// effectKey leads to what a handler says of its effect.
type effectKey struct{}

// NoEffect says, in a handler inside [Idempotency.Wrap], that the request had no effect although its
// answer will have a status of 500 or above: its key may be used again. It counts for
// such an answer only, not for a panic. Elsewhere it does nothing.
func NoEffect(ctx context.Context) {
	if none, ok := ctx.Value(effectKey{}).(*atomic.Bool); ok {
		none.Store(true)
	}
}

// Wrap runs next once for each key, and answers from what is kept otherwise.
//
// The ResponseWriter that next gets holds the answer back until next returns, or until it is larger than
// MaxAnswer. It can set deadlines, but neither flush nor be unwrapped nor hijacked; trailers are lost.
func (i *Idempotency) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := i.Begin(r)
		if audit.Refused(w, r, err) {
			return
		}
		if a.Answer != nil {
			audit.Add(r.Context(), slog.String(control, "kept answer"))
			(&keeper{under: w, header: http.Header{}}).resend(a.Answer)
			return
		}
		if a.run == nil {
			if a.Request != r {
				audit.Follow(a.Request)
			}
			next.ServeHTTP(w, a.Request)
			return
		}
		none := new(atomic.Bool)
		in := a.Request.WithContext(context.WithValue(r.Context(), effectKey{}, none))
		audit.Follow(in)
		k := &keeper{under: w, attempt: a, ctx: r.Context(), header: w.Header().Clone(), none: none}
		if k.header == nil {
			k.header = http.Header{}
		}
		k.serve(next, in)
	})
}

// keeper is the http.ResponseWriter that holds an answer back.
type keeper struct {
	under   http.ResponseWriter
	attempt *Attempt
	ctx     context.Context
	none    *atomic.Bool
	header  http.Header // as the handler sees it

	mu      sync.Mutex
	status  int         // 0: not yet
	answer  http.Header // the header as of WriteHeader
	body    []byte
	through bool // the answer was too large, and goes straight on
	over    bool // the handler has returned
}

// serve runs next. What panics leaves nothing behind but a key of unknown outcome.
func (k *keeper) serve(next http.Handler, r *http.Request) {
	returned := false
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.over = true
		if !returned && !k.through {
			k.settle(k.attempt.Abandon(k.ctx))
		}
	}()
	next.ServeHTTP(k, r)
	returned = true
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writeHeader(http.StatusOK)
	if !k.through {
		k.keep(false)
		k.send()
	}
}

// keep tells the store what came of the request, before the client is told.
func (k *keeper) keep(large bool) {
	if k.status >= 500 && k.none.Load() {
		k.settle(k.attempt.Forget(k.ctx))
		return
	}
	k.settle(k.attempt.finish(k.ctx, Answer{Status: k.status, Header: k.answer, Body: k.body}, large))
}

// settle records that the store failed. The client is told what came of its request all the same.
func (k *keeper) settle(err error) {
	if err != nil {
		audit.Add(k.ctx, slog.String(control, "outcome not stored"))
	}
}

// Header is the header of the answer.
func (k *keeper) Header() http.Header { return k.header }

// WriteHeader notes the status.
func (k *keeper) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("replay: invalid WriteHeader code %d", status))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.over || k.status != 0:
	case status < 200 && status != http.StatusSwitchingProtocols:
		maps.Copy(k.under.Header(), k.header)
		k.under.WriteHeader(status) // not yet the answer (RFC 9110 §15.2)
	default:
		k.writeHeader(status)
	}
}

func (k *keeper) writeHeader(status int) {
	if k.status == 0 {
		k.status, k.answer = status, k.header.Clone()
	}
}

// Write takes a piece of the body.
func (k *keeper) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return 0, http.ErrHandlerTimeout
	}
	k.writeHeader(http.StatusOK)
	switch {
	case bodyless(k.status):
		return 0, http.ErrBodyNotAllowed
	case k.through:
		return k.under.Write(p)
	case len(k.body)+len(p) > k.attempt.by.c.MaxAnswer:
		k.keep(true)
		k.through = true
		k.send()
		return k.under.Write(p)
	}
	k.body = append(k.body, p...)
	return len(p), nil
}

// bodyless says whether the status allows no body (RFC 9110 §6.4.1).
func bodyless(status int) bool {
	return status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}

// send lets out what was held back.
func (k *keeper) send() {
	h := k.under.Header()
	clear(h)
	maps.Copy(h, k.answer)
	// A kept answer has no trailers: the first one has none either, and announces none.
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		return name == "Trailer" || strings.HasPrefix(name, http.TrailerPrefix)
	})
	k.under.WriteHeader(k.status)
	if len(k.body) > 0 {
		_, _ = k.under.Write(k.body) // the client may be gone; what happened is kept
	}
}

// resend sends a kept answer, with the fields that outer layers have set for this exchange.
func (k *keeper) resend(a *Answer) {
	h := k.under.Header()
	maps.Copy(h, a.Header)
	if !bodyless(a.Status) {
		h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	k.under.WriteHeader(a.Status)
	if len(a.Body) > 0 && !bodyless(a.Status) {
		_, _ = k.under.Write(a.Body)
	}
}

// SetReadDeadline is for http.ResponseController.
func (k *keeper) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(k.under).SetReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController.
func (k *keeper) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(k.under).SetWriteDeadline(t)
}
