package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

// fixedSource holds a server certificate of its own and the given anchors.
func fixedSource(t testing.TB, anchors ...*x509.Certificate) *mtls.Source {
	t.Helper()
	source, err := mtls.NewSource(mtls.SourceConfig{
		Certificate: issue(t, nil, forServer).tls(),
		ClientCAs:   anchors,
		Revocation:  mtls.NoRevocation{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func serverConfig(t testing.TB, source *mtls.Source, demand mtls.ClientCertificate) *tls.Config {
	t.Helper()
	config, err := mtls.Server(mtls.ServerConfig{Source: source, ClientCertificate: demand})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// listener is a running HTTPS server that answers with the thumbprint of its client.
type listener struct {
	addr    string
	handled atomic.Int64
}

func serve(t testing.TB, config *tls.Config) *listener {
	t.Helper()
	return serveWith(t, &http.Server{TLSConfig: config})
}

func serveWith(t testing.TB, server *http.Server) *listener {
	t.Helper()
	return serveAsking(t, server, mtls.Peer)
}

// serveAsking asks peer who the client is.
func serveAsking(t testing.TB, server *http.Server, peer func(*http.Request) (*x509.Certificate, error)) *listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{addr: ln.Addr().String()}
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.handled.Add(1)
		cert, err := peer(r)
		switch {
		case err != nil:
			_, _ = io.WriteString(w, err.Error())
		case cert == nil:
			_, _ = io.WriteString(w, "none")
		default:
			_, _ = io.WriteString(w, mtls.ThumbprintText(cert))
		}
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ServeTLS(ln, "", "")
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return l
}

// client trusts any server: these tests are about the other direction.
func client(t testing.TB, id *identity, change func(*tls.Config)) *http.Client {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if id != nil {
		pair := id.tls()
		// Shown whatever the server asks for: an attacker does not read its list of authorities.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	if change != nil {
		change(config)
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// get returns the body of the answer and the state of its connection.
func (l *listener) get(c *http.Client) (string, *tls.ConnectionState, error) {
	answer, err := c.Get("https://" + l.addr + "/")
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return string(body), answer.TLS, err
}

// mustGet expects an answer, and gives its body.
func (l *listener) mustGet(t testing.TB, c *http.Client) string {
	t.Helper()
	body, _, err := l.get(c)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// refused expects that the handshake fails and that no handler runs.
func (l *listener) refused(t testing.TB, c *http.Client) {
	t.Helper()
	before := l.handled.Load()
	body, _, err := l.get(c)
	if err == nil {
		t.Fatalf("the handshake succeeded: %q", body)
	}
	if l.handled.Load() != before {
		t.Fatal("the handler ran")
	}
}
