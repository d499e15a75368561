package ratelimit

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
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

// By gives a key function for what is known of the caller once he is verified: from is the
// FromContext of the package that left it, part picks what counts:
//
//	By(token.FromContext, token.Grant.JKT)
//
// An error of from is passed on, so a request that nobody verified is refused as that package has
// it. A part that is absent is "", and refused as ErrKey: those who lack it are not one caller.
// What is unique only within something else is joined with it by Key: a subject with its issuer.
func By[T any](from func(context.Context) (T, error), part func(T) string) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		known, err := from(r.Context())
		if err != nil {
			return "", err
		}
		return part(known), nil
	}
}

// FirstOf gives a key function for the first of keys that tells something: the subject, and the
// client where there is none. What one of them tells is never taken for the same told by another. An
// error of one that is asked is an error of all, not a reason to ask the next.
func FirstOf(keys ...func(*http.Request) (string, error)) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		for i, key := range keys {
			if k, err := key(r); err != nil {
				return "", err
			} else if k != "" {
				return Key(strconv.Itoa(i), k), nil
			}
		}
		return "", nil
	}
}

// Everyone is a key function under which all callers are one: for what a route can bear, joined with
// Route, not for what a caller may ask.
func Everyone(*http.Request) (string, error) { return "everyone", nil }

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
