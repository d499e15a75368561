package mtls

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// OCSPConfig says whom an OCSP asks, and how long an answer counts.
type OCSPConfig struct {
	_ [0]func()

	// Responder is asked about every certificate: an http or https URL. Empty: the responder that the certificate's
	// issuer wrote into it (RFC 5280 section 4.2.2.1).
	Responder string
	// PrivateHosts names hosts that may resolve to private, loopback or link-local addresses, or are such
	// addresses themselves. An address that stands in Responder needs no entry.
	PrivateHosts []string
	// TLS replaces the TLS settings of questions over https. Nil: TLS 1.2 with the suites of FAPI 2.0 Security
	// Profile section 5.2.2 or TLS 1.3, and the system's roots.
	TLS *tls.Config

	// Timeout bounds one question. 0 is 2 seconds; at most a minute. A handshake or request waits 3 seconds at
	// most; an answer that comes later is there for the next.
	Timeout time.Duration
	// Keep is how long an answer is kept before the responder is asked again, within the answer's own
	// nextUpdate. 0 is one hour. Half of it over, the responder is asked ahead, and nobody waits.
	Keep time.Duration
	// MaxAge is how old an answer may be by its thisUpdate, whatever it promises: who can put answers on the wire
	// repeats an old one for no longer. 0 is 7 days.
	MaxAge time.Duration
	// MaxKept bounds the answers kept, by certificates. 0 is 10,000.
	MaxKept int
	// SHA256 names issuers by SHA-256. Otherwise it is SHA-1, the only one that all responders know (RFC 5019
	// section 2.1.1); nothing is signed with it.
	SHA256 bool

	// OnError, when set, is told that a responder does not answer, or no more: once, until it did. It is called
	// by one goroutine at a time, and by no handshake.
	OnError func(error)
}

// OCSP asks the responders of client certificates whether they were revoked (RFC 6960), and remembers what they
// said. It is a [Revocation], and safe for concurrent use.
//
// Every certificate of a chain but the anchor is asked about, by its issuer's responder: an authority for whom none
// answers is to be listed as an anchor itself. No answer, an answer that is over, of another certificate or not
// signed by the issuer or a responder that it named, is an error, so 503. A responder that failed three times in a
// row is left alone for 1 to 30 seconds; what is known of certificates counts as long as it lasts. Once one was
// revoked it stays so until a newer answer says otherwise.
//
// A client that staples an answer to its certificate in the handshake (RFC 8446 section 4.4.2.1; TLS 1.3 only)
// spares the question: crypto/tls asks clients to. The answer counts only if it is as good as one asked for.
//
// WARNING: responders are found in the certificates. Revoked is for chains that were verified, as Source and
// Proxies do before they ask.
type OCSP struct {
	responder string
	private   []string
	literal   string // the host of responder, which the configuration itself names
	client    *http.Client
	timeout   time.Duration
	keep      time.Duration
	maxAge    time.Duration
	maxKept   int
	hash      crypto.Hash
	onError   func(error)
	telling   sync.Mutex
	ask       func(ctx context.Context, url string, question []byte) ([]byte, error)

	mu      sync.RWMutex
	kept    map[ocspKey]*ocspEntry
	failing map[string]*ocspFailing // by URL
	asking  int
}

const (
	ocspTimeout = 2 * time.Second
	ocspKeep    = time.Hour
	ocspMaxAge  = 7 * 24 * time.Hour
	ocspMaxKept = 10_000

	maxOCSPTimeout = time.Minute
	maxOCSPURL     = 1024 // bytes
	maxOCSPChain   = 10   // certificates that one client may make us ask about
)

// NewOCSP makes an OCSP, or reports every mistake in config at once. It starts nothing.
func NewOCSP(config OCSPConfig) (*OCSP, error) {
	var errs []error
	wrong := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("mtls: OCSPConfig."+text))
		}
	}
	o := &OCSP{
		responder: config.Responder, private: slices.Clone(config.PrivateHosts), onError: config.OnError,
		timeout: config.Timeout, keep: config.Keep, maxAge: config.MaxAge, maxKept: config.MaxKept, hash: crypto.SHA1,
		kept: map[ocspKey]*ocspEntry{}, failing: map[string]*ocspFailing{},
	}
	if config.SHA256 {
		o.hash = crypto.SHA256
	}
	if config.Responder != "" {
		u, err := responderURL(config.Responder)
		wrong(err != nil, "Responder is not an http or https URL")
		if err == nil {
			o.literal = u.Hostname()
		}
	}
	wrong(slices.Contains(config.PrivateHosts, ""), "PrivateHosts has an empty name")
	wrong(config.TLS != nil && config.TLS.InsecureSkipVerify, "TLS does not verify the responder")
	wrong(min(config.Timeout, config.Keep, config.MaxAge) < 0 || config.MaxKept < 0, "Timeout, Keep, MaxAge or MaxKept is negative")
	wrong(config.Timeout > maxOCSPTimeout, fmt.Sprintf("Timeout is longer than %s", maxOCSPTimeout))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for limit, byDefault := range map[*time.Duration]time.Duration{&o.timeout: ocspTimeout, &o.keep: ocspKeep, &o.maxAge: ocspMaxAge} {
		if *limit == 0 {
			*limit = byDefault
		}
	}
	if o.maxKept == 0 {
		o.maxKept = ocspMaxKept
	}
	o.client = o.outbound(config.TLS)
	o.ask = o.call
	return o, nil
}

// Revoked is nil when every certificate of the verified chain but the anchor is good, ErrRevoked when one was
// revoked, and another error when that is not known of one, or not yet when ctx ends.
func (o *OCSP) Revoked(ctx context.Context, chain []*x509.Certificate) error {
	if len(chain) > maxOCSPChain {
		return errOCSPChain
	}
	now := time.Now()
	var waits []*ocspFlight
	var unknown error
	for i := range len(chain) - 1 {
		wait, err := o.begin(chain[i], chain[i+1], now)
		switch {
		case errors.Is(err, ErrRevoked):
			return err
		case err != nil:
			unknown = err
		case wait != nil:
			waits = append(waits, wait)
		}
	}
	for _, wait := range waits {
		select {
		case <-wait.done:
		case <-ctx.Done():
			return errOCSPLate
		}
		if errors.Is(wait.err, ErrRevoked) {
			return wait.err
		}
		if wait.err != nil {
			unknown = wait.err
		}
	}
	return unknown
}

var (
	errOCSPChain = words("mtls: OCSP: chain too long")
	errOCSPLate  = words("mtls: OCSP: no answer yet")
)

// responderURL reads the address of a responder.
func responderURL(text string) (*url.URL, error) {
	if len(text) > maxOCSPURL {
		return nil, errOCSPNobody
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, errOCSPNobody
	}
	return u, nil
}
