package ratelimit

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
)

// Join gives a key function for all that keys tell together, as Key joins it: a client under a
// route, a consent and an account. It fails where one of them fails or tells nothing.
func Join(keys ...func(*http.Request) (string, error)) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		parts := make([]string, len(keys))
		for i, key := range keys {
			part, err := key(r)
			if err != nil {
				return "", err
			}
			parts[i] = part
		}
		return Key(parts...), nil
	}
}

// Route is a key function: the pattern of the http.ServeMux that the request was routed by.
// The limiter stands between the mux and the handler; elsewhere it is an error.
func Route(r *http.Request) (string, error) {
	if r.Pattern == "" {
		return "", errors.New("ratelimit: the request was not routed yet")
	}
	return r.Pattern, nil
}

// ByCertificate gives a key function: the SHA-256 thumbprint of the certificate that the
// connection proved, which certificate gives (mtls.Peer), and PeerAddress where it gives none.
// Callers who share an address, behind a proxy or in one cloud, are then told apart by what no
// other can present. An error of certificate is as none: a certificate that is not accepted
// makes nobody another caller.
func ByCertificate(certificate func(*http.Request) (*x509.Certificate, error)) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		cert, err := certificate(r)
		if err != nil || cert == nil || len(cert.Raw) == 0 {
			return PeerAddress(r)
		}
		sum := sha256.Sum256(cert.Raw)
		return "x5t#S256:" + base64.RawURLEncoding.EncodeToString(sum[:]), nil
	}
}
