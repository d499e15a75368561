package mtls_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
)

const (
	proxyAddr    = "192.0.2.10:40000"
	strangerAddr = "198.51.100.7:40000"
)

// What proxies write.
func sfBinary(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}
func nginxText(c *x509.Certificate) string {
	return strings.ReplaceAll(url.QueryEscape(string(certPEM(c))), "+", "%20")
}
func apacheText(c *x509.Certificate) string {
	return strings.ReplaceAll(string(certPEM(c)), "\n", " ")
}
func haproxyText(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) }
func envoyPEM(certs ...*x509.Certificate) string {
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(string(certPEM(certs...)))
}
func envoyText(c *x509.Certificate, chain ...*x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	text := `By=spiffe://bank/proxy;Hash=` + hex.EncodeToString(sum[:]) + `;Cert="` + envoyPEM(c) + `"`
	if len(chain) > 0 {
		text += `;Chain="` + envoyPEM(append([]*x509.Certificate{c}, chain...)...) + `"`
	}
	return text + `;Subject="CN=\"x\",O=y;z";URI=;DNS=a.example`
}

// door is a chain of audit and Proxies round a handler that tells what it saw.
type door struct {
	handler http.Handler
	lines   *bytes.Buffer
	seen    *http.Request // by the handler; nil: it did not run
	cert    *x509.Certificate
	err     error
}

func newDoor(t testing.TB, config mtls.ProxyConfig) *door {
	t.Helper()
	proxies, err := mtls.NewProxies(config)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{lines: new(bytes.Buffer)}
	trail, err := audit.New(audit.Config{Handler: audit.NewLines(d.lines)})
	if err != nil {
		t.Fatal(err)
	}
	d.handler = trail.Wrap(proxies.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		d.seen = r
		d.cert, d.err = mtls.Peer(r)
	})))
	return d
}

// send gives the answer's status and the record.
func (d *door) send(t testing.TB, r *http.Request) (int, map[string]any) {
	t.Helper()
	d.seen, d.cert, d.err = nil, nil, nil
	d.lines.Reset()
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	record := map[string]any{}
	if err := json.Unmarshal(d.lines.Bytes(), &record); err != nil {
		t.Fatalf("%v in %q", err, d.lines)
	}
	if w.Header().Get("Client-Cert") != "" {
		t.Error("RFC9440-2.2-2: Client-Cert in a response")
	}
	return w.Code, record
}

// from makes a request of a connection without TLS; fields are pairs of name and value.
func from(remote string, fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://bank.example/accounts", nil)
	r.RemoteAddr = remote
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

func behind(format mtls.Format, source *mtls.Source) mtls.ProxyConfig {
	return mtls.ProxyConfig{
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/48")},
		Format:    format, Address: mtls.XForwardedFor, Source: source,
	}
}

var formats = map[string]struct {
	format mtls.Format
	field  string
	text   func(*x509.Certificate) string
}{
	"RFC 9440": {mtls.RFC9440, "Client-Cert", sfBinary},
	"Envoy":    {mtls.Envoy, "X-Forwarded-Client-Cert", func(c *x509.Certificate) string { return envoyText(c) }},
	"nginx":    {mtls.Nginx, "X-SSL-Client-Cert", nginxText},
	"Apache":   {mtls.Apache, "X-SSL-Client-Cert", apacheText},
	"HAProxy":  {mtls.HAProxy, "X-SSL-Client-Cert", haproxyText},
}

func TestForwardedCertificate(t *testing.T) {
	ca := authority(t, "ca")
	id, stranger := issue(t, ca, nil), issue(t, authority(t, "other"), nil)
	source := fixedSource(t, ca.cert)
	for name, f := range formats {
		d := newDoor(t, behind(f.format, source))
		t.Run("M6/RFC8705-6.5/"+name, func(t *testing.T) {
			for range 2 { // read, and remembered
				status, record := d.send(t, from(proxyAddr, f.field, f.text(id.cert)))
				if status != 200 || d.err != nil || d.cert == nil || !d.cert.Equal(id.cert) {
					t.Fatalf("%d, %v, %v", status, d.cert, d.err)
				}
				if d.seen.Header.Get(f.field) != "" || record["stripped"] != nil {
					t.Errorf("the field is still there, or counted: %v", record)
				}
			}
		})
		t.Run("M7/pitfall-77/RFC9440-2.4-1/"+name, func(t *testing.T) {
			status, record := d.send(t, from(strangerAddr, f.field, f.text(id.cert), "X-Forwarded-For", "192.0.2.1"))
			if status != 200 || d.cert != nil || d.err != nil {
				t.Fatalf("%d, %v, %v: a stranger's header was believed", status, d.cert, d.err)
			}
			if d.seen.Header.Get(f.field) != "" || d.seen.Header.Get("X-Forwarded-For") != "" || record["stripped"] != 2.0 {
				t.Errorf("%v, record %v", d.seen.Header, record)
			}
		})
		t.Run("RFC9440-2.4-3/"+name, func(t *testing.T) {
			status, _ := d.send(t, from(proxyAddr, f.field, f.text(stranger.cert)))
			var refusal *audit.Refusal
			if status != 200 || d.cert != nil || !errors.As(d.err, &refusal) || !errors.Is(d.err, mtls.ErrUntrusted) || refusal.Status != 401 {
				t.Errorf("%d, %v, %v", status, d.cert, d.err)
			}
		})
		t.Run("no certificate/"+name, func(t *testing.T) {
			if status, _ := d.send(t, from(proxyAddr)); status != 200 || d.cert != nil || d.err != nil {
				t.Errorf("%d, %v, %v", status, d.cert, d.err)
			}
		})
		for other, g := range formats {
			if other == name {
				continue
			}
			t.Run("pitfall-79/"+name+" is sent as "+other, func(t *testing.T) {
				d.refused(t, from(proxyAddr, f.field, g.text(id.cert)), 400, mtls.ErrForwarded)
			})
		}
	}
}

func (d *door) refused(t testing.TB, r *http.Request, status int, reason audit.Reason) {
	t.Helper()
	got, record := d.send(t, r)
	if got != status || d.seen != nil || record["reason"] != string(reason) {
		t.Errorf("%d, handler ran %v, %v; want %d, %q", got, d.seen != nil, record["reason"], status, reason)
	}
}

func TestProxyIdentity(t *testing.T) {
	ca, operations := authority(t, "ca"), authority(t, "operations")
	id, proxy, own := issue(t, ca, nil), issue(t, operations, nil), issue(t, operations, nil)
	settings := behind(mtls.RFC9440, fixedSource(t, ca.cert))
	settings.Listener = fixedSource(t, operations.cert)
	settings.Identity = func(c *x509.Certificate) error {
		if c.Equal(proxy.cert) {
			return nil
		}
		return errors.New("another")
	}
	d := newDoor(t, settings)
	over := func(remote string, shown *identity, verified bool) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "https://bank.example/accounts", nil)
		r.RemoteAddr = remote
		if shown != nil {
			r.TLS.PeerCertificates = []*x509.Certificate{shown.cert}
			if verified {
				r.TLS.VerifiedChains = [][]*x509.Certificate{{shown.cert, operations.cert}}
			}
		}
		r.Header.Set("Client-Cert", sfBinary(id.cert))
		return r
	}
	t.Run("H4/RFC9440-4-2", func(t *testing.T) {
		if d.send(t, over(proxyAddr, proxy, true)); d.cert == nil || !d.cert.Equal(id.cert) {
			t.Errorf("%v, %v", d.cert, d.err)
		}
		for name, r := range map[string]*http.Request{
			"no certificate": over(proxyAddr, nil, false), "not verified": over(proxyAddr, proxy, false),
			"another certificate": over(proxyAddr, own, true), "another address": over(strangerAddr, proxy, true),
			"plain": from(proxyAddr, "Client-Cert", sfBinary(id.cert)),
		} {
			status, record := d.send(t, r)
			if status != 200 || d.cert != nil && d.cert.Equal(id.cert) || record["stripped"] != 1.0 {
				t.Errorf("%s: %d, %v, %v", name, status, d.cert, record)
			}
		}
	})
	t.Run("the proxy's certificate is no client's", func(t *testing.T) {
		r := over(proxyAddr, proxy, true)
		r.Header.Del("Client-Cert")
		if d.send(t, r); d.cert != nil || d.err != nil {
			t.Errorf("%v, %v", d.cert, d.err)
		}
	})
}

func TestStripped(t *testing.T) {
	ca := authority(t, "ca")
	id := issue(t, ca, nil)
	settings := behind(mtls.Nginx, fixedSource(t, ca.cert))
	settings.Field = "Tls-Peer"
	d := newDoor(t, settings)
	names := []string{
		"Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert", "Ssl-Client-Cert", "X-Ssl-Client-Cert", "X-Ssl-Client-Verify",
		"SSL_CLIENT_CERT", "X_SSL_CLIENT_CERT", "client_cert", "X-Amzn-Mtls-Clientcert", "Tls_Peer",
	}
	t.Run("M7/pitfall-77", func(t *testing.T) {
		for _, remote := range []string{strangerAddr, proxyAddr} {
			r := from(remote, "Accept", "*/*", "X-Fapi-Customer-Ip-Address", "203.0.113.9")
			for _, name := range names {
				r.Header[name] = []string{nginxText(id.cert)} // as HTTP/2 and odd clients may spell it
			}
			status, record := d.send(t, r)
			if status != 200 || d.cert != nil || len(d.seen.Header) != 2 {
				t.Errorf("%s: %d, %v, %v", remote, status, d.cert, d.seen.Header)
			}
			if remote == strangerAddr && record["stripped"] != float64(len(names)) {
				t.Errorf("counted %v", record["stripped"])
			}
			if len(r.Header) != len(names)+2 {
				t.Error("the request of the caller was changed")
			}
		}
	})
	t.Run("pitfall-80", func(t *testing.T) {
		d.send(t, from(strangerAddr, "X-Fapi-Customer-Ip-Address", "203.0.113.9"))
		if got := d.seen.Header.Get("X-Fapi-Customer-Ip-Address"); got != "203.0.113.9" {
			t.Errorf("the customer's address became %q", got)
		}
		if addr, err := mtls.Address(d.seen); err != nil || addr.String() != "198.51.100.7" {
			t.Errorf("%v, %v", addr, err)
		}
	})
	t.Run("RFC9440-4-1", func(t *testing.T) {
		r := from(proxyAddr, "Client-Cert", sfBinary(id.cert))
		if cert, err := mtls.Peer(r); cert != nil || err != nil {
			t.Errorf("without Wrap: %v, %v", cert, err)
		}
	})
	t.Run("twice", func(t *testing.T) {
		proxies, err := mtls.NewProxies(settings)
		if err != nil {
			t.Fatal(err)
		}
		ran := false
		h := proxies.Wrap(proxies.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true })))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, from(proxyAddr)); w.Code != 500 || ran {
			t.Errorf("%d, ran %v", w.Code, ran)
		}
	})
}
