package mtls_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// prover makes proofs of possession (RFC 9449 section 4.2) with one key.
type prover struct {
	key *ecdsa.PrivateKey
	jwk string
	n   int
}

func newProver(t testing.TB) *prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return &prover{key: key, jwk: fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(public[1:33]), b64(public[33:]))}
}

func (p *prover) thumbprint() string { sum := sha256.Sum256([]byte(p.jwk)); return b64(sum[:]) }

func (p *prover) proof(t testing.TB, uri, bound string) string {
	t.Helper()
	p.n++
	ath := sha256.Sum256([]byte(bound))
	text := b64([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":`+p.jwk+`}`)) + "." +
		b64(fmt.Appendf(nil, `{"jti":"proof-%d","htm":"GET","htu":%q,"iat":%d,"ath":%q}`, p.n, uri, time.Now().Unix(), b64(ath[:])))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// boundService is a resource server whose tokens say "thumbprint~jkt" of themselves, or are asked about.
func boundService(t testing.TB, resolver token.Resolver, door func(http.Handler) http.Handler, peer func(*http.Request) (*x509.Certificate, error)) (http.Handler, *bytes.Buffer) {
	t.Helper()
	if resolver == nil {
		resolver = token.ResolverFunc(func(_ context.Context, raw string) (*token.Claims, error) {
			x5t, jkt, _ := strings.Cut(raw, "~")
			return &token.Claims{Issuer: "https://as.example", Client: "tpp", X5T: strings.TrimPrefix(x5t, "none"), JKT: jkt, Expires: time.Now().Add(time.Minute)}, nil
		})
	}
	memory, err := replay.NewMemory(replay.MemoryConfig{Capacity: 1 << 10, DangerouslyNoStartGuard: true})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := token.New(token.Config{
		Resolver: resolver, Revocations: token.NoRevocation{}, Certificate: peer, Origin: "https://api.bank.example", Replay: memory, Nonce: token.NonceNever,
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := new(bytes.Buffer)
	trail, err := audit.New(audit.Config{Handler: audit.NewLines(lines)})
	if err != nil {
		t.Fatal(err)
	}
	return trail.Wrap(door(tokens.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))), lines
}

func bare(next http.Handler) http.Handler { return next }

// asked sends a request of a verified connection, and gives status, challenge and the record's reason.
func asked(t testing.TB, h http.Handler, lines *bytes.Buffer, r *http.Request) (status int, challenge, reason string) {
	t.Helper()
	status, challenge, reason, _ = recorded(t, h, lines, r)
	return status, challenge, reason
}

// recorded is asked with what the record says behind the reason.
func recorded(t testing.TB, h http.Handler, lines *bytes.Buffer, r *http.Request) (status int, challenge, reason, cause string) {
	t.Helper()
	lines.Reset()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var record struct{ Reason, Cause string }
	if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
		t.Fatalf("%v in %q", err, lines)
	}
	return w.Code, strings.Join(w.Header()["Www-Authenticate"], ", "), record.Reason, record.Cause
}

// TestBoundTokens: a token works with the certificate that it is bound to, and with no other.
func TestBoundTokens(t *testing.T) {
	ca := authority(t, "ca")
	id, other := issue(t, ca, nil), issue(t, ca, nil)
	p, thief := newProver(t), newProver(t)
	h, lines := boundService(t, nil, bare, fixedSource(t, ca.cert).Peer)
	x5t := mtls.ThumbprintText(id.cert)
	sum := mtls.Thumbprint(id.cert)
	const uri = "https://api.bank.example/accounts"
	both := x5t + "~" + p.thumbprint()
	for name, c := range map[string]struct {
		shown        *identity
		scheme, text string
		proof        *prover
		status       int
	}{
		"M1/its certificate":                  {id, "Bearer", x5t, nil, 204},
		"M1/another certificate":              {other, "Bearer", x5t, nil, 401},
		"M1/none":                             {nil, "Bearer", x5t, nil, 401},
		"M1/pitfall-73/hexadecimal":           {id, "Bearer", hex.EncodeToString(sum[:]), nil, 401},
		"M1/pitfall-73/42 characters":         {id, "Bearer", x5t[:42], nil, 401},
		"M1/pitfall-73/padded":                {id, "Bearer", x5t + "=", nil, 401},
		"M3/bound to nothing":                 {id, "Bearer", "none", nil, 401},
		"M3/pitfall-75/nothing and nobody":    {nil, "Bearer", "none", nil, 401},
		"M4/both":                             {id, "DPoP", both, p, 204},
		"M4/pitfall-76/proof only":            {other, "DPoP", both, p, 401},
		"M4/pitfall-76/proof, none shown":     {nil, "DPoP", both, p, 401},
		"M4/pitfall-76/certificate only":      {id, "Bearer", both, nil, 401},
		"M4/pitfall-76/another's proof":       {id, "DPoP", both, thief, 401},
		"M4/pitfall-76/no proof":              {id, "DPoP", both, nil, 401},
		"M4/certificate of a key-bound token": {other, "DPoP", "none~" + p.thumbprint(), p, 204},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, uri, nil)
			if c.shown != nil {
				r.TLS.PeerCertificates, r.TLS.VerifiedChains = []*x509.Certificate{c.shown.cert}, [][]*x509.Certificate{{c.shown.cert, ca.cert}}
			}
			r.Header.Set("Authorization", c.scheme+" "+c.text)
			if c.proof != nil {
				r.Header.Set("DPoP", c.proof.proof(t, uri, c.text))
			}
			status, challenge, reason := asked(t, h, lines, r)
			if status != c.status || (status == 401) != (strings.Contains(challenge, `error="invalid_`) && reason != "") {
				t.Errorf("%d %q %q, want %d", status, challenge, reason, c.status)
			}
		})
	}
}

// TestBoundOpaqueTokens asks an authorization server about tokens that say nothing themselves.
func TestBoundOpaqueTokens(t *testing.T) {
	ca, root := authority(t, "ca"), authority(t, "root")
	id, other := issue(t, ca, nil), issue(t, ca, nil)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cnf := map[string]string{
			"opaque":        ``,
			"opaque-bound":  `,"cnf":{"x5t#S256":"` + mtls.ThumbprintText(id.cert) + `"}`,
			"opaque-beside": `,"cnf":{"future":{"a":1},"x5t#S256":"` + mtls.ThumbprintText(id.cert) + `"}`,
			"opaque-future": `,"cnf":{"future":{"a":1}}`,
			"opaque-cast":   `,"cnf":{"x5t#S256":7}`,
		}[r.FormValue("token")]
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"active":true,"iss":"https://as.example","client_id":"tpp","aud":"bank","exp":%d%s}`, time.Now().Add(time.Minute).Unix(), cnf)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{issue(t, root, forServer).tls()}}
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	resolver, err := token.NewIntrospection(token.IntrospectionConfig{
		URL: server.URL, Issuer: "https://as.example", Audiences: []string{"bank"}, ClientID: "bank", Timeout: 20 * time.Second,
		TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{issue(t, ca, nil).tls()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, lines := boundService(t, resolver, bare, fixedSource(t, ca.cert).Peer)
	for name, c := range map[string]struct {
		shown  *identity
		text   string
		status int
	}{
		"M2/its certificate": {id, "opaque-bound", 204}, "M2/another certificate": {other, "opaque-bound", 401},
		"M2/none": {nil, "opaque-bound", 401}, "M3/bound to nothing": {id, "opaque", 401},
		"M5/a member of the future beside": {id, "opaque-beside", 204}, "M5/beside, another certificate": {other, "opaque-beside", 401},
		"M5/a member of the future alone": {id, "opaque-future", 401}, "pitfall-81/a member of another type": {id, "opaque-cast", 401},
	} {
		t.Run(name+"/RFC8705-3.2", func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "https://api.bank.example/accounts", nil)
			if c.shown != nil {
				r.TLS.PeerCertificates, r.TLS.VerifiedChains = []*x509.Certificate{c.shown.cert}, [][]*x509.Certificate{{c.shown.cert, ca.cert}}
			}
			r.Header.Set("Authorization", "Bearer "+c.text)
			if status, challenge, reason := asked(t, h, lines, r); status != c.status {
				t.Errorf("%d %q %q, want %d", status, challenge, reason, c.status)
			}
		})
	}
}

// TestBoundBehindProxies: what a listed proxy hands on and the policy does not take is 401 with the token, and the
// record says why; and no field that a proxy or a client writes moves the URI that proofs are compared with.
func TestBoundBehindProxies(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	good, gone := issue(t, ca, nil), issue(t, ca, nil)
	late, servers := issue(t, ca, expired), issue(t, ca, usage(x509.ExtKeyUsageServerAuth))
	stranger := issue(t, authority(t, "stranger"), nil)
	list := filepath.Join(t.TempDir(), "list")
	write(t, list, crl(t, ca, 1, nil, gone))
	source, err := mtls.NewSource(mtls.SourceConfig{ClientCAs: []*x509.Certificate{ca.cert}, CRLFiles: []string{list}})
	if err != nil {
		t.Fatal(err)
	}
	proxies, err := mtls.NewProxies(mtls.ProxyConfig{
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Format: mtls.RFC9440, Address: mtls.XForwardedFor, Source: source,
	})
	if err != nil {
		t.Fatal(err)
	}
	h, lines := boundService(t, nil, proxies.Wrap, mtls.Peer)
	for name, c := range map[string]struct {
		shown  *identity
		status int
		reason audit.Reason
	}{
		"good": {good, 204, ""}, "revoked": {gone, 401, mtls.ErrRevoked}, "expired": {late, 401, mtls.ErrExpired},
		"for servers": {servers, 401, mtls.ErrUsage}, "untrusted": {stranger, 401, mtls.ErrUntrusted},
	} {
		t.Run("RFC9440-2.4-2/"+name, func(t *testing.T) {
			r := from(proxyAddr, "Client-Cert", sfBinary(c.shown.cert), "Authorization", "Bearer "+mtls.ThumbprintText(c.shown.cert))
			status, challenge, reason, cause := recorded(t, h, lines, r)
			if status != c.status || cause != string(c.reason) || (status == 401) != (reason == string(token.ErrCertificate)) || (status == 401) != strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("%d %q %q", status, challenge, reason)
			}
		})
	}
	p := newProver(t)
	for _, remote := range []string{proxyAddr, strangerAddr} {
		for htu, want := range map[string]int{"https://api.bank.example/accounts": 204, "https://evil.example/accounts": 401} {
			t.Run("C6/pitfall-52/"+remote+" "+htu, func(t *testing.T) {
				text := "none~" + p.thumbprint()
				r := from(remote, "Authorization", "DPoP "+text, "DPoP", p.proof(t, htu, text),
					"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "X-Original-Url", "/evil", "X-Forwarded-Prefix", "/evil")
				r.Host = "evil.example"
				if status, challenge, reason := asked(t, h, lines, r); status != want {
					t.Errorf("%d %q %q", status, challenge, reason)
				}
			})
		}
	}
}
