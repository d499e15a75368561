package hygiene

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/strictjson"
)

// ContentConfig says what a route takes.
type ContentConfig struct {
	_ [0]func()

	// MediaTypes are what Content-Type may name, in lower case: "application/json". Required. A parameter charset
	// must be utf-8, and no other parameter is taken.
	MediaTypes []string
	// MaxBody bounds the body in bytes; 0 is 1 MiB, at most 1 GiB. The body is read whole, and put back.
	MaxBody int64
	// DangerouslyUnreadJSON takes JSON as it comes. Otherwise a body of application/json or of a type that ends
	// in +json must be one value of UTF-8 with no member twice in an object, at most 32 levels deep, with at
	// most 1024 members in all: two readers cannot take it for two different things.
	DangerouslyUnreadJSON bool
	// DangerouslyAnyNumber takes JSON numbers that readers round differently: 12345678901234567890 is another number
	// to whoever keeps numbers in binary64. Otherwise an integer lies within 2^53-1 of zero, and any other number has
	// the digits that its binary64 is written with (RFC 7493 section 2.2).
	DangerouslyAnyNumber bool
	// Schema, when set, judges the body by what the route takes. Its error is answered with 422, unless it is
	// an *audit.Refusal. It must not change the body.
	Schema func(r *http.Request, body []byte) error
}

const defaultBody, limitBody = 1 << 20, 1 << 30

// Content judges media types and bodies. It stands inside token's Wrap: who has not proved anything
// does not learn what a route takes.
type Content struct {
	types  []string
	max    int64
	unread bool
	any    bool
	schema func(*http.Request, []byte) error
}

// NewContent makes a Content, or reports every mistake in c at once.
func NewContent(c ContentConfig) (*Content, error) {
	var errs []error
	if len(c.MediaTypes) == 0 {
		errs = append(errs, errors.New("hygiene: ContentConfig.MediaTypes is required"))
	}
	for _, t := range c.MediaTypes {
		if kind, parameters, err := mime.ParseMediaType(t); err != nil || kind != t || len(parameters) > 0 || !strings.Contains(t, "/") {
			errs = append(errs, errors.New("hygiene: ContentConfig.MediaTypes: not type/subtype in lower case"))
		}
	}
	if c.MaxBody < 0 {
		errs = append(errs, errors.New("hygiene: ContentConfig.MaxBody is negative"))
	}
	if c.MaxBody > limitBody {
		errs = append(errs, errors.New("hygiene: ContentConfig.MaxBody is more than 1 GiB"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultBody
	}
	return &Content{types: slices.Clone(c.MediaTypes), max: c.MaxBody, unread: c.DangerouslyUnreadJSON, any: c.DangerouslyAnyNumber, schema: c.Schema}, nil
}

// Wrap lets a request through to next when its body is what the route takes. A request without a body
// passes, unless there is a Schema, which sees an empty one.
func (c *Content) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		body, err := c.Read(r)
		step(r, "hygiene:content", began, err)
		if audit.Refused(w, r, err) {
			return
		}
		if len(body) == 0 { // there is none, or a waived refusal left it unread
			next.ServeHTTP(w, r)
			return
		}
		inner := r.WithContext(r.Context())
		inner.Body = &kept{Reader: io.MultiReader(bytes.NewReader(body), r.Body), Closer: r.Body}
		audit.Follow(inner)
		next.ServeHTTP(w, inner)
	})
}

// kept is a body that was read, then what is left of it: nothing, unless a refusal was waived.
type kept struct {
	io.Reader
	io.Closer
}

// Read judges the head and reads the body of r, which it gives back and leaves empty. The error is an
// *audit.Refusal: 400, 413, 415 or 422; the body is then what was read until there.
func (c *Content) Read(r *http.Request) ([]byte, error) {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil, c.judge(r, "", nil)
	}
	kind, err := c.kind(r.Header)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > c.max {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, c.max+1))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long), int64(len(body)) > c.max:
		return body, tooLarge()
	case err != nil:
		return body, &audit.Refusal{Reason: ErrBroken, Cause: err, Status: http.StatusBadRequest, Code: "invalid_request",
			Detail: "the body ends before its end"}
	case len(body) == 0: // chunked, and nothing in it
		kind = ""
	}
	return body, c.judge(r, kind, body)
}

// kind gives the media type.
func (c *Content) kind(h http.Header) (string, error) {
	if h["Content-Encoding"] != nil {
		return "", &audit.Refusal{Reason: ErrEncoding, Status: http.StatusUnsupportedMediaType, Detail: "no content coding is taken"}
	}
	values := h["Content-Type"]
	if len(values) == 1 {
		kind, parameters, err := mime.ParseMediaType(values[0])
		charset, given := parameters["charset"]
		if err == nil && slices.Contains(c.types, kind) &&
			(len(parameters) == 0 || len(parameters) == 1 && given && strings.EqualFold(charset, "utf-8")) {
			return kind, nil
		}
	}
	return "", &audit.Refusal{Reason: ErrMediaType, Status: http.StatusUnsupportedMediaType, Detail: "the media type is not taken here"}
}

func (c *Content) judge(r *http.Request, kind string, body []byte) error {
	isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json")
	if isJSON && !c.unread {
		text := string(body)
		if err := strictjson.Valid(text); err != nil {
			return &audit.Refusal{Reason: ErrJSON, Cause: err, Status: http.StatusBadRequest, Code: "invalid_request",
				Detail: "the body is not JSON that means one thing to everybody"}
		}
		if !c.any && !oneNumber(text) {
			return &audit.Refusal{Reason: ErrNumber, Status: http.StatusBadRequest, Code: "invalid_request",
				Detail: "a number in the body is not the same to everybody"}
		}
	}
	if c.schema == nil {
		return nil
	}
	err := c.schema(r, body)
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*audit.Refusal](err); ok && f != nil {
		return f
	}
	return &audit.Refusal{Reason: ErrSchema, Cause: err, Status: http.StatusUnprocessableEntity, Detail: "the content is not what this resource takes"}
}

func tooLarge() *audit.Refusal {
	return &audit.Refusal{Reason: ErrBody, Status: http.StatusRequestEntityTooLarge, Detail: "the body is too large"}
}
