package token_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

const (
	rigIssuer   = "https://as.bank.example"
	rigOrigin   = "https://api.bank.example"
	rigAudience = "https://api.bank.example/"
)

// rig is an issuer, a client, and the chain that the client talks to: log, verifier, scope, handler.
type rig struct {
	testing.TB
	es, ps, ed  *pair // the issuer's keys
	client      *pair // the client's DPoP key
	cert, other *x509.Certificate

	// what build takes; edit functions change them
	jwt      token.JWTConfig
	config   token.Config
	log      audit.Config
	cached   bool
	resolver token.Resolver // in place of the JWT resolver
	scope    []string
	handler  http.HandlerFunc

	cache    *token.Cache
	verifier *token.Verifier
	chain    http.Handler
	ran      atomic.Int64
	records  recorder
}

func newRig(tb testing.TB, edits ...func(*rig)) *rig {
	tb.Helper()
	k := &rig{
		TB: tb, es: newPair(jose.ES256, "es"), ps: newPair(jose.PS256, "ps"), ed: newPair(jose.EdDSA, "ed"), client: newPair(jose.ES256, ""),
		scope: []string{"accounts"},
	}
	k.cert, k.other = newCertificate("client.example", k.client.private), newCertificate("client.example", k.client.private)
	store, err := replay.NewMemory(replay.MemoryConfig{Capacity: 1 << 14, DangerouslyNoStartGuard: true})
	must(err)
	keys, err := token.NewKeySet([]byte(keySetOf(k.es.published(), k.ps.published(), k.ed.published())))
	must(err)
	k.jwt = token.JWTConfig{Issuer: rigIssuer, Audiences: []string{rigAudience}, Keys: keys}
	k.config = token.Config{
		Revocations: token.NoRevocation{}, Certificate: peer, Origin: rigOrigin, Replay: store, Nonce: token.NonceNever, Realm: "bank",
	}
	k.log = audit.Config{Handler: &k.records}
	for _, edit := range edits {
		edit(k)
	}
	k.build()
	return k
}

func (k *rig) build() {
	k.Helper()
	resolver := k.resolver
	if resolver == nil {
		j, err := token.NewJWT(k.jwt)
		must(err)
		resolver = j
	}
	if k.cached {
		var err error
		k.cache, err = token.NewCache(token.CacheConfig{Resolver: resolver})
		must(err)
		resolver = k.cache
	}
	k.config.Resolver = resolver
	var err error
	if k.verifier, err = token.New(k.config); err != nil {
		k.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", token.Require(token.Scope(k.scope...))(http.HandlerFunc(k.serve)))
	trail, err := audit.New(k.log)
	must(err)
	k.chain = trail.Wrap(k.verifier.Wrap(mux))
}

func (k *rig) serve(w http.ResponseWriter, r *http.Request) {
	k.ran.Add(1)
	if k.handler != nil {
		k.handler(w, r)
		return
	}
	_, _ = io.WriteString(w, "served")
}

// peer is what mtls.Peer does, without its clock.
func peer(r *http.Request) (*x509.Certificate, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	return r.TLS.PeerCertificates[0], nil
}

// access drafts a good access token without a confirmation; bind adds one.
func (k *rig) access() *draft {
	now := time.Now()
	return &draft{
		key:    k.es,
		header: object{{"typ", `"at+jwt"`}, {"alg", `"ES256"`}, {"kid", `"es"`}},
		claims: object{
			{"iss", quote(rigIssuer)}, {"sub", `"customer-4711"`}, {"client_id", `"tpp-1"`}, {"jti", quote(random())}, {"aud", quote(rigAudience)},
			{"scope", `"accounts payments"`}, {"iat", seconds(now)}, {"exp", seconds(now.Add(10 * time.Minute))},
		},
	}
}

// by signs with another key of the issuer.
func (d *draft) by(p *pair) *draft {
	d.key = p
	d.header.set("alg", quote(p.alg))
	d.header.set("kid", quote(p.kid))
	return d
}

func (d *draft) bind(cnf string) *draft {
	d.claims.set("cnf", cnf)
	return d
}

// bearer is a token bound to the client's certificate, broken by edit.
func (k *rig) bearer(edits ...func(*draft)) string {
	return broken(k.access().bind(k.x5t(k.cert)), edits)
}

// dpop is a token bound to the client's DPoP key, broken by edit.
func (k *rig) dpop(edits ...func(*draft)) string { return broken(k.access().bind(k.jkt()), edits) }

func broken(d *draft, edits []func(*draft)) string {
	for _, edit := range edits {
		edit(d)
	}
	return d.compact()
}

func (k *rig) x5t(c *x509.Certificate) string { return `{"x5t#S256":` + quote(sum64(c.Raw)) + `}` }
func (k *rig) jkt() string                    { return `{"jkt":` + quote(k.client.jkt) + `}` }
func (k *rig) both() string {
	return `{"jkt":` + quote(k.client.jkt) + `,"x5t#S256":` + quote(sum64(k.cert.Raw)) + `}`
}

// proof drafts a good proof for GET /accounts and raw, by the client's key.
func (k *rig) proof(raw string, edits ...func(*draft)) string {
	return broken(k.proofBy(k.client, raw), edits)
}

func (k *rig) proofBy(p *pair, raw string) *draft {
	return &draft{
		key:    p,
		header: object{{"typ", `"dpop+jwt"`}, {"alg", quote(p.alg)}, {"jwk", p.jwk.String()}},
		claims: object{
			{"jti", quote(random())}, {"htm", `"GET"`}, {"htu", quote(rigOrigin + "/accounts")}, {"iat", seconds(time.Now())}, {"ath", quote(sum64(raw))},
		},
	}
}

// asking makes a request for /accounts; header is pairs of names and values, written as they are.
func (k *rig) asking(header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, rigOrigin+"/accounts", nil)
	r.TLS = nil
	for i := 0; i < len(header); i += 2 {
		name := http.CanonicalHeaderKey(header[i])
		r.Header[name] = append(r.Header[name], header[i+1])
	}
	return r
}

// over gives r the TLS connection of a client with that certificate.
func over(r *http.Request, c *x509.Certificate) *http.Request {
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
	return r
}

// withDPoP sends raw and a proof of the client.
func (k *rig) withDPoP(raw, proof string) answer {
	return k.call(k.asking("Authorization", "DPoP "+raw, "DPoP", proof))
}

// withBearer sends raw over the client's TLS connection.
func (k *rig) withBearer(raw string) answer {
	return k.call(over(k.asking("Authorization", "Bearer "+raw), k.cert))
}

// call sends r through the chain.
func (k *rig) call(r *http.Request) answer {
	before, records := k.ran.Load(), k.records.len()
	w := httptest.NewRecorder()
	k.chain.ServeHTTP(w, r)
	return answer{
		rig: k, request: r, status: w.Code, header: w.Header(), body: w.Body.String(),
		ran: k.ran.Load() - before, records: k.records.since(records),
	}
}

// recorder keeps audit records.
type recorder struct {
	mu   sync.Mutex
	kept []map[string]any
}

func (s *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (s *recorder) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *recorder) WithGroup(string) slog.Handler            { return s }

func (s *recorder) Handle(_ context.Context, r slog.Record) error {
	m := map[string]any{}
	r.Attrs(func(a slog.Attr) bool {
		m[a.Key] = a.Value.Any()
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, m)
	return nil
}

func (s *recorder) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

func (s *recorder) since(n int) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[n:]
}
