package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/tegata-go/tegata/mtls"
)

// overHTTP answers questions as RFC 6960 appendix A has it.
func (s *responder) overHTTP(t testing.TB) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		question, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/ocsp-request" {
			t.Errorf("%s, %v, %v", r.Method, r.Header, err)
		}
		raw, err := s.answer(t, question)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		_, _ = w.Write(raw)
	})
}

// TestOCSPHandshakes: a client whose certificate names a real responder, which is asked over HTTP.
func TestOCSPHandshakes(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	s := &responder{ca: ca, by: issue(t, ca, forAnswers)}
	server := httptest.NewServer(s.overHTTP(t))
	defer server.Close()
	local := mtls.OCSPConfig{PrivateHosts: []string{"127.0.0.1"}, Timeout: 20 * time.Second}
	for version, label := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
		at12or13 := func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }
		t.Run("M9/good/"+label, func(t *testing.T) {
			s.says(nil)
			front := serve(t, serverConfig(t, withOCSP(t, ca, newOCSP(t, local)), mtls.Required))
			id, before := issue(t, ca, at(server.URL)), s.times()
			for range 3 {
				if got := front.mustGet(t, client(t, id, at12or13)); got != mtls.ThumbprintText(id.cert) {
					t.Error(got)
				}
			}
			if n := s.times() - before; n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
		t.Run("M9/revoked/"+label, func(t *testing.T) {
			s.says(revoked)
			front := serve(t, serverConfig(t, withOCSP(t, ca, newOCSP(t, local)), mtls.Required))
			front.refused(t, client(t, issue(t, ca, at(server.URL)), at12or13))
		})
		t.Run("M9/SSRF/"+label, func(t *testing.T) {
			s.says(nil)
			front := serve(t, serverConfig(t, withOCSP(t, ca, newOCSP(t, local)), mtls.Required))
			before := s.times()
			namesake := issue(t, nil, asLister("ca"))
			for name, id := range map[string]*identity{
				"untrusted": issue(t, namesake, at(server.URL)), "self-signed": issue(t, nil, at(server.URL)),
				"expired": issue(t, ca, both(at(server.URL), expired)), "for servers": issue(t, ca, both(at(server.URL), usage(x509.ExtKeyUsageServerAuth))),
			} {
				front.refused(t, client(t, id, at12or13))
				if s.times() != before {
					t.Errorf("%s: its responder was asked", name)
				}
			}
		})
	}
}

// TestOCSPStapled: crypto/tls asks clients of TLS 1.3 for an answer beside their certificate.
func TestOCSPStapled(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	for name, c := range map[string]struct {
		version uint16
		change  func(*ocsp.Response)
		spoil   bool
		asked   int
		good    bool
	}{
		"good":                       {tls.VersionTLS13, nil, false, 0, true},
		"revoked":                    {tls.VersionTLS13, revoked, false, 0, false},
		"over":                       {tls.VersionTLS13, func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-time.Second) }, false, 1, true},
		"too old":                    {tls.VersionTLS13, func(r *ocsp.Response) { r.ThisUpdate = time.Now().Add(-8 * 24 * time.Hour) }, false, 1, true},
		"not signed by the issuer":   {tls.VersionTLS13, nil, true, 1, true},
		"of TLS 1.2, which has none": {tls.VersionTLS12, nil, false, 1, true},
	} {
		t.Run("M9/stapled/"+name, func(t *testing.T) {
			s := &responder{ca: ca}
			front := serve(t, serverConfig(t, withOCSP(t, ca, asking(t, s, mtls.OCSPConfig{})), mtls.Required))
			id := issue(t, ca, at("http://ocsp.example"))
			stapler := &responder{ca: ca, change: c.change}
			staple, err := stapler.answer(t, questionOf(t, id, ca))
			if err != nil {
				t.Fatal(err)
			}
			if c.spoil {
				staple[len(staple)-1] ^= 1
			}
			pair := id.tls()
			pair.OCSPStaple = staple
			caller := client(t, nil, func(config *tls.Config) {
				config.MinVersion, config.MaxVersion = c.version, c.version
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			})
			if !c.good {
				front.refused(t, caller)
			} else if got := front.mustGet(t, caller); got != mtls.ThumbprintText(id.cert) {
				t.Error(got)
			}
			if s.times() != c.asked {
				t.Errorf("asked %d times", s.times())
			}
		})
	}
}

// TestOCSPNetwork: what a responder may do to us.
func TestOCSPNetwork(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	s := &responder{ca: ca}
	var secret atomic.Int64
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { secret.Add(1) }))
	defer inner.Close()
	ended := make(chan struct{})
	header := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/ocsp-response") }
	for name, handler := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, inner.URL, http.StatusTemporaryRedirect)
		},
		"status": func(w http.ResponseWriter, r *http.Request) {
			header(w)
			w.WriteHeader(http.StatusBadGateway)
			s.overHTTP(t).ServeHTTP(w, r)
		},
		"media type": func(w http.ResponseWriter, r *http.Request) {
			question, _ := io.ReadAll(r.Body)
			raw, _ := s.answer(t, question)
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(raw)
		},
		"body without end": func(w http.ResponseWriter, _ *http.Request) {
			header(w)
			for range 1 << 14 { // 64 MiB would be read where nothing stopped
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
			t.Error("the whole body was taken")
		},
		"hangs": func(http.ResponseWriter, *http.Request) { <-ended },
		"hangs in the body": func(w http.ResponseWriter, _ *http.Request) {
			header(w)
			_, _ = w.Write([]byte{0x30})
			w.(http.Flusher).Flush()
			<-ended
		},
		"large header": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Padding", strings.Repeat("x", 64<<10))
			s.overHTTP(t).ServeHTTP(w, r)
		},
	} {
		server := httptest.NewServer(handler)
		defer server.Close()
		t.Run("M9/"+name, func(t *testing.T) {
			timeout := 20 * time.Second
			if strings.HasPrefix(name, "hangs") {
				timeout = 50 * time.Millisecond
			}
			o := newOCSP(t, mtls.OCSPConfig{PrivateHosts: []string{"127.0.0.1"}, Timeout: timeout})
			if got := judged(o, issue(t, ca, at(server.URL)).cert, ca.cert); got != "unknown" {
				t.Error(got)
			}
		})
	}
	close(ended)
	if secret.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

// TestOCSPPrivateAddress: a certificate does not make this service call into its own network.
func TestOCSPPrivateAddress(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	s := &responder{ca: ca}
	server := httptest.NewServer(s.overHTTP(t))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	slow := 20 * time.Second
	for name, c := range map[string]struct {
		url    string
		config mtls.OCSPConfig
		want   string
	}{
		"address":            {"http://127.0.0.1:" + port, mtls.OCSPConfig{Timeout: slow}, "unknown"},
		"address as IPv6":    {"http://[::ffff:127.0.0.1]:" + port, mtls.OCSPConfig{Timeout: slow}, "unknown"},
		"name":               {"http://localhost:" + port, mtls.OCSPConfig{Timeout: slow}, "unknown"},
		"name, another one":  {"http://localhost:" + port, mtls.OCSPConfig{Timeout: slow, PrivateHosts: []string{"ocsp.bank.example"}}, "unknown"},
		"listed name":        {"http://LocalHost:" + port, mtls.OCSPConfig{Timeout: slow, PrivateHosts: []string{"localhost"}}, "good"},
		"listed address":     {"http://127.0.0.1:" + port, mtls.OCSPConfig{Timeout: slow, PrivateHosts: []string{"127.0.0.1"}}, "good"},
		"configured address": {"http://ocsp.example", mtls.OCSPConfig{Timeout: slow, Responder: "http://127.0.0.1:" + port}, "good"},
		"configured name":    {"http://ocsp.example", mtls.OCSPConfig{Timeout: slow, Responder: "http://localhost:" + port}, "unknown"},
	} {
		t.Run("M9/SSRF/"+name, func(t *testing.T) {
			before := s.times()
			got := judged(newOCSP(t, c.config), issue(t, ca, at(c.url)).cert, ca.cert)
			if got != c.want || s.times()-before != map[string]int{"good": 1}[c.want] {
				t.Errorf("%s, asked %d times", got, s.times()-before)
			}
		})
	}
}

// TestOCSPAddresses: what is no public unicast address is not called, in whatever form it is written.
func TestOCSPAddresses(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:443", "10.1.2.3:443", "172.16.0.1:443", "192.168.1.1:443", "169.254.169.254:80", "100.64.0.1:443", "100.100.100.200:80",
		"0.0.0.0:443", "0.1.2.3:443", "192.0.0.170:443", "198.18.0.1:443", "198.19.255.255:443", "224.0.0.1:443", "240.0.0.1:443", "255.255.255.255:443",
		"[::]:443", "[::1]:443", "[::7f00:1]:443", "[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[64:ff9b::7f00:1]:443", "[64:ff9b:1::a00:1]:443",
		"[2002:7f00:1::]:443", "[2001::1]:443", "[2001:1ff::1]:443", "[fc00::1]:443", "[fd00:ec2::254]:80", "[fe80::1]:443", "[fe80::1%eth0]:443",
		"[fec0::1]:443", "[ff02::1]:443", "[2606:4700::1%eth0]:443", "localhost:443", "", "1.2.3.4",
	} {
		if mtls.Public(address) {
			t.Errorf("pitfall-36: %q is called", address)
		}
	}
	for _, address := range []string{"1.2.3.4:443", "100.63.255.255:443", "100.128.0.1:443", "198.17.0.1:443", "[2606:4700::1]:443", "[::ffff:1.2.3.4]:443", "[2001:200::1]:443"} {
		if !mtls.Public(address) {
			t.Errorf("%q is not called", address)
		}
	}
}
