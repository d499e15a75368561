package audit

import (
	"errors"
	"net/http"
	"path"
	"reflect"
	"strings"
)

// Ahead takes the record of a request before next runs, for routes that must not run unrecorded:
// if the sink does not take it the answer is 503 and next is not called. The record then has no
// status and says `ahead`; the outcome goes to Config.Done. Without a Log outside it refuses with
// ErrMisplaced.
func Ahead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := from(r.Context())
		if c == nil {
			Refused(w, r, &Refusal{Reason: ErrMisplaced, Cause: errors.New("audit: Ahead without Log.Wrap"),
				Status: http.StatusInternalServerError, Detail: "internal error", Final: true})
			return
		}
		Follow(r)
		if c.ahead() != nil {
			Refused(w, r, Decide(r, nil))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *record) ahead() error {
	c.gate.Lock()
	defer c.gate.Unlock()
	return c.commit(0, keyAhead)
}

// NotFound serves mux, with problems in place of what mux itself would say: its 404, and its 405
// with the same Allow. Its own redirects, to a cleaned path or a trailing slash, are 404 as well:
// they would reflect the client's path, and an API has one name for a thing. Handlers registered
// on mux are served untouched.
func NotFound(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		switch {
		case pattern == "":
			Refused(w, r, unrouted(h, r))
		case redirects(h, pattern, r):
			Refused(w, r, notFound())
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func notFound() *Refusal {
	return &Refusal{Reason: ErrNotFound, Status: http.StatusNotFound, Detail: "there is no such resource", Final: true}
}

// unrouted asks the handler that mux made up whether it says 404 or 405.
func unrouted(h http.Handler, r *http.Request) *Refusal {
	said := recorder{header: http.Header{}}
	h.ServeHTTP(&said, r)
	if said.status != http.StatusMethodNotAllowed {
		return notFound()
	}
	return &Refusal{Reason: ErrMethodNotAllowed, Status: said.status, Detail: "the resource has no such method",
		Header: http.Header{"Allow": said.header["Allow"]}, Final: true}
}

// redirects reports whether h is a redirect of the mux's own. Paths are compared as sent, since the
// mux matches them so.
func redirects(h http.Handler, pattern string, r *http.Request) bool {
	if r.Method == http.MethodConnect { // not cleaned; nothing else tells its redirect from a handler
		return reflect.TypeOf(h) == reflect.TypeOf(http.RedirectHandler("", http.StatusMovedPermanently))
	}
	sent := r.URL.EscapedPath()
	if sent != cleaned(sent) {
		return true
	}
	// A pattern matches a path with at least as many segments, except when the mux would add the
	// slash that the path lacks.
	return strings.Count(pattern, "/") > strings.Count(sent, "/")
}

// cleaned gives the path that http.ServeMux would redirect to.
func cleaned(p string) string {
	if p == "" || p[0] != '/' {
		p = "/" + p
	}
	clean := path.Clean(p)
	if p[len(p)-1] == '/' && clean != "/" {
		clean += "/"
	}
	return clean
}

// recorder is a response nobody gets.
type recorder struct {
	header http.Header
	status int
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (w *recorder) WriteHeader(status int)      { w.status = status }
