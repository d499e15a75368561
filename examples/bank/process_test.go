package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	main "github.com/tegata-go/tegata/examples/bank"
	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

const isBank = "TEGATA_TEST_IS_BANK"

// TestMain lets the test binary be the program itself, so that the tests drive a real process and need no
// second build.
func TestMain(m *testing.M) {
	if os.Getenv(isBank) == "1" {
		main.Main()
		return
	}
	os.Exit(m.Run())
}

const audience = "https://api.bank.example"

// stage is everybody round one bank.
type stage struct {
	t         *testing.T
	dir       string
	authority *actors.Authority
	issuer    *actors.Issuer
	jwks      *httptest.Server
	cert      tls.Certificate // of the usual client
	proofKey  *actors.Key
	jwksFlag  string   // in place of the URL of jwks
	stderr    *os.File // in place of the usual one, for processes started from now on
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{
		t: t, dir: t.TempDir(), authority: actors.NewAuthority("Test CA"),
		issuer: actors.NewIssuer("https://issuer.example", audience), proofKey: actors.NewKey("ES256", ""),
	}
	s.cert = s.authority.Client("app-1")
	s.jwks = httptest.NewUnstartedServer(s.issuer)
	s.jwks.TLS = &tls.Config{Certificates: []tls.Certificate{s.authority.Server("issuer.example")}}
	s.jwks.StartTLS()
	t.Cleanup(s.jwks.Close)
	server := s.authority.Server("bank.example")
	s.file("server.pem", actors.CertificatePEM(server.Leaf))
	s.file("server.key", actors.KeyPEM(server))
	s.file("ca.pem", s.authority.PEM())
	return s
}

// file writes a file and gives its path.
func (s *stage) file(name string, content []byte) string {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// flags are the required ones for addr.
func (s *stage) flags(addr string) []string {
	jwks := s.jwks.URL + "/jwks"
	if s.jwksFlag != "" {
		jwks = s.jwksFlag
	}
	return []string{
		"serve", "-addr", addr, "-tls-cert", filepath.Join(s.dir, "server.pem"), "-tls-key", filepath.Join(s.dir, "server.key"),
		"-client-ca", filepath.Join(s.dir, "ca.pem"), "-issuer", s.issuer.URL, "-jwks", jwks, "-audience", audience,
	}
}

// output collects what a process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// bank is one running process.
type bank struct {
	*stage
	cmd            *exec.Cmd
	addr, url      string
	stdout, stderr output
	gone           chan error
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process starts the program with the given arguments.
func (s *stage) process(args ...string) *bank {
	b := &bank{stage: s, gone: make(chan error, 1)}
	b.cmd = exec.Command(os.Args[0], args...)
	b.cmd.Env = append(os.Environ(), isBank+"=1", "SSL_CERT_FILE="+filepath.Join(s.dir, "ca.pem"))
	b.cmd.Stdout, b.cmd.Stderr = &b.stdout, &b.stderr
	if s.stderr != nil {
		b.cmd.Stderr = s.stderr
	}
	if err := b.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { b.gone <- b.cmd.Wait() }()
	s.t.Cleanup(func() { _ = b.cmd.Process.Kill() })
	return b
}

// start starts a bank with more flags than the required ones, and waits until it listens.
func (s *stage) start(more ...string) *bank {
	s.t.Helper()
	addr := freeAddr(s.t)
	b := s.process(append(s.flags(addr), more...)...)
	b.addr, b.url = addr, "https://"+addr
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(b.stdout.String(), "listening on") {
		select {
		case err := <-b.gone:
			s.t.Fatalf("the bank ended: %v\n%s%s", err, b.stdout.String(), b.stderr.String())
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the bank does not listen\n%s%s", b.stdout.String(), b.stderr.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return b
}

// stop sends SIGTERM and gives how long the process took to end.
func (b *bank) stop() (time.Duration, error) {
	began := time.Now()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case err := <-b.gone:
		return time.Since(began), err
	case <-time.After(15 * time.Second):
		return 0, context.DeadlineExceeded
	}
}

// record is what the tests read of an audit line.
type record struct {
	Time        time.Time `json:"time"`
	Interaction string    `json:"interaction_id"`
	Decision    string    `json:"decision"`
	Reason      string    `json:"reason"`
	Status      int       `json:"status"`
	Waived      []string  `json:"waived"`
	Client      string    `json:"client"`
	line        string
}

// records reads audit lines: each line must be one JSON object.
func records(t *testing.T, text string) []record {
	t.Helper()
	var all []record
	for line := range strings.Lines(text) {
		r := record{line: strings.TrimSuffix(line, "\n")}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("an audit line is not JSON: %v: %q", err, line)
		}
		all = append(all, r)
	}
	return all
}

// recordOf waits for the one record of an interaction.
func (b *bank) recordOf(id string) record {
	b.t.Helper()
	for range 200 {
		var found []record
		text := b.stderr.String()
		for _, r := range records(b.t, text[:strings.LastIndexByte(text, '\n')+1]) {
			if r.Interaction == id {
				found = append(found, r)
			}
		}
		if len(found) > 1 {
			b.t.Fatalf("%d records of one request", len(found))
		}
		if len(found) == 1 {
			return found[0]
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("no record of %s in:\n%s", id, b.stderr.String())
	return record{}
}

// client connects with cert, or without one when it is nil. Each has connections of its own.
func (s *stage) client(cert *tls.Certificate) *http.Client {
	settings := &tls.Config{RootCAs: s.authority.Pool()}
	if cert != nil {
		settings.Certificates = []tls.Certificate{*cert}
	}
	transport := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func show(format string, args ...any) string { return fmt.Sprintf(format, args...) }
