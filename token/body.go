package token

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
)

const (
	defaultBody = 1 << 20
	limitBody   = 1 << 30
)

// BodyPolicy decides about the body of a request whose caller is known and whose head was not refused. Body is empty
// when there is none; it must be neither changed nor kept. The Body of the request is not to be read.
type BodyPolicy func(r *http.Request, g Grant, body []byte) error

// RequireBody lets a request through only when policy has nothing against its body, of at most 1 MiB. It stands
// inside [Require], so that no body is read for a caller who may not come here, and inside encrypt.Fields.Wrap when
// fields of the body are sealed. The handler reads the same bytes. It panics when policy is nil.
func RequireBody(policy BodyPolicy) func(http.Handler) http.Handler {
	return RequireBodyWithin(defaultBody, policy)
}

// RequireBodyWithin is RequireBody with another limit, in bytes, of at most 1 GiB. More is 413.
func RequireBodyWithin(limit int64, policy BodyPolicy) func(http.Handler) http.Handler {
	if policy == nil || limit < 1 || limit > limitBody {
		panic("token: RequireBody: nil policy, or a limit that is not within 1 byte and 1 GiB")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g, err := FromContext(r.Context())
			in := r
			if err == nil {
				began := time.Now()
				in, err = bodied(r, g, limit, policy)
				audit.Step(r.Context(), "body policy", began, reasonIn(err))
			}
			if audit.Refused(w, r, err) {
				return
			}
			if in != r {
				audit.Follow(in)
			}
			next.ServeHTTP(w, in)
		})
	}
}

// bodied reads the body and asks policy. The request it returns has the body again, also beside a refusal, which
// report-only may waive.
func bodied(r *http.Request, g Grant, limit int64, policy BodyPolicy) (*http.Request, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, policy(r, g, nil)
	}
	body, rest, reason, cause := readBody(r, limit)
	in := r.WithContext(r.Context())
	in.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), r.Body}
	if reason != "" {
		return in, g.refuse(reason, cause, "")
	}
	return in, policy(r, g, body)
}

// readBody reads up to limit. Rest is what was not read, or the error that ended the reading.
func readBody(r *http.Request, limit int64) (body []byte, rest io.Reader, reason audit.Reason, cause error) {
	if r.ContentLength > limit {
		return nil, r.Body, ErrBodyTooLarge, nil
	}
	var buf bytes.Buffer
	// A length that is only announced is not believed beyond the first pages.
	buf.Grow(int(min(max(r.ContentLength, 0), 32<<10)) + bytes.MinRead)
	_, err := buf.ReadFrom(io.LimitReader(r.Body, limit+1))
	var outer *http.MaxBytesError
	switch {
	case int64(buf.Len()) > limit, errors.As(err, &outer):
		return buf.Bytes(), r.Body, ErrBodyTooLarge, err
	case err != nil:
		return buf.Bytes(), r.Body, ErrBody, err
	}
	return buf.Bytes(), http.NoBody, "", nil
}
