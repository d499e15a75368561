package replay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Answer is the answer to a request, as far as it is kept.
type Answer struct {
	Status int // 200 to 399
	Header http.Header
	Body   []byte
}

// keptFields are what is always kept of a header: what describes the body and what was made.
var keptFields = [...]string{
	"Cache-Control", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Location",
	"Content-Type", "Etag", "Last-Modified", "Link", "Location", "Repr-Digest",
}

// freshFields belong to one exchange, and are never kept: what makes a session or answers a challenge
// was made for one request, and what speaks of time or the connection would be wrong.
var freshFields = [...]string{
	"Authentication-Info", "Connection", "Content-Length", "Date", "Dpop-Nonce", "Keep-Alive", "Proxy-Authenticate",
	"Proxy-Authentication-Info", "Ratelimit", "Ratelimit-Policy", "Retry-After", "Set-Cookie", "Set-Cookie2", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade", "Www-Authenticate", "X-Fapi-Interaction-Id",
}

const (
	answerVersion = 1
	answerKept    = 1
	answerNotKept = 2 // the request ran, and its answer was too large
)

// notKept stands for an answer that is not kept.
var notKept = [...]byte{answerVersion, answerNotKept}

// marshal writes the answer with those fields of its header that are in keep.
func (a *Answer) marshal(keep map[string]bool) []byte {
	var names []string
	for name := range a.Header {
		if keep[name] && len(a.Header[name]) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	b := make([]byte, 0, len(a.Body)+512)
	b = append(b, answerVersion, answerKept)
	b = binary.BigEndian.AppendUint16(b, uint16(a.Status))
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		b = appendPart(b, name)
		b = binary.AppendUvarint(b, uint64(len(a.Header[name])))
		for _, value := range a.Header[name] {
			b = appendPart(b, value)
		}
	}
	return append(b, a.Body...)
}

var (
	errAnswerForm = errors.New("replay: what the store holds is no answer")
	errAnswerGone = errors.New("replay: the answer was not kept")
)

// unmarshalAnswer reads what marshal wrote, and nothing else: a store is shared, and what comes from it
// becomes a header.
func unmarshalAnswer(b []byte, keep map[string]bool) (*Answer, error) {
	if bytes.Equal(b, notKept[:]) {
		return nil, errAnswerGone
	}
	if len(b) < 5 || b[0] != answerVersion || b[1] != answerKept {
		return nil, errAnswerForm
	}
	a := &Answer{Status: int(binary.BigEndian.Uint16(b[2:])), Header: http.Header{}}
	rest := partReader{b[4:], true}
	for range rest.count() {
		name := rest.part()
		n := rest.count()
		for range n {
			value := rest.part()
			if !isFieldValue(value) {
				return nil, errAnswerForm
			}
			a.Header[name] = append(a.Header[name], value)
		}
	}
	a.Body = rest.b
	if !rest.ok || a.Status < 200 || a.Status > 399 || !bytes.Equal(b, a.marshal(keep)) {
		return nil, errAnswerForm
	}
	return a, nil
}

// partReader reads parts that stand behind their length.
type partReader struct {
	b  []byte
	ok bool
}

// count reads a number of things, each of which takes a byte at least.
func (r *partReader) count() int {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > uint64(len(r.b)-size) {
		r.b, r.ok = nil, false
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

func (r *partReader) part() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// isFieldValue is RFC 9110 §5.5: a line break in a value would begin a field.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isFieldName is a token of RFC 9110 §5.6.2.
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// canonical is how http.Header names a field.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }
