package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/mtls/hygiene"
	"github.com/tegata-go/tegata/token"
)

// from makes a client that calls from another address of this machine, with cert or without.
func (s *stage) from(local string, cert *tls.Certificate) *http.Client {
	c := s.client(cert)
	here := &net.TCPAddr{IP: net.ParseIP(local)}
	if ln, err := net.ListenTCP("tcp", here); err != nil {
		s.t.Skipf("%s is no address of this machine", local) // outside Linux loopback is one address
	} else {
		_ = ln.Close()
	}
	dialer := &net.Dialer{LocalAddr: here}
	c.Transport.(*http.Transport).DialContext = dialer.DialContext
	return c
}

// handed is what a proxy of each format writes for a certificate.
func handed(c *x509.Certificate) map[string][2]string {
	text := string(actors.CertificatePEM(c))
	escaped := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	der := base64.StdEncoding.EncodeToString(c.Raw)
	sum := mtls.Thumbprint(c)
	return map[string][2]string{
		"rfc9440": {"Client-Cert", ":" + der + ":"},
		"xfcc":    {"X-Forwarded-Client-Cert", "Hash=" + show("%x", sum) + `;Cert="` + escaped + `"`},
		"nginx":   {"X-Ssl-Client-Cert", escaped},
		"haproxy": {"X-Ssl-Client-Cert", der},
		"apache":  {"X-Ssl-Client-Cert", strings.ReplaceAll(text, "\n", " ")},
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	stranger := actors.NewAuthority("Stranger").Client("app-1")
	for format, field := range handed(s.cert.Leaf) {
		b := s.start("-proxy", "127.0.0.1/32,192.0.2.0/24", "-proxy-format", format)
		header := http.Header{field[0]: {field[1]}}
		bound := actors.BoundTo(b.x5t(), "")
		t.Run(format, func(t *testing.T) {
			b.wants(t, b.do(call{client: b.from("127.0.0.1", nil), claims: bound, header: header}), 200, "", "")
			b.wants(t, b.do(call{client: b.from("127.0.0.1", nil), claims: bound}), 401, "invalid_token", string(token.ErrNoCertificate))
			unknown := handed(stranger.Leaf)[format]
			b.wants(t, b.do(call{client: b.from("127.0.0.1", nil), claims: actors.BoundTo(actors.CertificateThumbprint(stranger), ""),
				header: http.Header{unknown[0]: {unknown[1]}}}), 401, "invalid_token", string(token.ErrCertificate))
			b.wants(t, b.do(call{client: b.from("127.0.0.1", nil), claims: bound, header: http.Header{field[0]: {"?"}}}), 400, "", string(mtls.ErrForwarded))
		})
		t.Run("pitfall-77/"+format, func(t *testing.T) {
			a := b.do(call{client: b.from("127.0.0.2", nil), claims: bound, header: header})
			b.wants(t, a, 401, "invalid_token", string(token.ErrNoCertificate))
			if line := b.recordOf(a.interaction).line; !strings.Contains(line, `"stripped":1`) {
				t.Errorf("not counted: %s", line)
			}
			b.wants(t, b.do(call{client: b.from("127.0.0.2", &b.cert), claims: bound}), 200, "", "") // its own connection
		})
		if _, err := b.stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	b := newStage(t).start("-proxy", "127.0.0.1", "-plain")
	b.url = "http://" + b.addr
	field := handed(b.cert.Leaf)["rfc9440"]
	header := http.Header{field[0]: {field[1]}}
	t.Run("listed", func(t *testing.T) {
		b.wants(t, b.do(call{client: b.from("127.0.0.1", nil), header: header}), 200, "", "")
		header := header.Clone()
		header.Set("X-Forwarded-Proto", "http")
		b.wants(t, b.do(call{client: b.from("127.0.0.1", nil), header: header}), 400, "", string(hygiene.ErrPlain))
	})
	t.Run("FAPI2-SP-5.2.1-1", func(t *testing.T) {
		a := b.do(call{client: b.from("127.0.0.2", nil), header: header})
		b.wants(t, a, 400, "", string(hygiene.ErrPlain))
		if a.Header.Get("Strict-Transport-Security") == "" {
			t.Error("C12: no security headers on a refusal")
		}
	})
}

func TestCRL(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	path := s.file("list.pem", s.authority.RevocationList(1))
	b := s.start("-crl", path)
	kept := b.client(&b.cert)
	b.wants(t, b.do(call{client: kept}), 200, "", "")
	s.file("list.pem", s.authority.RevocationList(2, s.cert.Leaf.SerialNumber))
	deadline := time.Now().Add(15 * time.Second)
	for b.do(call{client: kept}).StatusCode == 200 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	b.wants(t, b.do(call{client: kept}), 401, "invalid_token", string(token.ErrCertificate))
	if a, err := b.try(call{client: b.client(&b.cert)}); err == nil {
		t.Errorf("a new connection: %d", a.StatusCode)
	}
	b.wants(t, b.do(call{dpop: true}), 200, "", "") // who shows no certificate
}

func TestTLSProfile(t *testing.T) {
	t.Parallel()
	for profile, good := range map[string]bool{"fapi2": true, "fapi1": false, "brasil": false} {
		b := newStage(t).start("-tls-profile", profile)
		c, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: b.authority.Pool(), MaxVersion: tls.VersionTLS12}) // the server's key is ECDSA
		if (err == nil) != good {
			t.Errorf("%s: %v", profile, err)
		}
		if err == nil {
			c.Close()
		}
		b.wants(t, b.do(call{}), 200, "", "")
	}
}

func TestTransportFlags(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"-proxy", "everybody"}, "-proxy: not CIDR"},
		{[]string{"-proxy", "0.0.0.0/0"}, "lists everybody"},
		{[]string{"-proxy", "127.0.0.1", "-proxy-format", "pem"}, "-proxy-format: not"},
		{[]string{"-proxy-format", "nginx"}, "needs -proxy"},
		{[]string{"-plain"}, "-plain needs -proxy"},
		{[]string{"-crl", ""}, "-crl: no file"},
		{[]string{"-crl", filepath.Join(s.dir, "ca.pem")}, "not a revocation list"},
		{[]string{"-tls-profile", "tls12"}, "-tls-profile: not"},
	} {
		b := s.process(append(s.flags(freeAddr(t)), c.flags...)...)
		select {
		case err := <-b.gone:
			if said := b.stdout.String() + b.stderr.String(); err == nil || !strings.Contains(said, c.want) {
				t.Errorf("%v: %v %s", c.flags, err, said)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%v: the bank starts", c.flags)
		}
	}
}
