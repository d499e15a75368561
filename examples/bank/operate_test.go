package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

func TestRate(t *testing.T) {
	t.Parallel()
	b := newStage(t).start("-rate", "5-M")
	client := b.client(&b.cert)
	for i := range 5 {
		c := call{client: client} // a token of its own each time
		if i%2 == 1 {
			c = call{dpop: true}
		}
		b.wants(t, b.do(c), 200, "", "")
	}
	a := b.do(call{client: client})
	b.wants(t, a, 429, "", "ratelimit: exceeded")
	if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 12 {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	b.wants(t, b.do(call{claims: actors.Claims{"client_id": "app-2"}, client: client}), 200, "", "")
	b.wants(t, b.do(call{client: client, noCert: true, header: http.Header{"Authorization": nil}}), 401, "", "token: missing")
}

func TestInteractionID(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	id := uuid()
	for sent, kept := range map[string]bool{id: true, strings.ToUpper(uuid()): true, "": false, "no-uuid": false, id + id: false} {
		for _, status := range []int{200, 401} {
			h := http.Header{"X-Fapi-Interaction-Id": {sent}}
			if status == 401 {
				h["Authorization"] = nil
			}
			a := b.do(call{header: h})
			got := a.Header.Get("X-Fapi-Interaction-Id")
			if len(got) != 36 || kept != (got == sent) || a.StatusCode != status {
				t.Errorf("sent %q, got %q with %d", sent, got, a.StatusCode)
			}
		}
	}
}

func TestAuditFile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	path := s.file("audit.log", []byte("{\"decision\":\"before\"}\n"))
	b := s.start("-audit", path)
	for range 10 {
		b.do(call{})
		b.do(call{noCert: true})
	}
	if _, err := b.stop(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := records(t, string(text))
	if len(all) != 21 || all[0].Decision != "before" || b.stderr.String() != "" {
		t.Fatalf("%d lines in the file, standard error %q", len(all), b.stderr.String())
	}
	for _, r := range all[1:] {
		if age := time.Since(r.Time); age < 0 || age > time.Minute || r.Interaction == "" || (r.Decision == "deny") != (r.Reason != "") {
			t.Errorf("record %s", r.line)
		}
	}
}

// Standard error holds the records of requests and nothing else, whatever else happens.
func TestStandardErrorIsTheAuditLog(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.start("-redis", "redis://:"+secret+"@"+freeAddr(t)+"/0") // nobody there
	s.issuer.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	plain := &http.Client{Timeout: time.Second}
	_, _ = plain.Get("http://" + b.addr) // a failed handshake
	_, _ = plain.Get(b.url)
	requests := 0
	for range 3 {
		b.do(call{})
		b.do(call{dpop: true})
		requests += 2
	}
	if _, err := b.stop(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	if got := len(records(t, b.stderr.String())); got != requests {
		t.Errorf("%d lines for %d requests:\n%s", got, requests, b.stderr.String())
	}
	if strings.Contains(b.stdout.String()+b.stderr.String(), secret) {
		t.Error("the password is in the output")
	}
}

func TestReportOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	t.Run("all", func(t *testing.T) {
		b := s.start("-report-only", "all", "-rate", "1-H")
		for range 2 {
			a := b.do(call{noCert: true, claims: actors.Claims{"scope": "x"}})
			if r := b.recordOf(a.interaction); a.StatusCode != 200 || r.Decision != "would_deny" || r.Reason != "token: no client certificate" {
				t.Errorf("%d: %s", a.StatusCode, r.line)
			}
		}
		b.wants(t, b.do(call{path: "/nowhere"}), 404, "", "audit: not found")
		b.wants(t, b.do(call{method: "POST", path: "/payments", header: jsonType, body: strings.NewReader("{")}), 400, "", "bank: body is not one JSON text")
	})
	t.Run("by reason", func(t *testing.T) {
		b := s.start("-report-only", "token: bound to a DPoP key but sent as Bearer, token: insufficient scope")
		for _, c := range []call{{claims: actors.BoundTo("", s.jkt())}, {claims: actors.Claims{"scope": "x"}}} {
			a := b.do(c)
			if r := b.recordOf(a.interaction); a.StatusCode != 200 || r.Decision != "would_deny" || len(r.Waived) != 1 {
				t.Errorf("%d: %s", a.StatusCode, r.line)
			}
		}
		b.wants(t, b.do(call{noCert: true}), 401, "invalid_token", "token: no client certificate")
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	body := &slow{end: make(chan struct{})}
	defer close(body.end)
	go func() { _, _ = b.try(call{method: "POST", path: "/echo", body: body}) }()
	b.wants(t, b.do(call{}), 200, "", "")
	took, err := b.stop()
	if err != nil || took > 3*time.Second {
		t.Errorf("the process ended with %v after %v", err, took)
	}
}

// slow is a body that does not end.
type slow struct{ end chan struct{} }

func (s *slow) Read(p []byte) (int, error) {
	<-s.end
	return 0, os.ErrClosed
}

const secret = "s3cret-pass"

// badLines are command lines that mean nothing.
func badLines(good []string) map[string][]string {
	without := func(name string) []string {
		i := slices.Index(good, name)
		return slices.Delete(slices.Clone(good), i, i+2)
	}
	with := func(more ...string) []string { return slices.Concat(good, more) }
	return map[string][]string{
		"no -addr": without("-addr"), "no -tls-cert": without("-tls-cert"), "no -tls-key": without("-tls-key"),
		"no -client-ca": without("-client-ca"), "no -issuer": without("-issuer"), "no -jwks": without("-jwks"), "no -audience": without("-audience"),
		"unknown command": {"server"}, "unknown flag": with("-nonsense"), "argument": with("nonsense"),
		"address": with("-addr", "nonsense"), "wildcard": with("-addr", ":0"), "wildcard v6": with("-addr", "[::]:0"), "wildcard v4": with("-addr", "0.0.0.0:0"),
		"public url path": with("-public-url", "https://a.example/x"), "public url http": with("-public-url", "http://a.example"),
		"jwks over http": with("-jwks", "http://127.0.0.1/jwks"), "ttl": with("-jwks-ttl", "soon"), "ttl of nothing": with("-jwks-ttl", "0s"),
		"min refresh": with("-jwks-min-refresh", "10ms"), "nonce ttl": with("-nonce-ttl", "25h"), "nonce ttl negative": with("-nonce-ttl", "-1s"),
		"rate": with("-rate", "5"), "rate of days": with("-rate", "5-D"), "rate of nothing": with("-rate", "0-S"), "rate, empty": with("-rate", ""),
		"report-only": with("-report-only", "everything"), "report-only, empty": with("-report-only", ""), "audit, empty": with("-audit", ""),
		"redis": with("-redis", "http://:"+secret+"@h:1/0"), "redis db": with("-redis", "redis://:"+secret+"@h:1/x"), "redis, empty": with("-redis", ""),
		"redis port by name": with("-redis", "redis://:"+secret+"@h:http/0"), "redis port": with("-redis", "redis://:"+secret+"@h/0"), "redis without a host": with("-redis", "redis://:"+secret+"@h:1,,g:1/0"),
		"cluster db": with("-redis", "redis://:"+secret+"@h:1,g:1/1"), "cluster host": with("-redis", "redis://:"+secret+"@h:1,[g/0"),
		"sentinel name": with("-redis", "redis+sentinel://:"+secret+"@h:1"), "sentinel misplaced": with("-redis+sentinel://n:" + secret + "@h:1"),
		"nonce secret, empty": with("-require-nonce", "-nonce-secret", ""), "nonce secret, no nonces": with("-nonce-secret", "F"),
		"redis misplaced": with("-redis://:" + secret + "@h:1/0"), "redis as duration": with("-nonce-ttl", "redis://:"+secret+"@h:1/0"),
		"redis as argument": with("redis://:" + secret + "@h:1/0"),
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	good := s.flags("127.0.0.1:0")
	for name, args := range badLines(good) {
		t.Run(name, func(t *testing.T) {
			b := s.process(args...)
			select {
			case <-b.gone:
			case <-time.After(10 * time.Second):
				t.Fatal("the process goes on")
			}
			if code := b.cmd.ProcessState.ExitCode(); code != 2 || b.stderr.String() == "" {
				t.Errorf("exit %d, standard error %q", code, b.stderr.String())
			}
			if strings.Contains(b.stdout.String()+b.stderr.String(), secret) {
				t.Error("the password is in the output")
			}
		})
	}
	t.Run("missing file", func(t *testing.T) {
		b := s.process(append(slices.Clone(good), "-tls-cert", filepath.Join(s.dir, "none"))...)
		<-b.gone
		if code := b.cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("exit %d", code)
		}
	})
}

func TestHelp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.process("serve", "-help")
	if err := <-b.gone; err != nil {
		t.Error(err)
	}
	for _, name := range []string{"addr", "tls-cert", "tls-key", "client-ca", "issuer", "jwks", "audience", "public-url", "jwks-ttl",
		"jwks-min-refresh", "require-nonce", "nonce-ttl", "nonce-secret", "redis", "rate", "audit", "report-only"} {
		if !strings.Contains(b.stdout.String(), "\n  -"+name+" ") && !strings.Contains(b.stdout.String(), "\n  -"+name+"\n") {
			t.Errorf("the help says nothing of -%s", name)
		}
	}
	narrow(t, b.stdout.String())
	short := s.process("-help")
	if err := <-short.gone; err != nil {
		t.Error(err)
	}
	narrow(t, short.stdout.String())
}

// With port 0 the process says where it listens, and its default origin names that port.
func TestPortZero(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.process(s.flags("127.0.0.1:0")...)
	for range 500 {
		if strings.Contains(b.stdout.String(), "\n") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, b.url, _ = strings.Cut(strings.TrimSpace(b.stdout.String()), " as ")
	b.wants(t, b.do(call{dpop: true}), 200, "", "")
}

// narrow checks that a text fits a terminal of 80 columns.
func narrow(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 || strings.ContainsAny(line, "\t\x1b") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
