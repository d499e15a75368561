package audit

import (
	"net/http"
	"slices"
	"strconv"
)

const (
	interactionHeader = "X-Fapi-Interaction-Id"

	// retryAfter is for outages whose door names no time of its own, in seconds.
	retryAfter = "5"

	maxDetail = 512
	maxCode   = 64
)

// Problem is what the body of a refusal says (RFC 9457 section 3.1, type about:blank).
type Problem struct {
	Status int
	Title  string // the status's own phrase
	Detail string // one constant sentence, or empty
	Code   string // the refusal's Code, or empty
}

// stale are the fields that speak of the answer which a refusal replaces.
var stale = [...]string{
	"Accept-Ranges", "Age", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language",
	"Content-Length", "Content-Location", "Content-Range", "Digest", "Etag", "Expires", "Last-Modified",
	"Location", "Pragma", "Repr-Digest", "Trailer", "Transfer-Encoding",
}

// Answer gives the exact answer to a refusal, for adapters that have no http.ResponseWriter; Refused
// sends the same. The header is made for this call, its keys are canonical; it holds the
// refusal's own fields, Content-Type application/problem+json, Cache-Control: no-store,
// x-fapi-interaction-id when the request has a record, Retry-After on every 503, and a challenge
// on every 401 (RFC 9110 section 15.5.2) and every 403 insufficient_scope (RFC 6750 section 3.1).
// The body is nil for HEAD. A status outside 400 to 599 is answered as 500.
func Answer(r *http.Request, f *Refusal) (status int, header http.Header, body []byte) {
	if f == nil {
		f = refusalOf(nil)
	}
	c := from(r.Context())
	p := problemOf(f)
	contentType, body := p.body(c, r)
	h := make(http.Header, len(f.Header)+5)
	for name, values := range f.Header {
		if name = http.CanonicalHeaderKey(name); !slices.Contains(stale[:], name) {
			if kept := sendable(values); len(kept) > 0 {
				h[name] = kept
			}
		}
	}
	if len(h["Www-Authenticate"]) == 0 {
		if lines := challenges(c, p.Status, p.Code); len(lines) > 0 {
			h["Www-Authenticate"] = lines
		}
	}
	if p.Status == http.StatusServiceUnavailable && len(h["Retry-After"]) == 0 {
		h["Retry-After"] = []string{retryAfter}
	}
	h["Content-Type"] = []string{contentType}
	h["Cache-Control"] = []string{"no-store"}
	delete(h, interactionHeader)
	if c != nil {
		h[interactionHeader] = []string{c.id}
	}
	if r.Method == http.MethodHead {
		body = nil
	}
	return p.Status, h, body
}

// write is the one place from which a status of 400 and above is sent.
func write(w http.ResponseWriter, r *http.Request, f *Refusal) {
	status, header, body := Answer(r, f)
	h := w.Header()
	if len(h) > 0 {
		for _, name := range stale {
			delete(h, name)
		}
		dropTrailers(h)
	}
	for name, values := range header {
		h[name] = values
	}
	w.WriteHeader(status)
	if len(body) > 0 {
		_, _ = w.Write(body) // the client may be gone; the refusal is recorded
	}
}

// challenges completes a refusal that must carry one.
func challenges(c *record, status int, code string) []string {
	scope := status == http.StatusForbidden && code == "insufficient_scope"
	if status != http.StatusUnauthorized && !scope {
		return nil
	}
	if c != nil {
		c.mu.Lock()
		complete := c.complete
		c.mu.Unlock()
		if complete != nil {
			if lines := sendable(complete(code)); len(lines) > 0 {
				return lines
			}
		}
	}
	if scope {
		return []string{`Bearer realm="api", error="insufficient_scope"`}
	}
	return []string{`Bearer realm="api"`}
}

// sendable copies the values that are field values (RFC 9110 section 5.5): a line break in one
// would start a field of somebody else's choice.
func sendable(values []string) []string {
	kept := make([]string, 0, len(values))
next:
	for _, v := range values {
		for i := range len(v) {
			if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
				continue next
			}
		}
		if v != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

func problemOf(f *Refusal) Problem {
	p := Problem{Status: f.Status, Detail: string(f.Detail), Code: f.Code}
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	p.Title = http.StatusText(p.Status)
	if len(p.Detail) > maxDetail {
		p.Detail = ""
	}
	if !isName(p.Code, maxCode) {
		p.Code = ""
	}
	return p
}

// body asks the configured writer of bodies first, and trusts it with nothing but the body.
func (p Problem) body(c *record, r *http.Request) (contentType string, body []byte) {
	if c != nil && c.log.body != nil {
		if contentType, body = c.log.render(r, p); len(sendable([]string{contentType})) == 1 {
			return contentType, body
		}
	}
	return "application/problem+json", p.json()
}

func (l *Log) render(r *http.Request, p Problem) (contentType string, body []byte) {
	defer func() {
		if recover() != nil {
			contentType, body = "", nil
		}
	}()
	return l.body(r, p)
}

func (p Problem) json() []byte {
	b := make([]byte, 0, 256)
	b = append(b, '{')
	if p.Title != "" {
		b = appendString(append(b, `"title":`...), p.Title)
		b = append(b, ',')
	}
	b = strconv.AppendInt(append(b, `"status":`...), int64(p.Status), 10)
	if p.Detail != "" {
		b = appendString(append(b, `,"detail":`...), p.Detail)
	}
	if p.Code != "" {
		b = appendString(append(b, `,"code":`...), p.Code)
	}
	return append(b, '}')
}
