package mtls

import (
	"crypto/x509"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Peer gives the certificate that the client has proved to hold on the request's own TLS connection
// (RFC 8705 section 3), or nil when it showed none. No header is looked at.
//
// The handshake verified the certificate, but a connection may outlive it: outside the certificate's
// validity period the error is an *audit.Refusal with the reason ErrExpired. Behind a listener of
// DangerouslyUnverified the certificate proves the possession of its key and nothing else.
func Peer(r *http.Request) (*x509.Certificate, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	leaf := r.TLS.PeerCertificates[0]
	if !validAt(leaf, time.Now()) {
		return nil, &audit.Refusal{
			Reason: ErrExpired,
			Status: http.StatusUnauthorized,
			Code:   "invalid_token",
			Detail: "the client certificate is not valid at this time",
		}
	}
	return leaf, nil
}

// validAt reports whether now lies in the certificate's validity period, both ends included
// (RFC 5280 section 4.1.2.5).
func validAt(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && !now.After(cert.NotAfter)
}
