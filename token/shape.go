package token

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Shapes is a Resolver that chooses by the form of the token, before anything of it is read: three parts are a
// signed JWT, five an encrypted one, anything else is opaque. A form without a Resolver is ErrMalformed.
type Shapes struct {
	_ [0]func()

	Signed    Resolver // JWT, Issuers
	Encrypted Resolver // Encrypted
	Opaque    Resolver // Introspection
}

// Resolve asks the Resolver for raw's form.
func (s Shapes) Resolve(ctx context.Context, raw string) (*Claims, error) {
	resolver := s.of(raw)
	if resolver == nil {
		return nil, ErrMalformed
	}
	return resolver.Resolve(ctx, raw)
}

func (s Shapes) resolve(ctx context.Context, p presented) (*facts, error) {
	resolver := s.of(p.raw)
	if resolver == nil {
		return nil, ErrMalformed
	}
	return resolveBy(ctx, resolver, p)
}

func (s Shapes) of(raw string) Resolver {
	switch shapeOf(raw) {
	case shapeJWS:
		return s.Signed
	case shapeJWE:
		return s.Encrypted
	}
	return s.Opaque
}

type shape int

const (
	shapeOpaque shape = iota
	shapeJWS
	shapeJWE
)

func shapeOf(raw string) shape {
	switch strings.Count(raw, ".") {
	case 2:
		return shapeJWS
	case 4:
		return shapeJWE
	}
	return shapeOpaque
}

// Issuers is a Resolver for signed tokens of several issuers, each with keys, audiences, algorithms and binding
// of its own. A token of another issuer is refused before any key is looked for.
type Issuers struct{ byName map[string]*JWT }

// NewIssuers joins the resolvers of different issuers.
func NewIssuers(all ...*JWT) (*Issuers, error) {
	i := &Issuers{byName: make(map[string]*JWT, len(all))}
	for _, j := range all {
		if j == nil {
			return nil, errors.New("token: NewIssuers: nil")
		}
		if i.byName[j.issuer] != nil {
			return nil, errors.New("token: NewIssuers: an issuer twice")
		}
		i.byName[j.issuer] = j
	}
	if len(all) == 0 {
		return nil, errors.New("token: NewIssuers: no issuer")
	}
	return i, nil
}

// Resolve reads raw once and lets the issuer that it names verify it.
func (i *Issuers) Resolve(ctx context.Context, raw string) (*Claims, error) {
	return claimsOf(i.resolve(ctx, presentation(raw, time.Now())))
}

func (i *Issuers) resolve(ctx context.Context, p presented) (*facts, error) {
	t, err := readJWT(p.raw)
	if err != nil {
		return nil, err
	}
	j := i.byName[t.facts.claims.Issuer]
	if j == nil {
		return nil, ErrIssuer
	}
	return j.verify(ctx, &t, &p)
}
