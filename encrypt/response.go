package encrypt

import (
	"net/http"
	"sync"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// holdBack is how much checked body is kept before the header leaves, and the size of a piece.
const holdBack = 16 << 10

// response is the http.ResponseWriter that a handler sees. The mutex lets the buffers go back to
// the pool although a handler may have left a goroutine behind that still writes.
type response struct {
	under   http.ResponseWriter
	request *http.Request
	fields  *Fields
	binding Binding

	mu     sync.Mutex
	pass   *pass  // from the first byte of the body on
	status int    // as the handler said; 0: not yet
	media  string // what the header said when it was judged
	judged error
	sent   bool  // the header is out
	fault  error // why nothing more may leave
	lost   error // why nothing more can leave: the connection's own error
	closed bool
	began  time.Time
}

func newResponse(f *Fields, w http.ResponseWriter, r *http.Request, b Binding) *response {
	return &response{under: w, request: r, fields: f, binding: b}
}

// Header is the header of the response.
func (w *response) Header() http.Header { return w.under.Header() }

// WriteHeader notes the status; it leaves with the first bytes that were checked.
func (w *response) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *response) writeHeader(status int) {
	switch {
	case w.closed || w.stop() != nil || w.status != 0:
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		w.under.WriteHeader(status) // not yet the answer (RFC 9110 §15.2)
	default:
		w.status = status
	}
}

// stop gives the error that ended the response early.
func (w *response) stop() error {
	if w.fault != nil {
		return w.fault
	}
	return w.lost
}

// Write takes a piece of the body.
func (w *response) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, http.ErrHandlerTimeout
	}
	w.writeHeader(http.StatusOK)
	switch {
	case w.stop() != nil:
		return 0, w.stop()
	case w.request.Method == http.MethodHead:
		return len(p), nil
	case bodyless(w.status):
		return 0, http.ErrBodyNotAllowed
	case len(p) == 0:
		return 0, nil
	}
	w.fault = w.take(p)
	if err := w.stop(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// bodyless says whether a status allows no body (RFC 9110 §6.4.1).
func bodyless(status int) bool {
	return status != 0 && status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}

// take seals a piece of the body and sends what is more than is held back.
func (w *response) take(p []byte) error {
	if w.pass == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	for len(p) > 0 && w.lost == nil {
		var n int
		var err error
		w.pass.out, n, err = w.pass.feed(w.pass.out, p[:min(len(p), holdBack)], holdBack)
		if err != nil {
			return ofResponse(err)
		}
		p = p[n:]
		if len(w.pass.out) >= holdBack {
			if err := w.send(); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin judges the header when there is a body.
func (w *response) begin() error {
	w.began = time.Now()
	if !w.sent {
		w.media, w.judged = judge(w.status, w.under.Header())
	}
	if w.judged != nil {
		return w.judged
	}
	w.binding.MediaType = w.media
	w.pass = w.fields.pass(w.request.Context(), &w.fields.seal, sealing, w.binding)
	w.pass.request = w.request
	return nil
}

// commit lets the header out.
func (w *response) commit() error {
	if w.sent {
		return nil
	}
	media, err := judge(w.status, w.under.Header())
	if w.pass != nil && (err != nil || media != w.media) {
		return unsealed(why("the header changed under the body"))
	}
	w.media, w.judged, w.sent = media, err, true
	amend(w.under.Header())
	w.under.WriteHeader(w.status)
	return nil
}

// send lets out what was checked.
func (w *response) send() error {
	if err := w.commit(); err != nil || w.pass == nil || len(w.pass.out) == 0 {
		return err
	}
	_, w.lost = w.under.Write(w.pass.out)
	w.pass.out = w.pass.out[:0]
	return nil
}

// Flush sends what was checked so far. A value that a rule names leaves only when it is whole.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *response) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return http.ErrHandlerTimeout
	}
	w.writeHeader(http.StatusOK)
	if w.stop() == nil {
		w.fault = w.send()
	}
	if err := w.stop(); err != nil {
		return err
	}
	return http.NewResponseController(w.under).Flush()
}

// SetReadDeadline is the server's, for http.ResponseController.
func (w *response) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(w.under).SetReadDeadline(t)
}

// SetWriteDeadline is the server's, for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(w.under).SetWriteDeadline(t)
}

// EnableFullDuplex is the server's, for http.ResponseController.
func (w *response) EnableFullDuplex() error {
	return http.NewResponseController(w.under).EnableFullDuplex()
}

// finish ends the response when the handler has returned. It runs on the server's goroutine, the
// only one that may panic: what a fault left unfinished is cut there.
func (w *response) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop() == nil {
		w.fault = w.complete()
	}
	if w.pass != nil || w.fault != nil {
		audit.Step(w.request.Context(), "encrypt.seal", w.began, reasonOf(w.fault))
	}
	switch {
	case w.fault == nil:
	case w.sent:
		_ = audit.Decide(w.request, w.fault) // final: nothing waives it
		panic(http.ErrAbortHandler)
	default:
		audit.Refused(w.under, w.request, w.fault)
	}
}

// complete checks that the body is whole and lets out the rest.
func (w *response) complete() error {
	if w.pass != nil {
		var err error
		if w.pass.out, err = w.pass.scanner.Finish(w.pass.out); err != nil {
			return ofResponse(err)
		}
	}
	if w.status != 0 { // else the server will say 200
		if err := w.send(); err != nil {
			return err
		}
	}
	amend(w.under.Header()) // what was set since may leave as trailers
	return nil
}

// release takes the buffers back, also when the handler has panicked.
func (w *response) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.pass != nil {
		w.pass.release()
		w.pass = nil
	}
}
