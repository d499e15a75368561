package mtls

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Wrap finds out who sent each request and leaves it in the context, for Peer and Address. It stands
// inside audit's Wrap and outside everything that asks. Fields that carry a certificate are taken out of
// every request, and from callers that are no listed proxy also those that tell an address; how many
// of those there were is the fact `stripped` of the record, and whom a listed proxy speaks for is `client_address`.
//
// What a listed proxy sends and cannot be read is refused with 400 or 431. A certificate that can be
// read and is unacceptable is left to whoever asks Peer.
func (p *Proxies) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c, err := p.Identify(r)
		reason := audit.Reason("")
		if f, ok := err.(*audit.Refusal); ok { //nolint:errorlint // Identify returns nothing else
			reason = f.Reason
		}
		audit.Step(r.Context(), "mtls:proxies", began, reason)
		if c != nil && c.stripped > 0 {
			audit.Add(r.Context(), slog.Int("stripped", c.stripped))
		}
		if c != nil && c.proxied && c.address.IsValid() {
			audit.Add(r.Context(), slog.String("client_address", c.address.String())) // the record's peer is the proxy
		}
		if audit.Refused(w, r, err) {
			return
		}
		inner := r.WithContext(NewContext(r.Context(), c))
		inner.Header = p.without(r.Header, c.proxied)
		audit.Follow(inner)
		next.ServeHTTP(w, inner)
	})
}

// Identify tells who sent r, which it does not change: the fields are still there. The error is an
// *audit.Refusal; the Caller then has no certificate and no address, and says why.
func (p *Proxies) Identify(r *http.Request) (*Caller, error) {
	if FromContext(r.Context()) != nil {
		return nil, &audit.Refusal{Reason: audit.ErrMisplaced, Status: http.StatusInternalServerError,
			Detail: "internal error", Final: true}
	}
	c := &Caller{proxied: p.listed(r), encrypted: r.TLS != nil}
	if !c.proxied {
		c.address, c.addressErr = connectionAddress(r)
		if p.listener == nil {
			c.certificate, c.err = Peer(r)
		} else {
			c.certificate, c.err = p.listener.Peer(r)
		}
		c.stripped = p.foreign(r.Header, false)
		return c, nil
	}
	c.encrypted = !saysPlain(r.Header)
	var err error
	if c.address, err = p.forwardedAddress(r); err == nil {
		c.certificate, c.err, err = p.forwardedCertificate(r)
	}
	if err != nil {
		c.certificate, c.err, c.address, c.addressErr = nil, err, netip.Addr{}, err
		return c, err
	}
	return c, nil
}

// saysPlain reports whether the proxy says that its client did not use TLS. A client that writes the
// field through a proxy that does not know it harms itself only.
func saysPlain(h http.Header) bool {
	for _, value := range h["X-Forwarded-Proto"] {
		if !strings.EqualFold(value, "https") {
			return true
		}
	}
	return false
}

// forwardedCertificate gives the certificate of the proxy's header, or why it is unacceptable; malformed is
// why it cannot be read.
func (p *Proxies) forwardedCertificate(r *http.Request) (cert *x509.Certificate, unacceptable, malformed error) {
	if p.format == NoCertificate {
		return nil, nil, nil
	}
	text, err := p.text(r.Header)
	if err != nil || text == (fieldText{}) {
		return nil, nil, err
	}
	read := p.read.find(text)
	if read == nil {
		if read, err = parseField(p.format, text); err != nil {
			return nil, nil, malformedField()
		}
		if read == nil {
			return nil, nil, nil
		}
	}
	if judged := p.judge(r, read); judged != nil {
		return nil, refusal(judged), nil
	}
	p.read.keep(text, read)
	return read.leaf, nil, nil
}

// judge says whether a certificate that a proxy handed on would have passed a handshake of the source.
func (p *Proxies) judge(r *http.Request, read *handed) error {
	now := time.Now()
	if p.trusting {
		return fit(read.leaf, now)
	}
	p.source.look(false)
	m := p.source.held.Load()
	if chain := p.source.verdicts.of(read.leaf, m, now); chain != nil && p.source.unrevoked(r.Context(), m, chain, now) == nil {
		return nil
	}
	if err := fit(read.leaf, now); err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, c := range read.chain {
		between.AddCert(c)
	}
	chains, err := read.leaf.Verify(x509.VerifyOptions{
		Roots: m.anchors.pool, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return ErrUntrusted // err would quote the certificate
	}
	chain, err := p.source.judge(r.Context(), m, read.leaf, chains, nil, now)
	if err == nil {
		p.source.verdicts.keep(read.leaf, m, chain)
	}
	return err
}

func malformedField() *audit.Refusal {
	return &audit.Refusal{Reason: ErrForwarded, Status: http.StatusBadRequest, Code: "invalid_request",
		Detail: "a header field of the proxy in front is malformed"}
}

func longField() *audit.Refusal {
	return &audit.Refusal{Reason: ErrForwardedTooLarge, Status: http.StatusRequestHeaderFieldsTooLarge,
		Detail: "a header field of the proxy in front is too large"}
}
