package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

// http1 makes a copy of a client that does not speak HTTP/2.
func http1(c *http.Client) *http.Client {
	transport := c.Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = false
	transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	return &http.Client{Transport: transport, Timeout: c.Timeout, CheckRedirect: c.CheckRedirect}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	self, other := actors.SelfSigned("self"), actors.SelfSigned("stranger")
	s.file("ca.pem", append(s.authority.PEM(), actors.CertificatePEM(self.Leaf)...))
	b := s.start()

	t.Run("versions", func(t *testing.T) {
		for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			c, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: s.authority.Pool(), MinVersion: version, MaxVersion: version})
			if (err == nil) != good {
				t.Errorf("%s: %v", tls.VersionName(version), err)
			}
			if err == nil {
				c.Close()
			}
		}
	})
	t.Run("http versions", func(t *testing.T) {
		client := b.client(&b.cert)
		if a := b.do(call{client: client}); a.StatusCode != 200 || a.Proto != "HTTP/2.0" {
			t.Error(a.StatusCode, a.Proto)
		}
		if a := b.do(call{client: http1(client)}); a.StatusCode != 200 || a.Proto != "HTTP/1.1" {
			t.Error(a.StatusCode, a.Proto)
		}
	})
	t.Run("self-signed client that is listed", func(t *testing.T) {
		a := b.do(call{client: b.client(&self), claims: actors.BoundTo(actors.CertificateThumbprint(self), "")})
		b.wants(t, a, 200, "", "")
	})
	stranger := actors.NewAuthority("Stranger").Client("app-1")
	expired := s.authority.Client("app-1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	server := s.authority.Client("app-1", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	for name, cert := range map[string]tls.Certificate{"self-signed stranger": other, "other authority": stranger, "expired": expired, "not for clients": server} {
		t.Run(name, func(t *testing.T) {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				client := b.client(nil)
				settings := client.Transport.(*http.Transport).TLSClientConfig
				settings.MaxVersion = version
				settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
				if a, err := b.try(call{client: client}); err == nil {
					t.Errorf("%s: status %d", tls.VersionName(version), a.StatusCode)
				}
			}
		})
	}
	t.Run("none of it is in the audit log", func(t *testing.T) {
		if strings.Contains(b.stderr.String(), "handshake") {
			t.Error("a line that is no record")
		}
	})
}

func TestHeaderSize(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	client := b.client(&b.cert)
	for name, client := range map[string]*http.Client{"HTTP/2.0": client, "HTTP/1.1": http1(client)} {
		t.Run(name, func(t *testing.T) {
			a := b.do(call{client: client, header: http.Header{"X-Long": {strings.Repeat("x", 30<<10)}}})
			b.wants(t, a, 200, "", "")
			many := http.Header{}
			for i := range 100 {
				many.Set(show("X-Part-%d", i), strings.Repeat("x", 300))
			}
			b.wants(t, b.do(call{client: client, header: many}), 200, "", "")
			if a, err := b.try(call{client: client, header: http.Header{"X-Long": {strings.Repeat("x", 80<<10)}}}); err == nil && a.StatusCode != 431 {
				t.Errorf("80 KiB: status %d", a.StatusCode)
			}
		})
	}
	t.Run("token of 12 KiB", func(t *testing.T) {
		claims := actors.Claims{"pad": strings.Repeat("x", 8200)}
		a := b.do(call{claims: claims})
		if len(a.token) < 11<<10 || len(a.token) > 12<<10 {
			t.Fatalf("the token has %d bytes", len(a.token))
		}
		b.wants(t, a, 200, "", "")
		claims["pad"] = strings.Repeat("x", 9600)
		if a := b.do(call{claims: claims}); a.StatusCode != 401 && a.StatusCode != 431 {
			t.Errorf("a token of %d bytes: %d", len(a.token), a.StatusCode)
		}
	})
}
