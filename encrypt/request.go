package encrypt

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// stale are fields that speak of the content as it was sent.
var stale = [...]string{"Content-Digest", "Repr-Digest", "Digest", "Content-Md5"}

// staleTrailers are the same as a handler announces them when the header is out.
var staleTrailers = [len(stale)]string{http.TrailerPrefix + "Content-Digest", http.TrailerPrefix + "Repr-Digest",
	http.TrailerPrefix + "Digest", http.TrailerPrefix + "Content-Md5"}

// OpenBody reads the body of r, within MaxBody, and opens the fields of Config.Open. It returns a
// copy of the request with the body that the handler shall see, or r itself if there is nothing
// to do: no body, or no rule. On an error, mostly an *audit.Refusal, the request it returns has
// the body as it was sent, for a caller whose report-only waives the refusal.
func (f *Fields) OpenBody(r *http.Request) (*http.Request, error) {
	b, err := f.binding(r)
	if err != nil {
		return r, err
	}
	return f.openBody(r, b)
}

func (f *Fields) openBody(r *http.Request, b Binding) (*http.Request, error) {
	if f.open.rules.Len() == 0 || r.Body == nil || r.Body == http.NoBody {
		return r, nil // a length of 0 is no proof: with a body it also means unknown
	}
	began := time.Now()
	out, err := f.opened(r, b)
	audit.Step(r.Context(), "encrypt.open", began, reasonOf(err))
	return out, err
}

func (f *Fields) opened(r *http.Request, b Binding) (*http.Request, error) {
	if len(r.Header["Content-Encoding"]) > 0 {
		return r, coded()
	}
	var ok bool
	if b.MediaType, ok = media(r.Header["Content-Type"]); !ok && r.ContentLength > 0 {
		return r, unsupported()
	}
	sent, err := f.read(r)
	if err != nil {
		return withBody(r, io.MultiReader(bytes.NewReader(sent), r.Body), r.ContentLength), err
	}
	if len(sent) == 0 {
		return withBody(r, http.NoBody, 0), nil
	}
	if !ok {
		return withBody(r, bytes.NewReader(sent), r.ContentLength), unsupported()
	}
	b.Recipient = nil
	p := f.pass(r.Context(), &f.open, opening, b)
	defer p.release()
	body, err := p.whole(make([]byte, 0, len(sent)), sent)
	if err != nil {
		clear(body)
		return withBody(r, bytes.NewReader(sent), r.ContentLength), uniform(ofRequest(err))
	}
	out := withBody(r, bytes.NewReader(body), int64(len(body)))
	if !bytes.Equal(body, sent) {
		describe(out, r, len(body))
	}
	return out, nil
}

// read reads the whole body, if it is within the limit.
func (f *Fields) read(r *http.Request) ([]byte, error) {
	if r.ContentLength > f.config.MaxBody {
		return nil, tooLarge(nil)
	}
	var buf bytes.Buffer
	// A length that is only announced is not believed beyond the first pages.
	buf.Grow(int(min(max(r.ContentLength, 0), 32<<10)) + bytes.MinRead)
	_, err := buf.ReadFrom(io.LimitReader(r.Body, f.config.MaxBody+1))
	var limit *http.MaxBytesError
	switch {
	case int64(buf.Len()) > f.config.MaxBody, errors.As(err, &limit):
		return buf.Bytes(), tooLarge(err)
	case err != nil:
		return buf.Bytes(), &audit.Refusal{Reason: ErrBody, Cause: err, Status: http.StatusBadRequest,
			Code: "invalid_request", Detail: "the body could not be read"}
	}
	return buf.Bytes(), nil
}

// withBody copies the request and gives the copy another body.
func withBody(r *http.Request, body io.Reader, length int64) *http.Request {
	out := r.WithContext(r.Context())
	out.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	out.ContentLength = length
	if length >= 0 {
		out.TransferEncoding = nil
	}
	return out
}

// describe corrects the fields that speak of the body.
func describe(out, r *http.Request, length int) {
	out.Header = without(r.Header, stale[:]...)
	if len(r.Trailer) > 0 {
		out.Trailer = without(r.Trailer, stale[:]...)
	}
	if len(r.Header["Content-Length"]) > 0 {
		out.Header.Set("Content-Length", strconv.Itoa(length))
	}
}

// without copies a header without some fields. Values are shared and not changed.
func without(h http.Header, names ...string) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		out[name] = values
	}
	for _, name := range names {
		delete(out, name)
	}
	return out
}

// partial are fields with which a client asks for another form, or only a part, of the content.
// What a handler would make of them could not be read field by field.
var partial = [...]string{"Range", "If-Range", "Accept-Encoding"}

// whole copies the request without them, if it has any.
func whole(r *http.Request) *http.Request {
	for _, name := range partial {
		if _, ok := r.Header[name]; ok {
			out := r.WithContext(r.Context())
			out.Header = without(r.Header, partial[:]...)
			return out
		}
	}
	return r
}
