package actors

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Issuer is an authorization server: it signs tokens, and serves its keys as an http.Handler. What it serves may
// be changed while it runs.
type Issuer struct {
	URL      string
	Audience string
	Fetches  atomic.Int64 // how often its keys were asked for

	mu    sync.Mutex
	key   *Key
	serve http.HandlerFunc // nil: the key set
}

// NewIssuer makes an issuer with one key.
func NewIssuer(url, audience string) *Issuer {
	return &Issuer{URL: url, Audience: audience, key: NewKey("ES256", "key-1")}
}

// Key is what tokens are signed with now.
func (i *Issuer) Key() *Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key
}

// Rotate signs with key from now on, and shows that key alone.
func (i *Issuer) Rotate(key *Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = key
}

// Serve answers with f in place of the key set; nil goes back to it.
func (i *Issuer) Serve(f http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serve = f
}

// KeySet is the public half of the key as a JWK set.
func (i *Issuer) KeySet() []byte {
	return must(json.Marshal(map[string]any{"keys": []any{i.Key().JWK()}}))
}

// ServeHTTP gives the key set.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.Fetches.Add(1)
	i.mu.Lock()
	f := i.serve
	i.mu.Unlock()
	if f != nil {
		f(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(i.KeySet())
}

// Claims are members of a token or a proof; one that is nil is left out.
type Claims = map[string]any

// Token signs an access token of RFC 9068 for five minutes, with changes made to its claims.
func (i *Issuer) Token(changes Claims) string { return i.TokenBy(i.Key(), changes) }

// TokenBy is Token signed by any key.
func (i *Issuer) TokenBy(key *Key, changes Claims) string {
	return key.Sign(map[string]any{"typ": "at+jwt", "kid": key.ID}, i.Claims(changes))
}

// Claims are what Token signs.
func (i *Issuer) Claims(changes Claims) Claims {
	now := time.Now().Unix()
	return changed(Claims{
		"iss": i.URL, "aud": i.Audience, "sub": "customer-1", "client_id": "app-1", "jti": rand.Text(),
		"iat": now, "exp": now + 300, "scope": "accounts payments",
	}, changes)
}

// BoundTo gives the claim that binds a token to a certificate's thumbprint, a DPoP key's, or both.
func BoundTo(x5t, jkt string) Claims {
	cnf := Claims{}
	if x5t != "" {
		cnf["x5t#S256"] = x5t
	}
	if jkt != "" {
		cnf["jkt"] = jkt
	}
	return Claims{"cnf": cnf}
}

// Proof signs a DPoP proof (RFC 9449 §4.2) for one request, with changes made to its claims.
func (k *Key) Proof(method, url, token string, changes Claims) string {
	return k.Sign(map[string]any{"typ": "dpop+jwt", "jwk": k.required()}, changed(Claims{
		"jti": rand.Text(), "htm": method, "htu": url, "iat": time.Now().Unix(), "ath": digest(token),
	}, changes))
}

func changed(claims, changes Claims) Claims {
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}
