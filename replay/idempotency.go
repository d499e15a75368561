package replay

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What an IdempotencyConfig means when it says nothing.
const (
	DefaultIdempotencyHeader = "Idempotency-Key"
	DefaultMaxKey            = 128
	DefaultMaxBody           = 64 << 10
	DefaultMaxAnswer         = 64 << 10
	DefaultLease             = time.Minute
	DefaultTTL               = 24 * time.Hour
)

// IdempotencyConfig is what [Idempotency] is made from.
type IdempotencyConfig struct {
	_ [0]func()

	// Store remembers what came of requests. Required.
	Store RunStore

	// Client says whose key it is: token.ClientKey. Keys of different clients never meet. Where one
	// client acts for several customers whose requests may be equal, it should name the
	// customer as well. An empty client is an error. An *audit.Refusal it returns is passed on; any
	// other error is 500. Required.
	Client func(*http.Request) (string, error)

	// Owner says against whose quota in Store the key counts, where Client names a client's customer as well:
	// token.ClientKey, or a client has the room of all its customers. Nil means Client; errors are treated as
	// Client's.
	Owner func(*http.Request) (string, error)

	// Header is the field that carries the key; empty means Idempotency-Key. Open Banking UK and Open
	// Finance Brasil have x-idempotency-key.
	Header string

	// Plain takes the field's value as it is, for x-idempotency-key: visible ASCII without double
	// quote and comma. Otherwise it is a String, in double quotes (RFC 8941 §3.3.3), without parameters.
	Plain bool

	// MaxKey is the longest key in characters, from 1 to 255; zero means DefaultMaxKey. Open Banking UK: 40.
	MaxKey int

	// Optional lets requests through that have no key, unprotected.
	Optional bool

	// MaxBody is the largest body of a request in bytes, up to 16 MiB; zero means DefaultMaxBody.
	MaxBody int64

	// MaxAnswer is the largest answer that is kept, header and body, up to 1 MiB; zero means
	// DefaultMaxAnswer. A larger one reaches the client, and its key is answered by 409 from then on.
	MaxAnswer int

	// Lease is how long a request may be under way, from a second to an hour; zero means
	// DefaultLease. It only tells "under way" from "outcome unknown": neither runs again.
	Lease time.Duration

	// TTL is how long a key is remembered, from Lease to 48 hours; zero means DefaultTTL, which is
	// what Open Banking UK demands. Publish it (draft §2.3): after it the key is a new one.
	TTL time.Duration

	// Keep names fields of the response that are kept beside those that describe the body:
	// x-jws-signature. What belongs to one exchange cannot be named: Set-Cookie, Date, challenges.
	Keep []string

	// Documentation is the address where clients read about keys, an https URL; refusals link to it (draft §2.7).
	Documentation string
}

// Idempotency lets a request with an idempotency key take effect once, however often it is sent
// (draft-ietf-httpapi-idempotency-key-header-07).
//
// The first request with a key runs; while it does, others are refused with 409. Once it has been
// answered with a status below 400, requests with that key get this answer: status, the fields that describe
// it, and body, bit for bit. The answer is kept before it leaves. A key with another request, which is another
// method, path, query or body, is 422.
//
// What fails is not kept. A status of 400 to 499 says that nothing took effect: the key is free, and the
// client may try again, corrected or not. A status of 500 and above, and a panic, say nothing: the money
// may be on its way. The key is then of unknown outcome, and so is that of a request whose process
// died: 409 until an operator calls [Idempotency.Release] or the TTL is over, never a second run. A handler
// that knows better says so by [NoEffect].
//
// Put it inside token.Wrap and the policies, and inside what opens the body: whoever gets a kept answer was
// authorized to ask, and a body that is sealed anew with every attempt is compared as opened.
type Idempotency struct {
	c    IdempotencyConfig
	keep map[string]bool
	link string
}

// NewIdempotency makes one, or reports every mistake in c.
func NewIdempotency(c IdempotencyConfig) (*Idempotency, error) {
	c = c.complete()
	if err := c.mistakes(); err != nil {
		return nil, err
	}
	i := &Idempotency{c: c, keep: map[string]bool{}}
	for _, name := range keptFields {
		i.keep[name] = true
	}
	for _, name := range c.Keep {
		i.keep[canonical(name)] = true
	}
	if c.Documentation != "" {
		i.link = "<" + c.Documentation + `>; rel="describedby"; type="text/html"`
	}
	return i, nil
}

func (c IdempotencyConfig) complete() IdempotencyConfig {
	if c.Header == "" {
		c.Header = DefaultIdempotencyHeader
	}
	if c.MaxKey == 0 {
		c.MaxKey = DefaultMaxKey
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.MaxAnswer == 0 {
		c.MaxAnswer = DefaultMaxAnswer
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	return c
}

// mistakes gives everything that is wrong with the configuration.
func (c IdempotencyConfig) mistakes() error {
	var all []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Errorf("replay: "+format, args...))
		}
	}
	wrong(c.Store == nil, "Store is required")
	wrong(c.Client == nil, "Client is required")
	wrong(!isFieldName(c.Header), "Header is no field name")
	wrong(c.MaxKey < 1 || c.MaxKey > 255, "MaxKey %d is not between 1 and 255", c.MaxKey)
	wrong(c.MaxBody < 1 || c.MaxBody > 16<<20, "MaxBody %d is not between 1 and 16 MiB", c.MaxBody)
	wrong(c.MaxAnswer < 1 || c.MaxAnswer > 1<<20, "MaxAnswer %d is not between 1 and 1 MiB", c.MaxAnswer)
	wrong(c.Lease < time.Second || c.Lease > time.Hour, "Lease %v is not between 1s and 1h", c.Lease)
	wrong(c.TTL < c.Lease || c.TTL > MaxLifetime, "TTL %v is not between Lease and %v", c.TTL, MaxLifetime)
	for n, name := range c.Keep {
		wrong(!isFieldName(name), "Keep[%d] is no field name", n)
		wrong(slices.Contains(freshFields[:], canonical(name)), "Keep[%d] names a field that belongs to one exchange", n)
	}
	wrong(!isDocumentation(c.Documentation), "Documentation is no https URL")
	return errors.Join(all...)
}

func isDocumentation(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && isPrintable(s) && !strings.ContainsAny(s, "<> ")
}
