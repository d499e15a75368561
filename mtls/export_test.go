package mtls

import (
	"context"
	"crypto/x509"
	"net/netip"
	"time"
)

// FieldDER is the part of the reading of a proxy's field that is ours, without crypto/x509.
func FieldDER(format Format, cert, chain string) ([][]byte, error) {
	return fieldDER(format, fieldText{cert, chain})
}

// Answered puts f in the place of the network.
func (o *OCSP) Answered(f func(ctx context.Context, url string, question []byte) ([]byte, error)) {
	o.ask = f
}

// Public is whether a call to address may be made.
func Public(address string) bool { return publicOnly("tcp", address, nil) == nil }

// Kept is how many certificates are remembered.
func (o *OCSP) Kept() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return len(o.kept)
}

// ReadOCSP gives what an answer says about a certificate.
func ReadOCSP(raw []byte, cert, issuer *x509.Certificate, now time.Time) (revoked bool, err error) {
	answer, err := readOCSP(raw, cert, issuer, now, ocspMaxAge)
	return err == nil && answer.revoked, err
}

// ParseProxyHeader gives the client and the length of a header of the PROXY protocol; 0 while more is needed.
func ParseProxyHeader(data []byte) (netip.AddrPort, int, error) { return parseProxyHeader(data) }
