package mtls

import (
	"crypto/x509"
	"encoding/binary"
	"net/http"
	"sync/atomic"
	"time"
)

// Peer gives the certificate that the client has proved to hold (RFC 8705 section 3), or nil when it
// showed none: the one that [Proxies] found and judged, where the request went through its Wrap, and
// otherwise that of the request's own TLS connection. No header is looked at.
//
// The handshake verified the certificate, but a connection may outlive it: outside the certificate's
// validity period the error is an *audit.Refusal with the reason ErrExpired. What else may have
// changed since, [Source.Peer] asks. Behind a listener of DangerouslyUnverified the certificate proves
// the possession of its key and nothing else.
func Peer(r *http.Request) (*x509.Certificate, error) {
	if c := FromContext(r.Context()); c != nil {
		return c.Certificate()
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	leaf := r.TLS.PeerCertificates[0]
	if !validAt(leaf, time.Now()) {
		return nil, refusal(ErrExpired)
	}
	return leaf, nil
}

// Peer is [Peer] for the listener that [Server] made of this source. It judges the certificate by
// what the source holds now: when the trust anchors or the revocation lists changed, requests on
// connections from before are refused too. The error is an *audit.Refusal: 401, or 503 with
// ErrRevocationUnknown when nobody knows. A certificate that the handshake did not verify is
// ErrUntrusted.
//
// Where nothing changed since the connection's last request it allocates nothing.
func (s *Source) Peer(r *http.Request) (*x509.Certificate, error) {
	if c := FromContext(r.Context()); c != nil {
		return c.Certificate()
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	s.look(false) // nobody waits for it: the next request sees what it finds
	leaf, now := r.TLS.PeerCertificates[0], time.Now()
	m := s.held.Load()
	if len(r.TLS.VerifiedChains) == 0 { // a verdict of another connection is not this one's
		return nil, refusal(ErrUntrusted)
	}
	if chain := s.verdicts.of(leaf, m, now); chain != nil && s.unrevoked(r.Context(), m, chain, now) == nil {
		return leaf, nil
	}
	chain, err := s.judge(r.Context(), m, leaf, r.TLS.VerifiedChains, r.TLS.OCSPResponse, now)
	if err != nil {
		return nil, refusal(err)
	}
	s.verdicts.keep(leaf, m, chain)
	return leaf, nil
}

// verdicts remember which certificates were judged good, so that a request of a connection that was
// judged before needs no search for an anchor. Two certificates in one place take turns, which costs
// time only. Pointers are compared: a connection has the same ones in all its requests.
type verdicts [512]atomic.Pointer[verdict]

type verdict struct {
	leaf       *x509.Certificate
	chain      []*x509.Certificate
	generation uint64
	from, to   time.Time // when the whole chain is valid
}

// slotOf places a certificate among n by the end of its signature, which nobody chooses.
func slotOf(cert *x509.Certificate, n int) int {
	if len(cert.Signature) < 8 {
		return 0
	}
	return int(binary.BigEndian.Uint64(cert.Signature[len(cert.Signature)-8:]) % uint64(n))
}

// of gives the chain by which leaf was judged good under m, or nil.
func (v *verdicts) of(leaf *x509.Certificate, m *material, now time.Time) []*x509.Certificate {
	held := v[slotOf(leaf, len(v))].Load()
	if held == nil || held.leaf != leaf || held.generation != m.generation || now.Before(held.from) || now.After(held.to) {
		return nil
	}
	return held.chain
}

func (v *verdicts) keep(leaf *x509.Certificate, m *material, chain []*x509.Certificate) {
	next := &verdict{leaf: leaf, chain: chain, generation: m.generation, from: leaf.NotBefore, to: leaf.NotAfter}
	for _, c := range chain[1:] {
		if c.NotBefore.After(next.from) {
			next.from = c.NotBefore
		}
		if c.NotAfter.Before(next.to) {
			next.to = c.NotAfter
		}
	}
	v[slotOf(leaf, len(v))].Store(next)
}

// validAt reports whether now lies in the certificate's validity period, both ends included
// (RFC 5280 section 4.1.2.5).
func validAt(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && !now.After(cert.NotAfter)
}
