package token

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
)

// IntrospectionConfig configures NewIntrospection.
type IntrospectionConfig struct {
	_ [0]func()

	// URL of the introspection endpoint (RFC 7662 §2), https only. Required.
	URL string

	// Issuer is the authorization server behind URL, as tokens name it: an answer that names another is refused.
	// Required.
	Issuer string

	// Audiences are the names of this resource server. An answer with aud must contain one of them; one without
	// is refused unless AudienceOptional says that the server answers for our tokens only.
	Audiences        []string
	AudienceOptional bool

	// ClientID is how this resource server is known to the authorization server. Required.
	ClientID string

	// ClientKey is our private JWK for private_key_jwt (RFC 7523 §2.2). Without it the client certificate in TLS
	// authenticates us (RFC 8705 §2).
	ClientKey []byte

	// TLS replaces the TLS settings of the calls: private roots, our client certificate. Nil: as in JWKSConfig.
	TLS *tls.Config

	// PrivateHosts is as in JWKSConfig.
	PrivateHosts []string

	// SignedBy demands signed answers (RFC 9701): the keys of the issuer, and what it calls us in aud.
	SignedBy       KeySource
	SignedAudience string

	// TTL is how long a positive answer may be kept, and with it how long a revocation may go unnoticed. Zero: 30 s.
	// A *Cache around the Introspection keeps it.
	TTL time.Duration

	// NegativeTTL is how long an inactive token stays inactive without asking. Zero: 10 s.
	NegativeTTL time.Duration

	// Timeout bounds one call. Zero: 2 s. MaxInFlight bounds the calls at once, zero: 64; more are an outage.
	Timeout     time.Duration
	MaxInFlight int
}

const (
	breakAfter    = 5 // failures in a row open the breaker
	breakFor      = time.Second
	maxAnswer     = 64 << 10
	signedMaxAge  = 60 * time.Second
	assertionLife = 60 * time.Second
)

// Introspection resolves opaque tokens by asking the authorization server (RFC 7662). It asks once for a token at a
// time, remembers the inactive ones for a while, in memory that does not grow, and stops asking for a moment when the server keeps failing. An
// outage is an outage: it never says "inactive".
type Introspection struct {
	config IntrospectionConfig
	call   func(ctx context.Context, raw string) (*answerOf, error)
	slots  chan struct{}

	mu       sync.Mutex
	flights  map[jose.Digest]*flight
	inactive inactives
	failures int
	closed   time.Time // the breaker is open until then
	probing  bool
}

type flight struct {
	done   chan struct{}
	claims *Claims
	err    error
}

// NewIntrospection makes a Resolver, or reports every mistake in c at once. It asks nothing yet.
func NewIntrospection(c IntrospectionConfig) (*Introspection, error) {
	fill := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	fill(&c.TTL, 30*time.Second)
	fill(&c.NegativeTTL, 10*time.Second)
	fill(&c.Timeout, 2*time.Second)
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 64
	}
	c.Audiences = slices.Clone(c.Audiences)
	var all []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Errorf("token: IntrospectionConfig."+format, args...))
		}
	}
	u, err := url.Parse(c.URL)
	wrong(err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "", "URL is not an https URL")
	wrong(c.Issuer == "", "Issuer is required")
	wrong(len(c.Audiences) == 0 || slices.Contains(c.Audiences, ""), "Audiences is required, without empty names")
	wrong(c.ClientID == "", "ClientID is required")
	wrong(len(c.ClientKey) == 0 && (c.TLS == nil || len(c.TLS.Certificates) == 0 && c.TLS.GetClientCertificate == nil),
		"ClientKey or a client certificate in TLS is required")
	wrong((c.SignedBy == nil) != (c.SignedAudience == ""), "SignedBy and SignedAudience belong together")
	wrong(c.TTL < 0 || c.NegativeTTL < 0 || c.Timeout < 0 || c.Timeout > 30*time.Second, "a duration is out of bounds")
	wrong(c.MaxInFlight < 0 || c.MaxInFlight > 1<<14, "MaxInFlight is out of bounds")
	var signer *jose.Signer
	if len(c.ClientKey) != 0 {
		signer, err = jose.ParseSigner(string(c.ClientKey))
		wrong(err != nil, "ClientKey is not a usable private key")
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return &Introspection{
		config: c, call: introspectOver(&c, u, signer), slots: make(chan struct{}, c.MaxInFlight),
		flights: make(map[jose.Digest]*flight), inactive: newInactives(),
	}, nil
}

const (
	errBreaker  = constant("token: introspection keeps failing")
	errBulkhead = constant("token: too many introspections at once")
)

// Resolve asks about raw, or waits for the answer that somebody else is waiting for.
func (i *Introspection) Resolve(ctx context.Context, raw string) (*Claims, error) {
	return claimsOf(i.resolve(ctx, presentation(raw, time.Now())))
}

func (i *Introspection) resolve(ctx context.Context, p presented) (*facts, error) {
	f, err := i.join(p.digest, p.raw, p.now)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, f.done); err != nil {
		return nil, &outage{err}
	}
	if f.err != nil {
		return nil, f.err
	}
	return freeze(f.claims, p.digest) // every waiter gets its own
}

// join finds or begins the call about one token.
func (i *Introspection) join(digest jose.Digest, raw string, now time.Time) (*flight, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.inactive.has(&digest, now) {
		return nil, ErrInactive
	}
	if f := i.flights[digest]; f != nil {
		return f, nil
	}
	if i.failures >= breakAfter && (now.Before(i.closed) || i.probing) {
		return nil, &outage{errBreaker}
	}
	select {
	case i.slots <- struct{}{}:
	default:
		return nil, &outage{errBulkhead}
	}
	i.probing = i.failures >= breakAfter
	f := &flight{done: make(chan struct{})}
	i.flights[digest] = f
	go i.fly(f, digest, raw)
	return f, nil
}

// ask makes one call.
func (i *Introspection) ask(ctx context.Context, raw string, began time.Time) (claims *Claims, err error) {
	defer func() {
		if recover() != nil { // of a KeySource: no handler is there to catch it
			claims, err = nil, &outage{errPanic}
		}
	}()
	answer, err := i.call(ctx, raw)
	if err != nil {
		return nil, &outage{err}
	}
	return i.believe(ctx, answer, began)
}

// fly makes the call on a context of its own: whoever asked first may go away.
func (i *Introspection) fly(f *flight, digest jose.Digest, raw string) {
	ctx, cancel := context.WithTimeout(context.Background(), i.config.Timeout)
	defer cancel()
	began := time.Now()
	claims, err := i.ask(ctx, raw, began)
	f.claims, f.err = claims, err
	i.mu.Lock()
	switch {
	case errors.Is(err, errRefused): // says nothing about the server
	case errors.Is(err, ErrUnavailable):
		i.failures++
		i.closed = time.Now().Add(breakFor)
	case errors.Is(err, ErrInactive):
		i.failures = 0
		i.inactive.add(&digest, began.Add(i.config.NegativeTTL))
	default:
		i.failures = 0
	}
	i.probing = false
	delete(i.flights, digest)
	i.mu.Unlock()
	<-i.slots
	close(f.done)
}
