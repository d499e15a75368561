package main_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

// call is one request to a bank. The zero value is GET /accounts with a valid certificate-bound token.
type call struct {
	method, path string
	body         io.Reader
	token        string // empty: a fresh one of claims
	claims       actors.Claims
	dpop         bool          // bind the token to the proof key, and send a proof
	changes      actors.Claims // of the proof
	proof        string        // in place of a fresh one
	noCert       bool
	header       http.Header
	client       *http.Client
}

// answer is what came back.
type answer struct {
	*http.Response
	text        string
	interaction string
	token       string
	proof       string
}

// x5t and jkt name the stage's own client.
func (s *stage) x5t() string { return actors.CertificateThumbprint(s.cert) }
func (s *stage) jkt() string { return s.proofKey.Thumbprint() }

func (b *bank) do(c call) answer {
	b.t.Helper()
	a, err := b.try(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *bank) try(c call) (answer, error) {
	if c.method == "" {
		c.method = http.MethodGet
	}
	if c.path == "" {
		c.path = "/accounts"
	}
	scheme, bound := "Bearer ", actors.BoundTo(b.x5t(), "")
	if c.dpop {
		scheme, bound = "DPoP ", actors.BoundTo("", b.jkt())
	}
	a := answer{token: c.token, interaction: uuid(), proof: c.proof}
	if a.token == "" {
		maps.Copy(bound, c.claims)
		a.token = b.issuer.Token(bound)
	}
	r, err := http.NewRequest(c.method, b.url+c.path, c.body)
	if err != nil {
		return a, err
	}
	r.Header.Set("Authorization", scheme+a.token)
	r.Header.Set("X-Fapi-Interaction-Id", a.interaction)
	if c.dpop {
		if a.proof == "" {
			path, _, _ := strings.Cut(c.path, "?")
			a.proof = b.proofKey.Proof(c.method, b.url+path, a.token, c.changes)
		}
		r.Header.Set("DPoP", a.proof)
	}
	for name, values := range c.header {
		if r.Header.Del(name); len(values) > 0 {
			r.Header[name] = values
		}
	}
	if c.client == nil {
		cert := &b.cert
		if c.noCert || c.dpop {
			cert = nil
		}
		c.client = b.client(cert)
	}
	if a.Response, err = c.client.Do(r); err != nil {
		return a, err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	a.text = string(body)
	return a, err
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// wants checks status and challenge error of an answer, the form of a refusal, and the record. Reason may be
// empty for what is allowed.
func (b *bank) wants(t *testing.T, a answer, status int, code, reason string) {
	t.Helper()
	challenge := strings.Join(a.Header.Values("WWW-Authenticate"), ", ")
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %s %s", a.StatusCode, status, challenge, a.text)
	}
	if code != "" && !strings.Contains(challenge, `error="`+code+`"`) || code == "" && strings.Contains(challenge, "error=") {
		t.Errorf("challenge %q, want error %q", challenge, code)
	}
	if got := a.Header.Get("X-Fapi-Interaction-Id"); got != a.interaction {
		t.Errorf("interaction id %q, want %q", got, a.interaction)
	}
	decision := "allow"
	if status >= 400 {
		decision = "deny"
		isProblem(t, a)
	} else if challenge != "" {
		t.Errorf("a challenge on success: %q", challenge)
	}
	r := b.recordOf(a.interaction)
	if r.Decision != decision || r.Reason != reason || r.Status != status {
		t.Errorf("record %s, want decision %s, reason %q, status %d", r.line, decision, reason, status)
	}
	if strings.Contains(r.line, a.token) || a.proof != "" && strings.Contains(r.line, a.proof) {
		t.Error("a secret in the record")
	}
	if strings.Count(r.line, a.interaction) != 1 {
		t.Error("the interaction id stands in the record more than once")
	}
}

func isProblem(t *testing.T, a answer) {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if a.Request.Method == http.MethodHead {
		return
	}
	var p struct {
		Status int
		Title  string
	}
	if err := json.Unmarshal([]byte(a.text), &p); err != nil || p.Status != a.StatusCode || p.Title == "" || len(a.text) > 2048 {
		t.Errorf("not a problem: %q", a.text)
	}
}
