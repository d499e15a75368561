package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/token"
)

// publisher is an https server with a CA of its own that serves a key set, or what a test wants instead.
// It lives outside of the bubble of a test: what is asked of it takes no time there.
type publisher struct {
	*httptest.Server
	pool    *x509.CertPool
	fetched atomic.Int64
	mu      sync.Mutex
	answer  http.HandlerFunc
}

// newPublisher serves under certificates for names, valid from the year 1990 to 2100.
func newPublisher(t testing.TB, names ...string) *publisher {
	p := &publisher{pool: x509.NewCertPool()}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetched.Add(1)
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		answer(w, r)
	}))
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.TLS = &tls.Config{Certificates: []tls.Certificate{authority(p.pool, names, 2100)}}
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// authority makes a self-signed certificate and puts it into pool, if there is one.
func authority(pool *x509.CertPool, names []string, until int) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(until, 1, 1, 0, 0, 0, 0, time.UTC),
		DNSNames: names, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(names) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	leaf, err := x509.ParseCertificate(der)
	must(err)
	if pool != nil {
		pool.AddCert(leaf)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (p *publisher) serve(answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// publish serves those keys; fields are names and values of the answer's header.
func (p *publisher) publish(keys []object, fields ...string) { p.say(keySetOf(keys...), fields...) }

func (p *publisher) say(body string, fields ...string) {
	p.serve(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(fields); i += 2 {
			w.Header().Add(fields[i], fields[i+1])
		}
		_, _ = io.WriteString(w, body)
	})
}

func (p *publisher) fail(status int) {
	p.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func (p *publisher) config() token.JWKSConfig {
	return token.JWKSConfig{URL: p.URL + "/jwks", TLS: &tls.Config{RootCAs: p.pool, MinVersion: tls.VersionTLS12}, Timeout: 20 * time.Second}
}

// fetches says how often the set was fetched while f ran.
func (p *publisher) fetches(f func()) int64 {
	n := p.fetched.Load()
	f()
	return p.fetched.Load() - n
}

func newJWKS(t testing.TB, c token.JWKSConfig) *token.JWKS {
	t.Helper()
	s, err := token.NewJWKS(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// knows wants exactly one key, or none and no error.
func knows(t *testing.T, s token.KeySource, kid string, want bool) {
	t.Helper()
	keys, err := s.Find(context.Background(), kid)
	if err != nil {
		t.Fatalf("%s: %v", kid, err)
	}
	if (len(keys) == 1) != want || len(keys) > 1 {
		t.Fatalf("%s: %d keys, want some: %v", kid, len(keys), want)
	}
}

// cannotTell wants an outage.
func cannotTell(t *testing.T, s token.KeySource, kid string) {
	t.Helper()
	if keys, err := s.Find(context.Background(), kid); err == nil || keys != nil {
		t.Fatalf("%s: %d keys and no error, want an outage", kid, len(keys))
	}
}

func published(pairs ...*pair) (list []object) {
	for _, p := range pairs {
		list = append(list, p.published())
	}
	return list
}

// newServerOf is an https server of those settings that serves body.
func newServerOf(t testing.TB, settings *tls.Config, body string) *httptest.Server {
	s := httptest.NewUnstartedServer(text(body))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = settings
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
