package token

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/strictjson"
)

// Grant is a caller who proved that the token is theirs: a small value over facts that never change.
// The zero Grant belongs to nobody and has no scope.
type Grant struct {
	facts  *facts
	by     *Verifier
	scheme scheme
	nonce  string
}

var nobody facts

func (g Grant) claims() *Claims {
	if g.facts == nil {
		return &nobody.claims
	}
	return &g.facts.claims
}

// Issuer is who issued the token.
func (g Grant) Issuer() string { return g.claims().Issuer }

// Subject is whom the token is about: the customer, or the client itself for client credentials.
func (g Grant) Subject() string { return g.claims().Subject }

// Client is the OAuth client_id, empty when the token names none.
func (g Grant) Client() string { return g.claims().Client }

// ID is the token's jti, empty when it has none.
func (g Grant) ID() string { return g.claims().ID }

// Session is the session that the token comes from (sid, OpenID Connect Back-Channel Logout 1.0 §2.4), empty when it
// does not say.
func (g Grant) Session() string { return g.claims().Session }

// Expires is when the token ends.
func (g Grant) Expires() time.Time { return g.claims().Expires }

// Issued is when the token was issued, zero when it does not say.
func (g Grant) Issued() time.Time { return g.claims().Issued }

// AuthTime is when the customer authenticated, zero when the token does not say.
func (g Grant) AuthTime() time.Time { return g.claims().AuthTime }

// ACR is the authentication context class reference, empty when the token does not say.
func (g Grant) ACR() string { return g.claims().ACR }

// AMR are the methods by which the customer authenticated.
func (g Grant) AMR() iter.Seq[string] { return slices.Values(g.claims().AMR) }

// Scopes are the granted scopes.
func (g Grant) Scopes() iter.Seq[string] { return slices.Values(g.claims().Scope) }

// HasScope compares exactly: "accounts" is not part of "accounts-read".
func (g Grant) HasScope(scope string) bool { return slices.Contains(g.claims().Scope, scope) }

// Audience are the resource servers that the token is meant for.
func (g Grant) Audience() iter.Seq[string] { return slices.Values(g.claims().Audience) }

// JKT is the thumbprint of the DPoP key that the token is bound to, empty when to none.
func (g Grant) JKT() string { return g.claims().JKT }

// X5T is the thumbprint of the certificate that the token is bound to, empty when to none.
func (g Grant) X5T() string { return g.claims().X5T }

// Claim is the exact JSON text of any claim of the token, as it was issued; false when the token has none of that
// name. Case counts. When Claims.JSON is no JSON object every claim is there, with an empty text that no reader
// accepts: what cannot be read is never taken for absent.
func (g Grant) Claim(name string) (json string, ok bool) {
	claims := g.claims().JSON
	if claims == "" {
		return "", false
	}
	err := strictjson.Members(claims, func(n, value string) error {
		if n == name {
			json, ok = value, true
		}
		return nil
	})
	if err != nil {
		return "", true
	}
	return json, ok
}

// SetHeader says on success what the client must know: the next DPoP nonce (RFC 9449 §8.2).
func (g Grant) SetHeader(h http.Header) {
	if g.nonce != "" {
		h["Dpop-Nonce"] = []string{g.nonce}
		h["Cache-Control"] = []string{"no-store"}
	}
}

type contextKey struct{}

// granted is context and value in one.
type granted struct {
	context.Context
	grant Grant
	err   error // the refusal that report-only waived: there is no Grant then
}

func (c *granted) Value(key any) any {
	if _, ok := key.(contextKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// NewContext leaves g for the layers inside. Adapters call it after Authenticate; Wrap does it itself.
// Err is the refusal that audit.Decide waived, nil otherwise.
func NewContext(ctx context.Context, g Grant, err error) context.Context {
	return &granted{ctx, g, err}
}

// FromContext gives the Grant that a Verifier left, or the reason why there is none: the refusal that
// report-only waived, or that no Verifier stands outside. The error goes to audit.Refused as it is.
func FromContext(ctx context.Context) (Grant, error) {
	c, ok := ctx.Value(contextKey{}).(*granted)
	if !ok {
		return Grant{}, misplaced()
	}
	return c.grant, c.err
}

func misplaced() *audit.Refusal {
	return &audit.Refusal{Reason: audit.ErrMisplaced, Status: http.StatusInternalServerError, Detail: "internal error", Final: true}
}

// ClientKey names the verified client of r without ambiguity, across issuers: a key for ratelimit.
func ClientKey(r *http.Request) (string, error) {
	g, err := FromContext(r.Context())
	if err != nil {
		return "", err
	}
	if g.facts == nil {
		return "", misplaced()
	}
	return g.facts.clientKey, nil
}
