package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
)

var answerNames = []string{"active", "token_type"}

// believe turns an answer into claims: RFC 7662 §2.2, everything in it enforced as for a JWT. What the server should
// not have sent is an outage of the server's, not a fault of the token.
func (i *Introspection) believe(ctx context.Context, a *answerOf, now time.Time) (*Claims, error) {
	text := a.text
	if i.config.SignedBy != nil {
		var err error
		if text, err = i.unsign(ctx, a, now); err != nil {
			return nil, &outage{err}
		}
	} else if a.signed {
		return nil, &outage{errAnswer}
	}
	active, tokenType, err := activeIn(text)
	if err != nil {
		return nil, &outage{errAnswer}
	}
	if !active {
		return nil, ErrInactive
	}
	c := new(Claims)
	if err := readClaims(c, text); err != nil {
		return nil, inside(err)
	}
	return c, i.check(c, tokenType, now)
}

// activeIn reads whether the token is active: the boolean true, and nothing else, says so.
func activeIn(text string) (active bool, tokenType string, err error) {
	err = strictjson.Members(text, func(name, value string) (err error) {
		switch name {
		case "active":
			active = value == "true"
		case "token_type":
			tokenType, err = nonEmpty(value)
		default:
			err = jose.CaseVariant(name, answerNames)
		}
		return err
	})
	return active, tokenType, err
}

func (i *Introspection) check(c *Claims, tokenType string, now time.Time) error {
	if c.Issuer == "" {
		c.Issuer = i.config.Issuer
	}
	ours := slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(i.config.Audiences, a) })
	kind := "Bearer" // RFC 9449 §6.2: the type says DPoP for a token that is bound to a DPoP key
	if c.JKT != "" {
		kind = "DPoP"
	}
	switch {
	case c.Issuer != i.config.Issuer:
		return ErrIssuer
	case !ours && (len(c.Audience) > 0 || !i.config.AudienceOptional):
		return ErrAudience
	case tokenType != "" && !strings.EqualFold(tokenType, kind):
		return ErrType
	case c.Expires.IsZero() || c.Subject == "" && c.Client == "":
		return ErrClaims
	case !now.Before(c.Expires):
		return ErrExpired
	case c.NotBefore.Sub(now) > defaultLeeway || c.Issued.Sub(now) > defaultLeeway:
		return ErrNotYet
	case c.AuthTime.Sub(now) > defaultLeeway:
		return ErrClaims
	}
	c.KeepUntil = now.Add(i.config.TTL)
	return nil
}

// unsign verifies a signed answer (RFC 9701 §5): its type, issuer, audience, age and signature. What the token is
// stands inside token_introspection, and nowhere else.
func (i *Introspection) unsign(ctx context.Context, a *answerOf, now time.Time) (string, error) {
	if !a.signed {
		return "", errAnswer
	}
	t := new(readToken)
	var err error
	if t.jws, err = jose.Split(strings.TrimSpace(a.text)); err != nil {
		return "", errAnswer
	}
	if t.readHeader() != nil || !strings.EqualFold(t.typ, signedAnswer) && !strings.EqualFold(t.typ, "application/"+signedAnswer) {
		return "", errAnswer
	}
	var inner, issuer string
	var audience []string
	var issued time.Time
	err = strictjson.Members(t.jws.Payload, func(name, value string) (err error) {
		switch name {
		case "iss":
			issuer, err = nonEmpty(value)
		case "aud":
			audience, err = stringOrStrings(value)
		case "iat":
			issued, err = numericDate(value)
		case "token_introspection":
			inner = value
		}
		return err
	})
	age := now.Sub(issued)
	if err != nil || inner == "" || issuer != i.config.Issuer || !slices.Contains(audience, i.config.SignedAudience) ||
		age > signedMaxAge || age < -signedMaxAge {
		return "", errAnswer
	}
	keys, err := i.config.SignedBy.Find(ctx, t.kid)
	if err != nil {
		return "", err
	}
	for n, key := range keys {
		if n < maxTried && jose.Serves(key.Algorithm, key.Public, t.alg) && t.jws.Verify(key.Public, t.alg) {
			return inner, nil
		}
	}
	return "", errAnswer
}
