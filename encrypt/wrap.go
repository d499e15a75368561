package encrypt

import (
	"net/http"

	"github.com/tegata-go/tegata/audit"
)

// Wrap opens the fields of Config.Open before next runs, and seals those of Config.Seal in what
// it answers.
//
// When Seal names fields, or something is guarded, next does not see Range, If-Range and Accept-Encoding, and what it
// answers streams through: the header leaves with the first 16 KiB of checked body, with Flush
// or at the end. The response loses Content-Length, Accept-Ranges and all digests, and a strong
// ETag becomes weak (If-Match then never matches, RFC 9110 §13.1.1). Problem documents go through
// the same rules; a Body of audit.Config must therefore make JSON.
//
// The ResponseWriter that next gets can flush and set deadlines, but neither be unwrapped nor
// hijacked, which would go round the rules. After a fault its Write returns the error.
func (f *Fields) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := f.binding(r)
		if audit.Refused(w, r, err) {
			return
		}
		b.Recipient, err = f.recipient(r)
		if audit.Refused(w, r, err) {
			return
		}
		in, err := f.openBody(r, b)
		if audit.Refused(w, r, err) {
			return
		}
		if !f.answers {
			follow(r, in)
			next.ServeHTTP(w, in)
			return
		}
		in = whole(in)
		follow(r, in)
		res := newResponse(f, w, in, b)
		defer res.release()
		next.ServeHTTP(res, in)
		res.finish()
	})
}

// follow tells the record which copy of the request goes on.
func follow(r, copied *http.Request) {
	if r != copied {
		audit.Follow(copied)
	}
}
