package main_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

// until asks again and again until the answer has status, for at most limit, and tells how long that took.
func (b *bank) until(status int, limit time.Duration, c func() call) time.Duration {
	b.t.Helper()
	began, last := time.Now(), 0
	for time.Since(began) < limit {
		if last = b.do(c()).StatusCode; last == status {
			return time.Since(began)
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("status %d after %v, want %d", last, limit, status)
	return 0
}

func plain() call { return call{} }

func TestKeySetMissingAtStart(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, serve := range map[string]http.HandlerFunc{
		"error":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"empty":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"no set":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) },
		"hang": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.issuer.Serve(serve)
			b := s.start()
			began := time.Now()
			a := b.do(call{})
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the answer took %v", took)
			}
			b.wants(t, a, 503, "", "token: dependency unavailable")
			if a.Header.Get("Retry-After") == "" || len(a.Header.Values("WWW-Authenticate")) > 0 {
				t.Error("503 without Retry-After, or with a challenge")
			}
			s.issuer.Serve(nil)
			b.until(200, 10*time.Second, plain)
		})
	}
}

func TestKeySetFailsLater(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.start("-jwks-ttl", "1s")
	b.wants(t, b.do(call{}), 200, "", "")
	s.issuer.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	time.Sleep(2500 * time.Millisecond)
	b.wants(t, b.do(call{}), 200, "", "") // a new token, and the old keys
	s.jwks.Close()
	time.Sleep(1500 * time.Millisecond)
	b.wants(t, b.do(call{}), 200, "", "")
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.start("-jwks-ttl", "1s")
	old := s.issuer.Token(actors.BoundTo(s.x5t(), ""))
	b.wants(t, b.do(call{token: old}), 200, "", "")
	s.issuer.Rotate(actors.NewKey("PS256", "key-2"))
	b.until(401, 5*time.Second, func() call { return call{token: old} }) // verified before, and no new key was asked for
	b.wants(t, b.do(call{token: old}), 401, "invalid_token", "token: unknown key")
	b.until(200, 5*time.Second, plain)
}

func TestKeySetIsFetchedSeldom(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.start("-jwks-min-refresh", "1h")
	b.wants(t, b.do(call{}), 200, "", "")
	first := s.issuer.Fetches.Load()
	time.Sleep(1200 * time.Millisecond) // the time between two fetches when no flag says otherwise, and some
	client := b.client(&b.cert)
	forged := actors.NewKey("ES256", s.issuer.Key().ID)
	for range 20 {
		unknown := s.issuer.TokenBy(actors.NewKey("ES256", uuid()), actors.BoundTo(s.x5t(), ""))
		b.wants(t, b.do(call{token: unknown, client: client}), 401, "invalid_token", "token: unknown key")
		b.wants(t, b.do(call{token: s.issuer.TokenBy(forged, actors.BoundTo(s.x5t(), "")), client: client}), 401, "invalid_token", "token: bad signature")
	}
	if n := s.issuer.Fetches.Load(); n != first {
		t.Errorf("%d fetches more", n-first)
	}
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var keys []*actors.Key
	set := []any{map[string]any{"kty": "PQC", "kid": "x"}, map[string]any{"kty": "EC", "crv": "P-256", "kid": "broken", "x": "AA", "y": "AA"}}
	for _, alg := range []string{"ES256", "PS256", "EdDSA", "Ed25519", "RS256"} {
		k := actors.NewKey(alg, alg)
		keys = append(keys, k)
		jwk := k.JWK()
		if alg == "EdDSA" {
			delete(jwk, "alg")
		}
		set = append(set, jwk)
	}
	text, err := json.Marshal(map[string]any{"keys": set})
	if err != nil {
		t.Fatal(err)
	}
	s.jwksFlag = s.file("jwks.json", text)
	b := s.start()
	for _, k := range keys {
		t.Run(k.Algorithm, func(t *testing.T) {
			status, reasonT, reasonP, codeT, codeP := 200, "", "", "", ""
			if k.Algorithm == "RS256" {
				status, reasonT, reasonP = 401, "token: algorithm not allowed", "token: DPoP proof algorithm"
				codeT, codeP = "invalid_token", "invalid_dpop_proof"
			}
			a := b.do(call{token: s.issuer.TokenBy(k, actors.BoundTo(s.x5t(), ""))})
			b.wants(t, a, status, codeT, reasonT)
			proofKey := actors.NewKey(k.Algorithm, "")
			token := s.issuer.TokenBy(keys[0], actors.BoundTo("", proofKey.Thumbprint()))
			proof := proofKey.Proof("GET", b.url+"/accounts", token, nil)
			b.wants(t, b.do(call{dpop: true, token: token, proof: proof}), status, codeP, reasonP)
		})
	}
	a := b.do(call{header: http.Header{"Authorization": nil}})
	b.wants(t, a, 401, "", "token: missing")
	challenges := a.Header.Values("WWW-Authenticate")
	metadata := `, resource_metadata="` + b.url + `/.well-known/oauth-protected-resource"`
	if len(challenges) != 2 || challenges[0] != `Bearer realm="api"`+metadata || challenges[1] != `DPoP realm="api", algs="ES256 PS256 EdDSA Ed25519"`+metadata {
		t.Errorf("challenges %q", challenges)
	}
}

// An issuer's name is compared and nothing else: it need not be an URL that a client could look up. The metadata
// (RFC 9728) names those that are.
func TestIssuerOfAnyName(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := actors.NewIssuer("http://as.example", audience)
	b := s.start("-issuer", other.URL, "-jwks", s.file("other.json", other.KeySet()))
	b.wants(t, b.do(call{token: other.Token(actors.BoundTo(b.x5t(), ""))}), 200, "", "")
	resp, err := b.client(nil).Get(b.url + "/.well-known/oauth-protected-resource")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read below
	var document struct {
		Servers []string `json:"authorization_servers"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil || len(document.Servers) != 1 || document.Servers[0] != s.issuer.URL {
		t.Errorf("%v %v", document.Servers, err)
	}
}
