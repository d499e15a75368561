package actors

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Authority issues certificates.
type Authority struct {
	Certificate *x509.Certificate
	key         crypto.Signer
}

// NewAuthority makes an authority with a name and a key of its own.
func NewAuthority(name string) *Authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := template(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return &Authority{Certificate: must(x509.ParseCertificate(der)), key: key}
}

// Server issues a certificate for a server on loopback, and under the given names.
func (a *Authority) Server(names ...string) tls.Certificate {
	return a.issue(names[0], func(t *x509.Certificate) {
		t.DNSNames = append([]string{"localhost"}, names...)
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
}

// Client issues a certificate for a client; change may spoil it.
func (a *Authority) Client(name string, change ...func(*x509.Certificate)) tls.Certificate {
	return a.issue(name, append([]func(*x509.Certificate){clientAuth}, change...)...)
}

// SelfSigned makes the certificate of a client that no authority knows.
func SelfSigned(name string) tls.Certificate {
	template := template(name)
	clientAuth(template)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	return certificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)), key)
}

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte { return CertificatePEM(a.Certificate) }

// CertificatePEM writes a certificate as a file holds it.
func CertificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// KeyPEM writes a certificate's private key as a file holds it.
func KeyPEM(c tls.Certificate) []byte {
	der := must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))
	return bytes.Clone(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// CertificateThumbprint is what a token names a certificate by: x5t#S256 (RFC 8705 §3.1).
func CertificateThumbprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (a *Authority) issue(name string, change ...func(*x509.Certificate)) tls.Certificate {
	template := template(name)
	for _, f := range change {
		f(template)
	}
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	return certificate(must(x509.CreateCertificate(rand.Reader, template, a.Certificate, key.Public(), a.key)), key)
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func clientAuth(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

func certificate(der []byte, key crypto.Signer) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))}
}
