package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/tegata-go/tegata/token"
)

// asking is an authorization server's introspection endpoint whose answer a test sets.
type asking struct {
	*bench
	server *httptest.Server
	calls  atomic.Int64
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request)
	seen   *http.Request
	form   map[string][]string
	client *ecdsa.PrivateKey
}

func newAsking(t *testing.T) *asking {
	a := &asking{bench: newBench(t, 0)}
	var err error
	if a.client, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	a.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.calls.Add(1)
		_ = r.ParseForm()
		a.mu.Lock()
		answer := a.answer
		a.seen, a.form = r, r.PostForm
		a.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(a.server.Close)
	a.says(a.active())
	return a
}

func (a *asking) config() token.IntrospectionConfig {
	jwk := ecJWK(a.tb, &a.client.PublicKey)
	d, err := a.client.Bytes()
	if err != nil {
		a.tb.Fatal(err)
	}
	jwk["d"], jwk["kid"] = b64(d), "rs-1"
	text, err := json.Marshal(jwk)
	if err != nil {
		a.tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.server.Certificate())
	return token.IntrospectionConfig{
		URL: a.server.URL + "/introspect", Issuer: benchIssuer, Audiences: []string{benchOrigin}, ClientID: "rs", ClientKey: text,
		TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
}

func (a *asking) resolver(c token.IntrospectionConfig) *token.Introspection {
	i, err := token.NewIntrospection(c)
	if err != nil {
		a.tb.Fatal(err)
	}
	return i
}

func (a *asking) active() string {
	now := time.Now().Unix()
	return fmt.Sprintf(`{"active":true,"iss":%q,"aud":%q,"sub":"u","client_id":"c","exp":%d,"iat":%d,"scope":"accounts","token_type":"DPoP","cnf":{"jkt":%q}}`,
		benchIssuer, benchOrigin, now+300, now, a.jkt())
}

func (a *asking) says(text string) { a.replies("application/json", 200, text) }

func (a *asking) replies(contentType string, status int, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func TestIntrospectionAsks(t *testing.T) {
	a := newAsking(t)
	claims, err := a.resolver(a.config()).Resolve(context.Background(), "opaque-1")
	if err != nil || claims.Subject != "u" || claims.Client != "c" || claims.JKT != a.jkt() || len(claims.Scope) != 1 || claims.KeepUntil.IsZero() {
		t.Fatalf("RFC8705-3.2: %+v %v", claims, err)
	}
	if a.seen.Method != "POST" || a.seen.URL.RawQuery != "" || a.form["token"][0] != "opaque-1" || a.seen.TLS == nil {
		t.Error("RFC7662-2.1:", a.seen.Method, a.seen.URL, a.form)
	}
	assertion, err := jwt.Parse([]byte(a.form["client_assertion"][0]), jwt.WithKey(jwa.ES256(), &a.client.PublicKey), jwt.WithValidate(true),
		jwt.WithIssuer("rs"), jwt.WithSubject("rs"), jwt.WithAudience(benchIssuer), jwt.WithRequiredClaim("jti"), jwt.WithRequiredClaim("exp"))
	if err != nil || assertion == nil {
		t.Error("I1 private_key_jwt:", err)
	}
}

func TestIntrospectionAnswers(t *testing.T) {
	a := newAsking(t)
	good := a.active()
	change := func(old, fresh string) string {
		if !strings.Contains(good, old) {
			t.Fatal(old)
		}
		return strings.Replace(good, old, fresh, 1)
	}
	past := fmt.Sprint(time.Now().Unix() - 10)
	for _, c := range []struct {
		id, answer string
		want       error
	}{
		{"RFC7662-2.2-1 false", change(`"active":true`, `"active":false`), token.ErrInactive},
		{"RFC7662-2.2-1 string", change(`"active":true`, `"active":"true"`), token.ErrInactive},
		{"RFC7662-2.2-1 number", change(`"active":true`, `"active":1`), token.ErrInactive},
		{"RFC7662-2.2-1 missing", change(`"active":true,`, ``), token.ErrInactive},
		{"RFC7662-2.2-1 case", change(`"active":true`, `"Active":true`), token.ErrUnavailable},
		{"RFC7662-2.2-2 exp past", change(`"exp":`, `"exp":`+past+`,"x":`), token.ErrExpired},
		{"RFC7662-2.2-2 exp missing", change(`"exp":`, `"x":`), token.ErrClaims},
		{"RFC7662-2.2-2 nbf", change(`"exp":`, `"nbf":`+fmt.Sprint(time.Now().Unix()+100)+`,"exp":`), token.ErrNotYet},
		{"RFC7662-2.2-2 aud other", change(`"aud":"`+benchOrigin, `"aud":"https://other.example`), token.ErrAudience},
		{"RFC7662-2.2-2 aud missing", change(`"aud":`, `"x":`), token.ErrAudience},
		{"RFC7662-2.2-2 iss other", change(`"iss":"`+benchIssuer, `"iss":"https://other.example`), token.ErrIssuer},
		{"RFC7662-2.2-2 scope type", change(`"scope":"accounts"`, `"scope":["accounts"]`), token.ErrClaims},
		{"RFC9449-6.2-2", change(`"token_type":"DPoP"`, `"token_type":"Bearer"`), token.ErrType},
		{"pitfall-24 cnf empty", change(`"cnf":{"jkt":"`+a.jkt()+`"}`, `"cnf":{}`), token.ErrConfirmation},
		{"nobody", change(`"sub":"u","client_id":"c",`, ``), token.ErrClaims},
		{"RFC7662-2.3 bad JSON", `{"active":true`, token.ErrUnavailable},
		{"RFC7662-2.3 duplicate", change(`"active":true`, `"active":false,"active":true`), token.ErrUnavailable},
		{"RFC7662-2.3 array", `[]`, token.ErrUnavailable},
		{"RFC7662-2.3 too large", good + strings.Repeat(" ", 1<<17), token.ErrUnavailable},
	} {
		t.Run(c.id, func(t *testing.T) {
			a.says(c.answer)
			if claims, err := a.resolver(a.config()).Resolve(context.Background(), "t"); !errors.Is(err, c.want) {
				t.Fatal(claims, err)
			}
		})
	}
	a.says(change(`"aud":`, `"x":`))
	lax := a.config()
	lax.AudienceOptional = true
	if _, err := a.resolver(lax).Resolve(context.Background(), "t"); err != nil {
		t.Error("AudienceOptional:", err)
	}
}

func TestIntrospectionOutage(t *testing.T) {
	a := newAsking(t)
	for _, status := range []int{201, 302, 400, 401, 403, 429, 500, 503} {
		a.replies("application/json", status, a.active())
		if _, err := a.resolver(a.config()).Resolve(context.Background(), "t"); !errors.Is(err, token.ErrUnavailable) {
			t.Errorf("RFC7662-2.3, pitfall-23: status %d: %v", status, err)
		}
	}
	c := a.config()
	c.Timeout = 50 * time.Millisecond
	release := make(chan struct{})
	a.mu.Lock()
	a.answer = func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	a.mu.Unlock()
	i := a.resolver(c)
	if _, err := i.Resolve(context.Background(), "t"); !errors.Is(err, token.ErrUnavailable) {
		t.Error("timeout:", err)
	}
	close(release)
	a.says(a.active())
	if _, err := i.Resolve(context.Background(), "t"); err != nil {
		t.Error("an outage was remembered as an answer:", err)
	}
}

// I5: after failures in a row the server is left alone for a moment, then probed by one call.
func TestIntrospectionBreaker(t *testing.T) {
	a := newAsking(t)
	a.replies("application/json", 500, "")
	i := a.resolver(a.config())
	for n := range 50 {
		if _, err := i.Resolve(context.Background(), fmt.Sprint(n)); !errors.Is(err, token.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if calls := a.calls.Load(); calls != 5 {
		t.Errorf("%d calls, want 5", calls)
	}
	deadline := time.Now().Add(20 * time.Second)
	for a.calls.Load() == 5 { // the first probe fails, too
		if _, err := i.Resolve(context.Background(), "again"); !errors.Is(err, token.ErrUnavailable) || time.Now().After(deadline) {
			t.Fatal("never probed:", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	a.says(a.active())
	for {
		if _, err := i.Resolve(context.Background(), "again"); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("never asked again")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// RFC7662-4-1, RFC7662-4-2, pitfall-22: one call for one token, positive answers kept for TTL by a Cache and never
// past exp, inactive ones kept too.
func TestIntrospectionCaches(t *testing.T) {
	a := newAsking(t)
	i := a.resolver(a.config())
	cache, err := token.NewCache(token.CacheConfig{Resolver: i})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := cache.Resolve(context.Background(), "one"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 50 {
		if _, err := cache.Resolve(context.Background(), "one"); err != nil {
			t.Error(err)
		}
	}
	if n := a.calls.Load(); n < 1 || n > 3 { // a flight may end just before a goroutine looks
		t.Errorf("I2: %d calls for one token", n)
	}
	before := a.calls.Load()
	a.says(`{"active":false}`)
	for range 50 {
		if _, err := cache.Resolve(context.Background(), "two"); !errors.Is(err, token.ErrInactive) {
			t.Fatal(err)
		}
	}
	if n := a.calls.Load() - before; n != 1 {
		t.Errorf("%d calls for an inactive token", n)
	}
	a.says(strings.Replace(a.active(), `"exp":`, fmt.Sprintf(`"exp":%d,"x":`, time.Now().Unix()+2), 1))
	if _, err := cache.Resolve(context.Background(), "three"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2100 * time.Millisecond)
	if _, err := cache.Resolve(context.Background(), "three"); !errors.Is(err, token.ErrExpired) {
		t.Error("past exp:", err)
	}
}

// Through the Verifier the binding in the answer is enforced as for a JWT.
func TestIntrospectionBinding(t *testing.T) {
	a := newAsking(t)
	v := a.verifierOver(token.Shapes{Opaque: a.resolver(a.config())})
	const raw = "opaque~token"
	if _, err := v.Authenticate(a.request(raw, a.proof(raw))); err != nil {
		t.Fatal("RFC9449-6.2-1:", err)
	}
	if _, err := v.Authenticate(a.request(raw, "")); !errors.Is(err, token.ErrDowngrade) {
		t.Error("I3, sent as Bearer:", err)
	}
	if _, err := v.Authenticate(a.request(raw, newBench(t, 0).proof(raw))); !errors.Is(err, token.ErrKeyMismatch) {
		t.Error("another key:", err)
	}
	a.says(strings.Replace(strings.Replace(a.active(), `"cnf":`, `"x":`, 1), `"token_type":"DPoP"`, `"token_type":"Bearer"`, 1))
	if _, err := v.Authenticate(a.request(raw, a.proof(raw))); !errors.Is(err, token.ErrNotDPoP) {
		t.Error("RFC9449-6.2-1 without cnf:", err)
	}
	if _, err := v.Authenticate(a.request(raw, "")); !errors.Is(err, token.ErrUnbound) {
		t.Error("RFC8705-3.2 without cnf:", err)
	}
}

func (b *bench) verifierOver(r token.Resolver) *token.Verifier {
	c := b.configOver(r)
	v, err := token.New(c)
	if err != nil {
		b.tb.Fatal(err)
	}
	return v
}

// Signed answers: RFC 9701.
func TestSignedIntrospection(t *testing.T) {
	a := newAsking(t)
	c := a.config()
	keys, err := token.NewKeySet([]byte(`{"keys":[` + a.jwkText("es") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	c.SignedBy, c.SignedAudience = keys, benchOrigin
	const kind = "application/token-introspection+jwt"
	now := time.Now().Unix()
	header := `{"alg":"ES256","kid":"es","typ":"token-introspection+jwt"}`
	payload := fmt.Sprintf(`{"iss":%q,"aud":%q,"iat":%d,"token_introspection":%s}`, benchIssuer, benchOrigin, now, a.active())
	ask := func() error {
		_, err := a.resolver(c).Resolve(context.Background(), "t")
		return err
	}
	a.replies(kind, 200, a.signTexts(header, payload))
	if err := ask(); err != nil {
		t.Fatal("RFC9701-5-1:", err)
	}
	if a.seen.Header.Get("Accept") != kind {
		t.Error("RFC9701-4:", a.seen.Header)
	}
	swap := strings.NewReplacer
	for id, answer := range map[string]string{
		"I4, RFC9701-5-1 typ JWT":    a.signTexts(swap("token-introspection+jwt", "JWT").Replace(header), payload),
		"RFC9701-5-1 typ at+jwt":     a.signTexts(swap("token-introspection+jwt", "at+jwt").Replace(header), payload),
		"RFC9701-5-1 aud":            a.signTexts(header, strings.Replace(payload, `"aud":"`, `"aud":"x`, 1)),
		"RFC9701-5-1 iss":            a.signTexts(header, strings.Replace(payload, `"iss":"`, `"iss":"x`, 1)),
		"RFC9701-5-1 no iat":         a.signTexts(header, strings.Replace(payload, `"iat":`, `"x":`, 1)),
		"RFC9701-5-1 stale":          a.signTexts(header, strings.Replace(payload, fmt.Sprintf(`"iat":%d`, now), fmt.Sprintf(`"iat":%d`, now-3600), 1)),
		"RFC9701-5-2 top level":      a.signTexts(header, fmt.Sprintf(`{"iss":%q,"aud":%q,"iat":%d,"active":true}`, benchIssuer, benchOrigin, now)),
		"FAPI2-MS-5.5.2-2 signature": a.signTexts(header, payload)[:60] + "A" + a.signTexts(header, payload)[61:],
		"FAPI2-MS-5.5.2-2 other key": newBench(t, 0).signTexts(header, payload),
		"FAPI2-MS-5.5.2-2 alg none":  strings.Join(strings.Split(a.signTexts(swap("ES256", "none").Replace(header), payload), ".")[:2], ".") + ".",
	} {
		a.replies(kind, 200, answer)
		if err := ask(); !errors.Is(err, token.ErrUnavailable) {
			t.Error(id, err)
		}
	}
	a.says(a.active())
	if err := ask(); !errors.Is(err, token.ErrUnavailable) {
		t.Error("FAPI2-MS-5.5.2-2 plain answer:", err)
	}
	a.replies(kind, 200, a.signTexts(header, fmt.Sprintf(`{"iss":%q,"aud":%q,"iat":%d,"token_introspection":{"active":false}}`, benchIssuer, benchOrigin, now)))
	if err := ask(); !errors.Is(err, token.ErrInactive) {
		t.Error(err)
	}
	// RFC9701-8.1: such a JWT is no access token
	if _, err := a.jwt.Resolve(context.Background(), a.signTexts(header, a.payload())); !errors.Is(err, token.ErrType) {
		t.Error("RFC9701-8.1:", err)
	}
}

func TestIntrospectionConfig(t *testing.T) {
	_, err := token.NewIntrospection(token.IntrospectionConfig{URL: "http://as.bank.example", Timeout: -1})
	for _, part := range []string{"URL", "Issuer", "Audiences", "ClientID", "ClientKey", "duration"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not told: %v", part, err)
		}
	}
}
