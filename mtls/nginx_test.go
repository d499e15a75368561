package mtls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/token"
)

// tool gives the path of a program, or skips the test; a variable of the environment forbids that.
func tool(t testing.TB, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	if os.Getenv("TEGATA_REQUIRE_"+strings.ToUpper(name)) == "1" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// startNginx starts nginx in front of a server at back, and gives its address. Its client certificates are
// verified as verify says, a value of ssl_verify_client.
func startNginx(t *testing.T, back, verify string, ca *identity) string {
	t.Helper()
	path, dir := tool(t, "nginx"), t.TempDir()
	own := issue(t, nil, forServer)
	write(t, filepath.Join(dir, "server.pem"), certPEM(own.cert))
	write(t, filepath.Join(dir, "server.key"), keyPEM(t, own.key))
	write(t, filepath.Join(dir, "clients.pem"), certPEM(ca.cert))
	temporary := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	for range 5 {
		addr := freeAddress(t)
		config := fmt.Sprintf(`daemon off; master_process off; worker_processes 1; pid %[1]s/pid; error_log stderr warn;
events { worker_connections 64; }
http {
  access_log off; %[2]s
  server {
    listen %[3]s ssl;
    ssl_certificate %[1]s/server.pem; ssl_certificate_key %[1]s/server.key;
    ssl_client_certificate %[1]s/clients.pem; ssl_verify_client %[4]s;
    location / {
      proxy_pass http://%[5]s; proxy_http_version 1.1;
      proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`, dir, temporary, addr, verify, back)
		write(t, filepath.Join(dir, "nginx.conf"), []byte(config))
		if running(t, exec.Command(path, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")), addr) {
			return addr
		}
	}
	t.Fatal("nginx does not start")
	return ""
}

// running starts a server and waits until it listens; it is killed when the test ends.
func running(t *testing.T, command *exec.Cmd, addr string) bool {
	t.Helper()
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	t.Cleanup(func() { _ = command.Process.Kill(); <-ended })
	for range 500 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return true
		}
		select {
		case <-ended:
			t.Logf("%s: %s", command.Path, said.String())
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// bank is the chain of a resource server behind proxies on 127.0.0.1. The text of a token is the
// thumbprint that it is bound to.
func bank(t *testing.T, source *mtls.Source) string {
	t.Helper()
	proxies, err := mtls.NewProxies(mtls.ProxyConfig{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Format: mtls.Nginx, Address: mtls.XForwardedFor, Source: source,
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := token.New(token.Config{
		Resolver: token.ResolverFunc(func(_ context.Context, raw string) (*token.Claims, error) {
			return &token.Claims{Issuer: "https://as.example", Client: "tpp", X5T: raw, Expires: time.Now().Add(time.Minute)}, nil
		}),
		Revocations: token.NoRevocation{}, Certificate: mtls.Peer, Binding: token.BindingCertificate,
	})
	if err != nil {
		t.Fatal(err)
	}
	trail, err := audit.New(audit.Config{Handler: audit.NewLines(io.Discard)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(trail.Wrap(proxies.Wrap(tokens.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, _ := mtls.Address(r)
		_, _ = fmt.Fprintf(w, "%s %d", addr, len(r.Header["X-Ssl-Client-Cert"]))
	})))))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// call sends a request from an address of this machine, and gives status and body.
func call(t *testing.T, url, local string, id *identity, bound *x509.Certificate, fields ...string) (int, string) {
	t.Helper()
	here := &net.TCPAddr{IP: net.ParseIP(local)}
	if ln, err := net.ListenTCP("tcp", here); err != nil {
		t.Skipf("%s is no address of this machine", local) // outside Linux loopback is one address
	} else {
		_ = ln.Close()
	}
	dialer := &net.Dialer{LocalAddr: here}
	config := &tls.Config{InsecureSkipVerify: true}
	if id != nil {
		config.Certificates = []tls.Certificate{id.tls()}
	}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+mtls.ThumbprintText(bound))
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	answer, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// TestNginx puts a real nginx in front, which terminates mutual TLS.
func TestNginx(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	id, other, revoked := issue(t, ca, nil), issueFor(t, rsaKey(t, 2048), ca, nil), issue(t, ca, nil)
	stranger := issue(t, authority(t, "stranger"), nil)
	path := filepath.Join(t.TempDir(), "list")
	write(t, path, crl(t, ca, 1, nil, revoked))
	source, err := mtls.NewSource(mtls.SourceConfig{ClientCAs: []*x509.Certificate{ca.cert}, CRLFiles: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	back := bank(t, source)
	front := "https://" + startNginx(t, back, "optional", ca)
	forged := []string{"X-SSL-Client-Cert", nginxText(id.cert), "X-Forwarded-For", "203.0.113.1"}
	for name, c := range map[string]struct {
		url, local string
		shown      *identity
		bound      *x509.Certificate
		fields     []string
		status     int
		body       string
	}{
		"RFC8705-6.5/bound":                       {front, "127.0.0.1", id, id.cert, nil, 200, "127.0.0.1 0"},
		"RFC8705-6.5/bound, RSA":                  {front, "127.0.0.3", other, other.cert, nil, 200, "127.0.0.3 0"},
		"RFC8705-3-2/of another":                  {front, "127.0.0.3", other, id.cert, nil, 401, ""},
		"RFC8705-3-4/no certificate":              {front, "127.0.0.3", nil, id.cert, nil, 401, ""},
		"pitfall-77/forged through nginx":         {front, "127.0.0.3", other, id.cert, forged, 401, ""},
		"pitfall-77/forged through, none":         {front, "127.0.0.3", nil, id.cert, forged, 401, ""},
		"pitfall-77/forged past nginx":            {"http://" + back, "127.0.0.3", nil, id.cert, forged, 401, ""},
		"pitfall-77/the other spelling":           {front, "127.0.0.3", nil, id.cert, []string{"X_SSL_Client_Cert", nginxText(id.cert)}, 401, ""},
		"pitfall-82/address forged through nginx": {front, "127.0.0.3", id, id.cert, forged, 200, "127.0.0.3 0"},
		"M9/revoked":                              {front, "127.0.0.3", revoked, revoked.cert, nil, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := call(t, c.url, c.local, c.shown, c.bound, c.fields...)
			if status != c.status || c.status == 200 && body != c.body {
				t.Errorf("%d %q, want %d %q", status, body, c.status, c.body)
			}
		})
	}
	t.Run("RFC9440-2.4-3/nginx does not verify", func(t *testing.T) {
		lax := "https://" + startNginx(t, back, "optional_no_ca", ca)
		if status, body := call(t, lax, "127.0.0.1", id, id.cert); status != 200 {
			t.Errorf("%d %q", status, body)
		}
		if status, _ := call(t, lax, "127.0.0.1", stranger, stranger.cert); status != 401 {
			t.Errorf("a certificate of nobody's: %d", status)
		}
	})
}
