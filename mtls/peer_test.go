package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
)

// over makes a request whose connection showed these certificates.
func over(certs ...*x509.Certificate) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://bank.example/accounts", nil)
	r.TLS.PeerCertificates = certs
	return r
}

func TestPeer(t *testing.T) {
	ca := authority(t, "ca")
	id := issue(t, ca, nil)
	t.Run("RFC8705-3-1", func(t *testing.T) {
		if cert, err := mtls.Peer(over(id.cert, ca.cert)); cert != id.cert || err != nil {
			t.Errorf("%v, %v", cert, err)
		}
	})
	t.Run("none shown", func(t *testing.T) {
		if cert, err := mtls.Peer(over()); cert != nil || err != nil {
			t.Errorf("%v, %v", cert, err)
		}
	})
	t.Run("RFC8705-6.5", func(t *testing.T) {
		plain := httptest.NewRequest(http.MethodGet, "http://bank.example/accounts", nil)
		for _, r := range []*http.Request{plain, over()} {
			for _, name := range []string{"Client-Cert", "X-Forwarded-Client-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Cert"} {
				r.Header.Set(name, string(certPEM(id.cert)))
			}
			if cert, err := mtls.Peer(r); cert != nil || err != nil {
				t.Errorf("a header was believed: %v, %v", cert, err)
			}
		}
	})
	t.Run("RFC8705-6.2-p", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			id := issue(t, nil, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
			r := over(id.cert)
			try := func(when string, valid bool) {
				cert, err := mtls.Peer(r)
				if valid {
					if cert != id.cert || err != nil {
						t.Errorf("%s: %v, %v", when, cert, err)
					}
					return
				}
				var refusal *audit.Refusal
				if cert != nil || !errors.Is(err, mtls.ErrExpired) || !errors.As(err, &refusal) {
					t.Fatalf("%s: %v, %v", when, cert, err)
				}
				if refusal.Status != http.StatusUnauthorized || refusal.Code != "invalid_token" || refusal.Cause != nil {
					t.Errorf("%s: %+v", when, refusal)
				}
			}
			try("a minute early", false)
			time.Sleep(time.Minute)
			try("at NotBefore", true)
			time.Sleep(59 * time.Minute)
			try("at NotAfter", true)
			time.Sleep(time.Nanosecond)
			try("later", false)
		})
	})
}

func TestPeerAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	r, text := over(issue(t, nil, nil).cert), appendixAThumbprint
	for name, f := range map[string]func(){
		"Peer":            func() { _, _ = mtls.Peer(r) },
		"Thumbprint":      func() { _ = mtls.Thumbprint(r.TLS.PeerCertificates[0]) },
		"ParseThumbprint": func() { _, _ = mtls.ParseThumbprint(text) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkPeer reports Peer as a ratio to time.Now, the one thing in it that costs.
func BenchmarkPeer(b *testing.B) {
	r := over(issue(b, nil, nil).cert)
	const rounds = 200_000
	began := time.Now()
	for range rounds {
		_ = time.Now()
	}
	floor := float64(time.Since(began)) / rounds
	b.ReportAllocs()
	for b.Loop() {
		_, _ = mtls.Peer(r)
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/floor, "x-time.Now")
}

// BenchmarkSourcePeer reports what it costs to judge a connection's certificate again for one more request, with a
// list of 100,000, as a ratio to the SHA-256 of that certificate.
func BenchmarkSourcePeer(b *testing.B) {
	ca := issue(b, nil, asLister("ca"))
	list := crl(b, ca, 1, func(l *x509.RevocationList) {
		for i := range int64(100_000) {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: big.NewInt(i + 1), RevocationTime: time.Now()})
		}
	})
	source, _ := listed(b, []*x509.Certificate{ca.cert}, list)
	r := shown(issue(b, ca, nil), ca)
	const rounds = 20_000
	began := time.Now()
	for range rounds {
		_ = mtls.Thumbprint(r.TLS.PeerCertificates[0])
	}
	floor := float64(time.Since(began)) / rounds
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Peer(r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/floor, "x-SHA-256")
}

// BenchmarkOCSPPeer is BenchmarkSourcePeer with an answer of a responder that is remembered.
func BenchmarkOCSPPeer(b *testing.B) {
	ca := issue(b, nil, asLister("ca"))
	source := withOCSP(b, ca, asking(b, &responder{ca: ca}, mtls.OCSPConfig{}))
	r := shown(issue(b, ca, at("http://ocsp.example")), ca)
	const rounds = 20_000
	began := time.Now()
	for range rounds {
		_ = mtls.Thumbprint(r.TLS.PeerCertificates[0])
	}
	floor := float64(time.Since(began)) / rounds
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Peer(r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/floor, "x-SHA-256")
}

// BenchmarkHandshake reports a full mutual handshake as a ratio to one of a bare tls.Config.
func BenchmarkHandshake(b *testing.B) {
	ca := authority(b, "ca")
	id := issue(b, ca, nil)
	ours := serverConfig(b, fixedSource(b, ca.cert), mtls.Required)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	bare := &tls.Config{Certificates: ours.Certificates, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	c := resuming{version: tls.VersionTLS13}.as(id)
	var spent [2]time.Duration
	for b.Loop() {
		for i, config := range []*tls.Config{bare, ours} {
			began := time.Now()
			if got := connect(b, config, c); got.err != nil {
				b.Fatal(got.err)
			}
			spent[i] += time.Since(began)
		}
	}
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "x-bare")
}
