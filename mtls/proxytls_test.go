package mtls_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
)

// TestProxyListenerUnderTLS: TLS and HTTP above; the address is the stated one, and whose header fields are believed
// is not: a statement makes nobody a listed proxy.
func TestProxyListenerUnderTLS(t *testing.T) {
	ca := authority(t, "ca")
	id, other := issue(t, ca, nil), issue(t, ca, nil)
	const listed = "198.51.100.0/24" // where the proxies that hand certificates on are
	for name, c := range map[string]struct {
		proxies string // of the Proxies
		states  string
		field   bool // the certificate in the header counts
	}{
		"H4/states a client":                   {listed, "203.0.113.7", false},
		"H4/states a listed proxy":             {listed, "198.51.100.1", false},
		"H4/is a listed proxy, states another": {"127.0.0.1/32", "203.0.113.7", true},
	} {
		for _, protocol := range []string{"http/1.1", "h2"} {
			t.Run("C1/RFC9440-2.4-1/"+name+"/"+protocol, func(t *testing.T) {
				source := fixedSource(t, ca.cert)
				proxies, err := mtls.NewProxies(mtls.ProxyConfig{
					Addresses: []netip.Prefix{netip.MustParsePrefix(c.proxies)}, Format: mtls.RFC9440, Address: mtls.NoAddress, Source: source,
				})
				if err != nil {
					t.Fatal(err)
				}
				trail, err := audit.New(audit.Config{Handler: audit.NewLines(io.Discard)})
				if err != nil {
					t.Fatal(err)
				}
				server := &http.Server{
					TLSConfig: serverConfig(t, source, mtls.Required), ErrorLog: log.New(io.Discard, "", 0),
					Handler: trail.Wrap(proxies.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						cert, _ := mtls.Peer(r)
						addr, err := mtls.Address(r)
						_, _ = fmt.Fprintf(w, "%s %v %v", addr, err, cert != nil && cert.Equal(other.cert))
					}))),
				}
				l := stating(t, 0, "127.0.0.1/32")
				ended := make(chan struct{})
				go func() { defer close(ended); _ = server.ServeTLS(l, "", "") }()
				defer func() { _ = server.Close(); <-ended }()
				transport := &http.Transport{
					TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{id.tls()}, NextProtos: []string{protocol}},
					DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						conn, err := new(net.Dialer).DialContext(ctx, network, addr)
						if err == nil {
							_, err = fmt.Fprintf(conn, "PROXY TCP4 %s 192.0.2.1 4711 443\r\n", c.states)
						}
						return conn, err
					},
					ForceAttemptHTTP2: protocol == "h2",
				}
				defer transport.CloseIdleConnections()
				r, err := http.NewRequest(http.MethodGet, "https://"+l.Addr().String()+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Client-Cert", sfBinary(other.cert))
				answer, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = answer.Body.Close() }()
				body, err := io.ReadAll(answer.Body)
				if want := fmt.Sprintf("%s <nil> %v", c.states, c.field); err != nil || string(body) != want || answer.TLS.NegotiatedProtocol != protocol {
					t.Errorf("%q, want %q; %v, %q", body, want, err, answer.TLS.NegotiatedProtocol)
				}
			})
		}
	}
}
