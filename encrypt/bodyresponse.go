package encrypt

import (
	"net/http"
	"sync"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// bodyResponse is the http.ResponseWriter of a handler whose answer is sealed whole.
type bodyResponse struct {
	under   http.ResponseWriter
	request *http.Request
	bodies  *Bodies
	binding Binding

	mu     sync.Mutex
	status int
	body   []byte
	fault  error
	closed bool
}

// Header is the header of the response.
func (w *bodyResponse) Header() http.Header { return w.under.Header() }

// WriteHeader notes the status.
func (w *bodyResponse) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *bodyResponse) writeHeader(status int) {
	switch {
	case w.closed || w.status != 0:
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		w.under.WriteHeader(status) // not yet the answer (RFC 9110 §15.2)
	default:
		w.status = status
	}
}

// Write takes a piece of the body.
func (w *bodyResponse) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, http.ErrHandlerTimeout
	}
	w.writeHeader(http.StatusOK)
	switch {
	case w.fault != nil:
		return 0, w.fault
	case w.request.Method == http.MethodHead:
		return len(p), nil
	case bodyless(w.status):
		return 0, http.ErrBodyNotAllowed
	case int64(len(w.body)+len(p)) > w.bodies.config.MaxBody:
		w.fault = unsealed(why("body too large"))
		return 0, w.fault
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// SetReadDeadline is the server's, for http.ResponseController.
func (w *bodyResponse) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(w.under).SetReadDeadline(t)
}

// SetWriteDeadline is the server's, for http.ResponseController.
func (w *bodyResponse) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(w.under).SetWriteDeadline(t)
}

// finish seals what there is and sends it.
func (w *bodyResponse) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	defer clear(w.body)
	began := time.Now()
	out, err := w.sealed()
	if len(w.body) > 0 || err != nil {
		audit.Step(w.request.Context(), "encrypt.seal", began, reasonOf(err))
	}
	if audit.Refused(w.under, w.request, err) {
		return
	}
	amend(w.under.Header())
	if w.status != 0 { // else the server will say 200
		w.under.WriteHeader(w.status)
	}
	if len(out) > 0 {
		_, _ = w.under.Write(out) // that the client is gone is no fault of the answer
	}
}

// sealed gives the body as it leaves, and says what it is in the header.
func (w *bodyResponse) sealed() ([]byte, error) {
	h := w.under.Header()
	head := w.request.Method == http.MethodHead && !bodyless(w.status)
	if w.fault != nil || len(w.body) == 0 && !head {
		return nil, w.fault
	}
	if w.status == http.StatusPartialContent || len(h["Content-Range"]) > 0 {
		return nil, unsealed(why("a part of a body"))
	}
	if len(h["Content-Encoding"]) > 0 {
		return nil, unsealed(why("a body with a content coding"))
	}
	contentType, mediaType, ok := contentTypeOf(h["Content-Type"])
	if !ok {
		return nil, unsealed(why("a Content-Type that cannot be read"))
	}
	if len(w.body) == 0 {
		h["Content-Type"] = []string{w.bodies.config.MediaType}
		return nil, nil
	}
	out, err := w.bodies.seal(w.request.Context(), w.body, contentType, mediaType, w.binding)
	if err == nil {
		h["Content-Type"] = []string{w.bodies.config.MediaType}
	}
	return out, err
}
