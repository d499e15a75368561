package mtls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// maxNames bounds the subjects of all anchors together: the server sends them in its request for a
// certificate, in a list whose length is a 16-bit number (RFC 8446 section 4.2.4).
const maxNames = 60000

// anchors are the certificates that client certificates are judged by: authorities, and the
// certificates of self-signed clients themselves. They never change.
type anchors struct {
	pool   *x509.CertPool
	listed map[[sha256.Size]byte]*x509.Certificate // by digest of the DER encoding
}

func newAnchors(certs []*x509.Certificate) (*anchors, error) {
	a := &anchors{pool: x509.NewCertPool(), listed: make(map[[sha256.Size]byte]*x509.Certificate, len(certs))}
	names := 0
	for _, cert := range certs {
		if cert == nil || len(cert.Raw) == 0 {
			return nil, errors.New("a client trust anchor is not a parsed certificate")
		}
		sum := sha256.Sum256(cert.Raw)
		if _, twice := a.listed[sum]; twice {
			continue
		}
		a.listed[sum] = cert
		a.pool.AddCert(cert)
		names += 2 + len(cert.RawSubject)
	}
	switch {
	case len(a.listed) == 0:
		return nil, errors.New("no client trust anchor")
	case names > maxNames:
		return nil, errors.New("too many client trust anchors: their names do not fit into a handshake")
	}
	return a, nil
}

// fit says whether a client's certificate is good in itself, on full and on resumed handshakes and in
// every request alike: its time may be over since it was verified. It is stricter than x509.Verify,
// which takes a certificate without extended key usage for any purpose, and lets a version 1
// certificate issue others.
func fit(leaf *x509.Certificate, now time.Time) error {
	switch {
	case !validAt(leaf, now):
		return ErrExpired
	case !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return ErrUsage
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return ErrUsage
	case weak(leaf.PublicKey):
		return ErrWeakKey
	}
	return nil
}

// holds reports whether the chain, whose signatures were verified, leads to an anchor now.
func (a *anchors) holds(chain []*x509.Certificate, now time.Time) bool {
	if len(chain) == 0 {
		return false
	}
	root := chain[len(chain)-1]
	if _, ok := a.listed[sha256.Sum256(root.Raw)]; !ok {
		return false
	}
	// A listed client speaks for itself only; issuing takes an authority (RFC 5280 section 4.2.1.9).
	if len(chain) > 1 && (!root.BasicConstraintsValid || !root.IsCA) {
		return false
	}
	return !slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return !validAt(c, now) })
}

// weak reports whether a key falls short of FAPI 2.0 Security Profile section 5.4.1.
func weak(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() < 2048
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize < 224
	case ed25519.PublicKey:
		return false
	}
	return true
}
