package mtls_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

// session is one connection over a pipe: the server answers with the thumbprint that it saw.
type session struct {
	thumbprint string
	resumed    bool
	err        error // of the server's handshake
}

// queued is an end of a pipe whose writes do not wait for the reader: the two sides of a handshake may
// both be writing.
type queued struct {
	net.Conn
	out     chan []byte
	drained chan struct{}
}

func queue(conn net.Conn) *queued {
	q := &queued{conn, make(chan []byte, 64), make(chan struct{})}
	go func() {
		defer close(q.drained)
		for b := range q.out {
			_, _ = conn.Write(b)
		}
	}()
	return q
}

func (q *queued) Write(b []byte) (int, error) {
	q.out <- bytes.Clone(b)
	return len(b), nil
}

// connect makes a connection with the client's configuration to a server with the server's.
func connect(t testing.TB, server, client *tls.Config) session {
	t.Helper()
	a, b := net.Pipe()
	near, far := queue(a), queue(b)
	ended := make(chan error, 1)
	go func() {
		conn := tls.Server(far, server)
		err := conn.Handshake()
		if err == nil {
			seen := "none"
			if state := conn.ConnectionState(); len(state.PeerCertificates) > 0 {
				seen = mtls.ThumbprintText(state.PeerCertificates[0])
			}
			_, err = io.WriteString(conn, seen+"\n")
		}
		close(far.out)
		<-far.drained
		_ = far.Close()
		ended <- err
	}()
	conn := tls.Client(near, client)
	line, readErr := bufio.NewReader(conn).ReadString('\n')
	_ = near.Close()
	close(near.out)
	<-near.drained
	err := <-ended
	if err == nil && readErr != nil {
		t.Fatalf("the server is content, the client is not: %v", readErr)
	}
	return session{strings.TrimSpace(line), conn.ConnectionState().DidResume, err}
}

// resuming is a client that keeps sessions; as gives the same client with another certificate.
type resuming struct {
	version uint16
	cache   tls.ClientSessionCache
}

func (r resuming) as(id *identity) *tls.Config {
	config := &tls.Config{
		InsecureSkipVerify: true, ServerName: "bank.example", ClientSessionCache: r.cache,
		MinVersion: r.version, MaxVersion: r.version,
	}
	if id != nil {
		config.Certificates = []tls.Certificate{id.tls()}
	}
	return config
}

func eachVersion(t *testing.T, test func(t *testing.T, r resuming)) {
	for version, name := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
		t.Run("RFC9325-3.4/"+name, func(t *testing.T) {
			test(t, resuming{version, tls.NewLRUClientSessionCache(4)})
		})
	}
}

func expect(t testing.TB, got session, id *identity, resumed bool) {
	t.Helper()
	if got.err != nil {
		t.Fatalf("handshake: %v", got.err)
	}
	if got.thumbprint != mtls.ThumbprintText(id.cert) || got.resumed != resumed {
		t.Fatalf("resumed %v with %s, want %v with %s", got.resumed, got.thumbprint, resumed, mtls.ThumbprintText(id.cert))
	}
}

func TestResumptionKeepsTheCertificate(t *testing.T) {
	eachVersion(t, func(t *testing.T, r resuming) {
		ca := authority(t, "ca")
		config := serverConfig(t, fixedSource(t, ca.cert), mtls.Optional)
		first, second := issue(t, ca, nil), issue(t, ca, nil)
		expect(t, connect(t, config, r.as(first)), first, false)
		expect(t, connect(t, config, r.as(first)), first, true)
		// Neither another certificate nor none in its place: the session is the first one's.
		expect(t, connect(t, config, r.as(second)), first, true)
		expect(t, connect(t, config, r.as(nil)), first, true)
	})
}

func TestResumptionOfSelfSigned(t *testing.T) {
	eachVersion(t, func(t *testing.T, r resuming) {
		id := issue(t, nil, nil)
		config := serverConfig(t, fixedSource(t, id.cert), mtls.Required)
		expect(t, connect(t, config, r.as(id)), id, false)
		expect(t, connect(t, config, r.as(id)), id, true)
	})
}

func TestResumptionAfterReload(t *testing.T) {
	eachVersion(t, func(t *testing.T, r resuming) {
		gone, stays, added := authority(t, "gone"), authority(t, "stays"), authority(t, "added")
		files := newFiles(t)
		files.anchors(t, gone.cert, stays.cert)
		source := files.source(t)
		config := serverConfig(t, source, mtls.Required)
		other := resuming{r.version, tls.NewLRUClientSessionCache(4)}
		leaving, staying := issue(t, gone, nil), issue(t, stays, nil)
		expect(t, connect(t, config, r.as(leaving)), leaving, false)
		expect(t, connect(t, config, other.as(staying)), staying, false)

		files.anchors(t, stays.cert, added.cert)
		// Who is still trusted resumes: new material, the same ticket keys.
		expect(t, connect(t, config, other.as(staying)), staying, true)
		// Who is not may not resume, and may come back with a certificate that is trusted now.
		if got := connect(t, config, r.as(leaving)); got.err == nil {
			t.Fatalf("a session outlived its authority: %+v", got)
		}
		renewed := issue(t, added, nil)
		expect(t, connect(t, config, r.as(renewed)), renewed, false)
	})
}

func TestResumptionAfterExpiry(t *testing.T) {
	for name, shorten := range map[string]func(leaf, under *x509.Certificate){
		"client":       func(leaf, _ *x509.Certificate) { leaf.NotAfter = time.Now().Add(10 * time.Minute) },
		"intermediate": func(_, under *x509.Certificate) { under.NotAfter = time.Now().Add(10 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, r resuming) {
				synctest.Test(t, func(t *testing.T) {
					ca := authority(t, "ca")
					under := issue(t, ca, func(c *x509.Certificate) {
						asAuthority("intermediate")(c)
						shorten(new(x509.Certificate), c)
					})
					id := issue(t, under, func(c *x509.Certificate) { shorten(c, new(x509.Certificate)) })
					config := serverConfig(t, fixedSource(t, ca.cert), mtls.Required)
					expect(t, connect(t, config, r.as(id)), id, false)
					time.Sleep(9 * time.Minute)
					expect(t, connect(t, config, r.as(id)), id, true)
					time.Sleep(2 * time.Minute)
					if got := connect(t, config, r.as(id)); got.err == nil {
						t.Fatalf("a session outlived its certificate: %+v", got)
					}
				})
			})
		})
	}
}
