package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
)

// thumbprintLen is the length of 32 bytes in base64url without padding.
const thumbprintLen = 43

var thumbprintEncoding = base64.RawURLEncoding.Strict()

// Thumbprint gives the SHA-256 digest of the certificate's DER encoding (RFC 8705 section 3.1), which
// must have been parsed. It is a digest of the whole certificate, not of its key: a certificate that
// was issued again for the same key has another one.
func Thumbprint(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.Raw) }

// ThumbprintText gives the thumbprint as the confirmation member x5t#S256 holds it: base64url without
// padding, 43 characters (RFC 8705 section 3.1).
func ThumbprintText(cert *x509.Certificate) string {
	sum := Thumbprint(cert)
	return thumbprintEncoding.EncodeToString(sum[:])
}

// ParseThumbprint reads the value of a confirmation member x5t#S256. It takes exactly the text that
// ThumbprintText writes: 43 characters of base64url, no padding, no white space, unused bits zero.
// Whoever compares the result with a certificate's uses crypto/subtle.
func ParseThumbprint(text string) ([32]byte, error) {
	var encoded [thumbprintLen]byte
	var sum [32]byte
	if len(text) != len(encoded) {
		return sum, errThumbprint()
	}
	copy(encoded[:], text)
	// The decoder skips CR and LF, so 43 characters may come out as fewer bytes.
	if n, err := thumbprintEncoding.Decode(sum[:], encoded[:]); err != nil || n != len(sum) {
		return [32]byte{}, errThumbprint()
	}
	return sum, nil
}

// errThumbprint does not quote what it was given: it comes from a token.
func errThumbprint() error {
	return errors.New("mtls: a thumbprint is 43 characters of base64url without padding")
}
