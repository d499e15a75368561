package token

import (
	"context"
	"crypto"
	"sync/atomic"
	"time"
)

// Claims is what a Resolver read from a token. It is plain data that nobody has believed yet: the
// Verifier copies it, checks expiry and binding, and hands out a Grant.
type Claims struct {
	Issuer   string   // iss, required
	Subject  string   // sub; one of Subject and Client is required
	Client   string   // client_id
	ID       string   // jti
	Session  string   // sid: the session at the authorization server that the token comes from
	Audience []string // aud
	Scope    []string // scope, split at spaces

	Issued    time.Time // iat
	NotBefore time.Time // nbf
	Expires   time.Time // exp, required

	AuthTime time.Time // auth_time, zero when absent
	ACR      string    // acr
	AMR      []string  // amr

	JKT string // cnf.jkt: RFC 9449 §6.1, 43 characters
	X5T string // cnf.x5t#S256: RFC 8705 §3.1, 43 characters

	JSON string // all claims as one JSON object, for Grant.Claim; empty: there are no others

	KeepUntil time.Time    // no cache may use these claims after it; zero: until Expires
	While     *atomic.Bool // no cache may use these claims once it is false; nil: always true
}

// Resolver turns the text of a token into its claims, after every check that the token itself allows:
// signature, issuer, audience, times. It is asked for well-formed texts of bounded length only.
//
// An error that is one of this package's reasons, bare or wrapped, is answered by the table of reasons;
// any other is an outage: 503.
type Resolver interface {
	Resolve(ctx context.Context, raw string) (*Claims, error)
}

// ResolverFunc is a function that is a Resolver.
type ResolverFunc func(ctx context.Context, raw string) (*Claims, error)

// Resolve calls f.
func (f ResolverFunc) Resolve(ctx context.Context, raw string) (*Claims, error) { return f(ctx, raw) }

// Key is a public key of an issuer.
type Key struct {
	ID        string           // kid
	Algorithm string           // the one algorithm it verifies; empty: every one that fits its kind
	Public    crypto.PublicKey // *ecdsa.PublicKey on P-256, *rsa.PublicKey of 2048 to 4096 bits, or ed25519.PublicKey

	KeepUntil time.Time    // what it verified may be remembered until then; zero: until the token expires
	While     *atomic.Bool // what it verified is forgotten once it is false; nil: never
}

// KeySource finds the keys of one issuer. No key is an unknown kid; an error is an outage.
type KeySource interface {
	Find(ctx context.Context, kid string) ([]Key, error)
}

// KeySourceFunc is a function that is a KeySource.
type KeySourceFunc func(ctx context.Context, kid string) ([]Key, error)

// Find calls f.
func (f KeySourceFunc) Find(ctx context.Context, kid string) ([]Key, error) { return f(ctx, kid) }
