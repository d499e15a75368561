package token

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
	"github.com/tegata-go/tegata/internal/uri"
)

const maxJTI = 256 // characters

// proof is a DPoP proof whose signature nobody has checked yet.
type proof struct {
	jws  jose.JWS
	alg  string
	key  jose.Key
	jti  string
	made time.Time // iat

	nonced bool // it has a nonce, of whatever type
	nonce  string

	nonceMade time.Time // when the nonce was minted, if it is ours
	nonceErr  error
	skewed    bool // iat is outside the window, and only a nonce can stand in for it

	typ, htm, htu, ath string
}

// readProof does all of RFC 9449 §4.3 that needs no signature: steps 2 to 5, 7 to 9, 11 and 12a.
func (v *Verifier) readProof(p *proof, r *http.Request, line string, token jose.Digest, now time.Time) audit.Reason {
	var err error
	if p.jws, err = jose.Split(line); err != nil {
		return ErrProofMalformed
	}
	jwk, reason := p.readHeader(v.proofAlgorithms)
	if reason != "" {
		return reason
	}
	if reason := p.readClaims(now, v.maxSkew); reason != "" {
		return reason
	}
	method, target := v.target(r)
	ath, ok := jose.ParseDigest(p.ath)
	switch {
	case p.htm != method:
		return ErrProofMethod
	case !uri.Equal(p.htu, target):
		return ErrProofTarget
	case !v.timely(p, now):
		return ErrProofTime
	case !ok || subtle.ConstantTimeCompare(ath[:], token[:]) != 1:
		return ErrProofToken
	}
	return p.readKey(jwk) // the dearest of these steps
}

// timely is RFC 9449 §4.3 step 11: iat, or the time in the nonce that stands in for it, is inside the window. Where a
// nonce may stand in and there is none that does, one is demanded later.
func (v *Verifier) timely(p *proof, now time.Time) bool {
	if v.nonces != nil && p.nonced {
		p.nonceMade, p.nonceErr = v.nonces.Open(p.nonce)
	}
	if v.standsIn(p) {
		return true // the nonce is within its lifetime
	}
	age := now.Sub(p.made)
	p.skewed = age > v.maxAge || age < -v.maxSkew
	return !p.skewed || v.nonceForIAT
}

func (v *Verifier) standsIn(p *proof) bool {
	return v.nonceForIAT && p.nonced && p.nonceErr == nil
}

// lives says when a proof was made at the earliest, and until when any clock that is allowed for could accept it: by
// its iat or, where a policy lets it stand in, by its nonce. Policies may be replaced while the store stays, so both
// count under each of them.
func (v *Verifier) lives(p *proof) (made, until time.Time) {
	made, until = p.made, p.made.Add(v.maxAge)
	if v.standsIn(p) {
		made, until = p.nonceMade, time.Time{}
	}
	if v.nonces != nil && p.nonced && p.nonceErr == nil {
		if byNonce := p.nonceMade.Add(v.nonces.Lifetime()); byNonce.After(until) {
			until = byNonce
		}
	}
	return made, until.Add(2 * v.maxSkew)
}

var proofHeader = []string{"typ", "alg", "jwk", "crit", "b64", "cty"}

func (p *proof) readHeader(algorithms []string) (jwk string, reason audit.Reason) {
	err := strictjson.Members(p.jws.Header, func(name, value string) (err error) {
		switch name {
		case "typ":
			p.typ, err = strictjson.String(value)
		case "alg":
			p.alg, err = strictjson.String(value)
		case "jwk":
			jwk = value
		case "crit", "b64", "cty": // nothing of it is understood, or wanted, here
			return ErrProofMalformed
		default:
			return jose.CaseVariant(name, proofHeader)
		}
		return err
	})
	switch {
	case err != nil:
		return "", ErrProofMalformed
	case p.typ != "dpop+jwt":
		return "", ErrProofType
	case !slices.Contains(algorithms, p.alg):
		return "", ErrProofAlgorithm
	}
	return jwk, ""
}

func (p *proof) readKey(jwk string) audit.Reason {
	var err error
	if p.key, err = jose.ParseKey(jwk); err != nil {
		return ErrProofKey
	}
	if !p.key.Serves(p.alg) {
		return ErrProofAlgorithm
	}
	return ""
}

var proofClaims = []string{"jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"}

func (p *proof) readClaims(now time.Time, skew time.Duration) audit.Reason {
	var exp, nbf time.Time
	err := strictjson.Members(p.jws.Payload, func(name, value string) (err error) {
		switch name {
		case "jti":
			p.jti, err = nonEmpty(value)
		case "htm":
			p.htm, err = nonEmpty(value)
		case "htu":
			p.htu, err = nonEmpty(value)
		case "ath":
			p.ath, err = nonEmpty(value)
		case "nonce":
			p.nonced = true
			p.nonce, _ = strictjson.String(value) // no string is no nonce of ours: RFC 9449 §9 answers both alike
		case "iat":
			p.made, err = numericDate(value)
		case "exp":
			exp, err = numericDate(value)
		case "nbf":
			nbf, err = numericDate(value)
		default:
			err = jose.CaseVariant(name, proofClaims)
		}
		return err
	})
	switch {
	case errors.Is(err, ErrClaims):
		return ErrProofClaims
	case err != nil:
		return ErrProofMalformed
	case p.jti == "" || p.htm == "" || p.htu == "" || p.ath == "" || p.made.IsZero() || utf8.RuneCountInString(p.jti) > maxJTI:
		return ErrProofClaims
	case !exp.IsZero() && !now.Before(exp) || !nbf.IsZero() && nbf.Sub(now) > skew:
		return ErrProofTime
	}
	return ""
}

// defaultTarget is the configured origin and the path of the request, whatever Host, forwarding headers or
// an absolute-form target say.
func defaultTarget(origin string) func(*http.Request) (method, uri string) {
	return func(r *http.Request) (string, string) { return r.Method, origin + r.URL.EscapedPath() }
}
