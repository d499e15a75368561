// Package hygiene refuses requests that no handler should see.
//
// Two doors, because what a caller may learn before it has proved itself is less than what it may
// after: [Door] judges the head and stands outside token's Wrap, [Content] judges media type and body and
// stands inside it. [Headers] puts response headers on every answer, refusals too.
//
//	h := trail.Wrap(hygiene.Headers(door.Wrap(tokens.Wrap(mux))))
//	mux.Handle("POST /payments", pay(content.Wrap(payments)))
//
// There is no list of suspicious words. What an attack on a parser looks like depends on the parser: such a list
// refuses honest names and lets through what its author did not think of. A schema of what a route takes
// ([ContentConfig].Schema) refuses both kinds of attack, known and unknown.
//
// Against request smuggling net/http refuses conflicting lengths, malformed fields and unknown codings, and
// takes the chunks where both Content-Length and Transfer-Encoding stand (RFC 9112 section 6.3); this
// package's tests hold it to that. It then goes on with the connection, which section 6.1 says to close and no
// handler can see: a proxy in front that forwards both is to be mended there.
package hygiene

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Reasons of this package.
const (
	ErrPlain     = audit.Reason("hygiene: not over TLS")
	ErrHost      = audit.Reason("hygiene: host not served")
	ErrMethod    = audit.Reason("hygiene: method not allowed")
	ErrFields    = audit.Reason("hygiene: header fields too large or too many")
	ErrTarget    = audit.Reason("hygiene: target too long")
	ErrMediaType = audit.Reason("hygiene: media type not taken")
	ErrEncoding  = audit.Reason("hygiene: content coding not taken")
	ErrBody      = audit.Reason("hygiene: body too large")
	ErrBroken    = audit.Reason("hygiene: body cut short")
	ErrJSON      = audit.Reason("hygiene: malformed JSON")
	ErrNumber    = audit.Reason("hygiene: number out of the interoperable range")
	ErrSchema    = audit.Reason("hygiene: content not as the route takes it")
)

// Config says which heads of requests are let in.
type Config struct {
	_ [0]func()

	// Hosts are the values of Host that are served, compared without regard to case, "api.bank.example"
	// or "api.bank.example:8443". Required; AnyHost declines it.
	Hosts []string
	// AnyHost serves every Host. WARNING: whoever builds a link, a redirect or a key of a cache from Host then
	// believes the client.
	AnyHost bool
	// Methods are the methods that any route may have. Empty: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.
	Methods []string

	// Encrypted, when set, says whether a request that did not come over TLS came over TLS to a listed proxy.
	// Nil: none did. With mtls: c := mtls.FromContext(r.Context()); c != nil && c.Proxied() && c.Encrypted().
	Encrypted func(*http.Request) bool

	// MaxFields bounds the number of field lines, 0: 100. MaxFieldBytes bounds names and values together, 0: 48 KiB.
	MaxFields, MaxFieldBytes int
	// MaxTarget bounds the request target in bytes, 0: 8 KiB.
	MaxTarget int
}

const (
	defaultFields, defaultFieldBytes, defaultTarget = 100, 48 << 10, 8 << 10
)

// Door judges the heads of requests.
type Door struct {
	hosts                          []string // nil: any
	methods                        []string
	allow                          string
	encrypted                      func(*http.Request) bool
	maxFields, maxBytes, maxTarget int
}

// New makes a Door, or reports every mistake in c at once.
func New(c Config) (*Door, error) {
	var errs []error
	wrong := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("hygiene: Config."+text))
		}
	}
	wrong(len(c.Hosts) == 0 && !c.AnyHost, "Hosts is required; AnyHost declines it")
	wrong(len(c.Hosts) > 0 && c.AnyHost, "Hosts and AnyHost exclude each other")
	d := &Door{encrypted: c.Encrypted, maxFields: c.MaxFields, maxBytes: c.MaxFieldBytes, maxTarget: c.MaxTarget}
	for _, host := range c.Hosts {
		bad := host == "" || strings.ContainsAny(host, "/@*?# ,") || strings.HasPrefix(host, ":")
		wrong(bad, fmt.Sprintf("Hosts: %q is no host", host))
		d.hosts = append(d.hosts, strings.ToLower(host))
	}
	d.methods = slices.Clone(c.Methods)
	if len(d.methods) == 0 {
		d.methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	}
	d.allow = strings.Join(d.methods, ", ")
	for _, method := range d.methods {
		wrong(method == "" || strings.ToUpper(method) != method || strings.ContainsAny(method, " ,\r\n"), "Methods: not a method in capital letters")
	}
	wrong(min(c.MaxFields, c.MaxFieldBytes, c.MaxTarget) < 0, "MaxFields, MaxFieldBytes or MaxTarget is negative")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for limit, byDefault := range map[*int]int{&d.maxFields: defaultFields, &d.maxBytes: defaultFieldBytes, &d.maxTarget: defaultTarget} {
		if *limit == 0 {
			*limit = byDefault
		}
	}
	return d, nil
}

// Wrap lets a request through to next when its head is acceptable.
func (d *Door) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		err := d.Check(r)
		step(r, "hygiene:door", began, err)
		if !audit.Refused(w, r, err) {
			next.ServeHTTP(w, r)
		}
	})
}

// Check judges the head of r. The error is an *audit.Refusal: 400, 405, 414, 421 or 431.
func (d *Door) Check(r *http.Request) error {
	switch {
	case r.TLS == nil && (d.encrypted == nil || !d.encrypted(r)):
		return &audit.Refusal{Reason: ErrPlain, Status: http.StatusBadRequest, Code: "invalid_request", Detail: "TLS is required"}
	case !d.serves(r.Host):
		return &audit.Refusal{Reason: ErrHost, Status: http.StatusMisdirectedRequest, Detail: "this host is not served here"}
	case !slices.Contains(d.methods, r.Method):
		return &audit.Refusal{Reason: ErrMethod, Status: http.StatusMethodNotAllowed, Detail: "the method is not allowed",
			Header: http.Header{"Allow": {d.allow}}}
	case len(r.RequestURI) > d.maxTarget:
		return &audit.Refusal{Reason: ErrTarget, Status: http.StatusRequestURITooLong, Detail: "the request target is too long"}
	case !d.holds(r.Header):
		return &audit.Refusal{Reason: ErrFields, Status: http.StatusRequestHeaderFieldsTooLarge,
			Detail: "the header fields are too large or too many"}
	}
	return nil
}

// serves compares the whole of Host; the default port may stand or not.
func (d *Door) serves(host string) bool {
	if d.hosts == nil {
		return true
	}
	listed := func(h string) bool {
		return slices.ContainsFunc(d.hosts, func(served string) bool { return strings.EqualFold(served, h) })
	}
	if listed(host) {
		return true
	}
	name, port, err := net.SplitHostPort(host)
	return err == nil && port == "443" && (listed(name) || listed("["+name+"]"))
}

func (d *Door) holds(h http.Header) bool {
	lines, size := 0, 0
	for name, values := range h {
		lines += len(values)
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	return lines <= d.maxFields && size <= d.maxBytes
}

// step reports a decision.
func step(r *http.Request, control string, began time.Time, err error) {
	reason := audit.Reason("")
	if f, ok := errors.AsType[*audit.Refusal](err); ok {
		reason = f.Reason
	}
	audit.Step(r.Context(), control, began, reason)
}
