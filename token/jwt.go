package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
)

const (
	defaultLifetime = time.Hour
	defaultLeeway   = 30 * time.Second
	limitLeeway     = 60 * time.Second
	maxTried        = 4 // keys of one kid and kind
)

// JWTConfig configures NewJWT.
type JWTConfig struct {
	_ [0]func()

	// Issuer is compared with iss to the letter. Required.
	Issuer string

	// Audiences are the names of this resource server: aud must contain one of them. Required.
	Audiences []string

	// Keys finds the issuer's keys: NewJWKS, NewKeySet. Required.
	Keys KeySource

	// Algorithms that tokens may be signed with. Empty: ES256, PS256, EdDSA and Ed25519, which is all there are.
	Algorithms []string

	// Binding is what this issuer's tokens must be bound to, whatever else the Verifier accepts: BindingCertificate
	// or BindingDPoP refuse tokens of theirs that are not; the others leave it to the Verifier.
	Binding Binding

	// MaxLifetime bounds exp - iat. Zero: 1 h.
	MaxLifetime time.Duration

	// Leeway is how far in the future nbf and iat may be. Zero: 30 s, at most 60 s. Exp has none.
	Leeway time.Duration
}

// JWT resolves signed JWT access tokens of one issuer (RFC 9068).
type JWT struct {
	issuer     string
	audiences  []string
	keys       func(ctx context.Context, kid string) ([]Key, error)
	algorithms []string
	binding    Binding
	lifetime   time.Duration
	leeway     time.Duration
}

// NewJWT makes a Resolver, or reports every mistake in c at once.
func NewJWT(c JWTConfig) (*JWT, error) {
	j := &JWT{
		issuer: c.Issuer, audiences: slices.Clone(c.Audiences), keys: lookupIn(c.Keys), algorithms: slices.Clone(c.Algorithms),
		binding: c.Binding, lifetime: c.MaxLifetime, leeway: c.Leeway,
	}
	if len(j.algorithms) == 0 {
		j.algorithms = jose.Algorithms()
	}
	if j.lifetime == 0 {
		j.lifetime = defaultLifetime
	}
	if j.leeway == 0 {
		j.leeway = defaultLeeway
	}
	var all []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Errorf("token: JWTConfig."+format, args...))
		}
	}
	wrong(c.Issuer == "", "Issuer is required")
	wrong(len(c.Audiences) == 0 || slices.Contains(c.Audiences, ""), "Audiences is required, without empty names")
	wrong(c.Keys == nil, "Keys is required")
	wrong(c.Binding > DangerouslyUnbound, "Binding is unknown")
	wrong(j.lifetime < 0, "MaxLifetime is negative")
	wrong(j.leeway < 0 || j.leeway > limitLeeway, "Leeway is not within 0 and %v", limitLeeway)
	for _, alg := range j.algorithms {
		wrong(!slices.Contains(jose.Algorithms(), alg), "Algorithms: %q is not one of %v", alg, jose.Algorithms())
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return j, nil
}

// Resolve reads and verifies raw: RFC 9068 §4, RFC 8725 §3. The signature comes last, and a key is looked for
// only when everything else fits.
func (j *JWT) Resolve(ctx context.Context, raw string) (*Claims, error) {
	return claimsOf(j.resolve(ctx, presentation(raw, time.Now())))
}

func claimsOf(f *facts, err error) (*Claims, error) {
	if err != nil {
		return nil, err
	}
	return &f.claims, nil
}

func (j *JWT) resolve(ctx context.Context, p presented) (*facts, error) {
	t, err := readJWT(p.raw)
	if err != nil {
		return nil, err
	}
	if t.facts.claims.Issuer != j.issuer {
		return nil, ErrIssuer
	}
	return j.verify(ctx, &t, &p)
}

// verify believes t, or says why not.
func (j *JWT) verify(ctx context.Context, t *readToken, p *presented) (*facts, error) {
	if err := j.check(t, p.now); err != nil {
		return nil, err
	}
	keys, err := j.keys(ctx, t.kid)
	if err != nil {
		return nil, &outage{err}
	}
	reason, tried := ErrUnknownKey, 0
	for i := range keys {
		key := &keys[i]
		if !jose.Serves(key.Algorithm, key.Public, t.alg) {
			continue
		}
		if tried++; tried > maxTried {
			break
		}
		reason = ErrSignature
		if t.jws.Verify(key.Public, t.alg) {
			f := t.facts
			f.claims.KeepUntil, f.claims.While = key.KeepUntil, key.While
			return f, f.settle(p.digest)
		}
	}
	return nil, reason
}

// readToken is a JWT that was taken apart and not believed: nor are its facts.
type readToken struct {
	jws           jose.JWS
	typ, alg, kid string
	facts         *facts
}

func readJWT(raw string) (t readToken, err error) {
	if t.jws, err = jose.Split(raw); err != nil {
		return t, ErrMalformed
	}
	if err := t.readHeader(); err != nil {
		return t, inside(err)
	}
	t.facts = new(facts)
	if err := readClaims(&t.facts.claims, t.jws.Payload); err != nil {
		return t, inside(err)
	}
	return t, nil
}

var tokenHeader = []string{"typ", "alg", "kid", "crit", "b64", "zip"}

// readHeader looks at nothing that names a key, by value or by address, except kid.
func (t *readToken) readHeader() error {
	return strictjson.Members(t.jws.Header, func(name, value string) (err error) {
		switch name {
		case "typ":
			t.typ, err = nonEmpty(value)
		case "alg":
			t.alg, err = nonEmpty(value)
		case "kid":
			t.kid, err = nonEmpty(value)
		case "crit", "b64", "zip":
			err = ErrCritical
		default:
			err = jose.CaseVariant(name, tokenHeader)
		}
		return err
	})
}

// inside keeps reasons and calls everything else malformed: errors of the reader.
func inside(err error) error {
	if reason, ok := errors.AsType[audit.Reason](err); ok {
		return reason
	}
	return ErrMalformed
}

// check is what the token says about itself: RFC 9068 §2.2 and §4, steps 1 and 3 to 6.
func (j *JWT) check(t *readToken, now time.Time) error {
	c := &t.facts.claims
	switch {
	case !strings.EqualFold(t.typ, "at+jwt") && !strings.EqualFold(t.typ, "application/at+jwt"):
		return ErrType
	case !slices.Contains(j.algorithms, t.alg):
		return ErrAlgorithm
	case t.kid == "":
		return ErrUnknownKey
	case !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(j.audiences, a) }):
		return ErrAudience
	case c.Expires.IsZero() || c.Issued.IsZero() || c.Subject == "" || c.Client == "" || c.ID == "":
		return ErrClaims
	case !now.Before(c.Expires):
		return ErrExpired
	case c.NotBefore.Sub(now) > j.leeway || c.Issued.Sub(now) > j.leeway:
		return ErrNotYet
	case c.AuthTime.Sub(now) > j.leeway:
		return ErrClaims
	case c.Expires.Sub(c.Issued) > j.lifetime:
		return ErrLifetime
	case j.binding == BindingCertificate && c.X5T == "", j.binding == BindingDPoP && c.JKT == "":
		return ErrUnbound
	}
	return nil
}
