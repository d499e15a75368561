package token

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/replay"
)

// Verifier authenticates requests. It never changes and is safe for concurrent use; it holds no state of
// its own but what it has computed of certificates, so that a new one over the same Cache and Store can take its place at any time.
type Verifier struct {
	resolver    Resolver
	cache       *Cache      // nil: every token is resolved anew
	revocations Revocations // nil: declined
	certificate func(*http.Request) (*x509.Certificate, error)
	target      func(*http.Request) (method, uri string)
	admit       func(*http.Request, Grant) error
	store       replay.Store
	service     string
	nonces      *replay.Nonces // nil: NonceNever
	nonce       NoncePolicy
	nonceForIAT bool
	risky       func(*http.Request, Grant) bool
	unbound     bool

	proofAlgorithms []string
	maxAge, maxSkew time.Duration

	thumbs     *thumbs
	challenges challenges
	completers [3]func(code string) []string // by scheme
}

// Authenticate lets r through with a Grant, or says no with an *audit.Refusal that audit.Refused answers.
// It writes nothing to the client, and needs only the head of the request. Its steps, cheap before dear,
// read before write:
//
//  1. envelope: exactly one token, exactly one proof, both bounded
//  2. all of the proof that needs no signature: typ, alg, key, claims, htm, htu, iat, ath
//  3. token: its own cheap checks, its signature last; expiry
//  4. certificate, and thumbprint of the proof's key, against the token's confirmation
//  5. signature of the proof, then its nonce
//  6. Config.Admit, which can only refuse
//  7. revocation
//  8. replay: the only write, once
func (v *Verifier) Authenticate(r *http.Request) (Grant, error) {
	now := time.Now()
	g, f := v.authenticate(r, now)
	if f != nil {
		audit.Step(r.Context(), "token", now, f.Reason)
		return Grant{}, f
	}
	audit.Step(r.Context(), "token", now, "")
	return g, nil
}

func (v *Verifier) authenticate(r *http.Request, now time.Time) (Grant, *audit.Refusal) {
	ctx := r.Context()
	if ctx.Value(contextKey{}) != nil {
		return Grant{}, misplaced()
	}
	var a attempt
	reason := v.credentials(&a, r)
	audit.Challenges(r, v.completers[a.scheme])
	if reason != "" {
		return Grant{}, v.challenges.refusal(a.scheme, reason, nil, "")
	}
	p := presentation(a.raw, now)
	digest := p.digest
	if a.scheme == schemeDPoP {
		line, reason := proofLine(r)
		if reason == "" {
			reason = v.readProof(&a.proof, r, line, digest, now)
		}
		if reason != "" {
			return Grant{}, v.unverified(ctx, &a, digest, reason, nil)
		}
	}
	f, err := resolveBy(ctx, v.resolver, p)
	if err == nil && now.Unix() >= f.expires {
		err = ErrExpired
	}
	if err != nil {
		reason, cause := reasonOf(err)
		return Grant{}, v.unverified(ctx, &a, digest, reason, cause)
	}
	audit.Add(ctx, f.attrs...)
	g := Grant{facts: f, by: v, scheme: a.scheme}
	if refusal := v.prove(r, &a, &g, now); refusal != nil {
		refusal.Client = f.claims.Client
		return Grant{}, refusal
	}
	return g, nil
}

// prove is steps 4 to 8 for a token that is genuine.
func (v *Verifier) prove(r *http.Request, a *attempt, g *Grant, now time.Time) *audit.Refusal {
	reason, cause := v.bound(r, g.facts, a)
	if reason == "" && a.scheme == schemeDPoP {
		reason, cause = v.proofSigned(r, a, g, now)
	}
	if reason == "" && v.admit != nil {
		if err := v.admit(r, *g); err != nil {
			return v.admitted(a.scheme, err)
		}
	}
	if reason == "" {
		reason, cause = v.revoked(r.Context(), g.facts)
	}
	if reason == "" && a.scheme == schemeDPoP {
		reason, cause = v.once(r.Context(), g.facts, a)
	}
	if reason == "" {
		return nil
	}
	return v.refuse(a.scheme, reason, cause)
}

// refuse makes the refusal for reason; use_dpop_nonce takes a fresh nonce along (RFC 9449 §9).
func (v *Verifier) refuse(s scheme, reason audit.Reason, cause error) *audit.Refusal {
	told := reason
	switch {
	case reason == replay.ErrTooOld && v.nonces != nil:
		told = ErrNonce // a nonce of this process makes the proof one that the store can judge
	case answers[reason].Code == useNonce && v.nonces == nil:
		reason, told = ErrUnavailable, ErrUnavailable // somebody else's word: there is no nonce to offer
	}
	f := v.challenges.refusal(s, told, cause, "")
	f.Reason = reason
	if f.Code == useNonce {
		f.Header["Dpop-Nonce"] = []string{v.nonces.Mint()}
	}
	return f
}

// unverified refuses before anything of the token is believed: its digest is all that is recorded.
func (v *Verifier) unverified(ctx context.Context, a *attempt, digest jose.Digest, reason audit.Reason, cause error) *audit.Refusal {
	audit.Add(ctx, slog.String("token", digest.String()))
	return v.refuse(a.scheme, reason, cause)
}

// proofSigned is RFC 9449 §4.3 steps 6 and 10. What is wrong with a nonce is told only to who made the proof.
func (v *Verifier) proofSigned(r *http.Request, a *attempt, g *Grant, now time.Time) (audit.Reason, error) {
	p := &a.proof
	switch {
	case !p.jws.Verify(p.key.Public, p.alg):
		return ErrProofSignature, nil
	case v.nonces == nil:
		return "", nil
	case !p.nonced && v.demands(r, p, *g):
		return ErrNonceMissing, nil
	case !p.nonced:
		return "", nil
	case p.nonceErr != nil:
		return ErrNonce, p.nonceErr
	}
	if now.Sub(p.nonceMade) > v.nonces.Lifetime()/2 {
		g.nonce = v.nonces.Mint()
	}
	return "", nil
}

// demands is Config.Nonce for a proof without one.
func (v *Verifier) demands(r *http.Request, p *proof, g Grant) bool {
	switch v.nonce {
	case NonceSkewed:
		return p.skewed
	case NonceOnRisk:
		return p.skewed || v.risky(r, g)
	}
	return true
}

// admitted answers what Config.Admit said: its own refusal, a reason of ours, or a plain no.
func (v *Verifier) admitted(s scheme, err error) *audit.Refusal {
	var f *audit.Refusal
	if errors.As(err, &f) && f != nil {
		return f // audit.Refused completes its challenges
	}
	if reason, ok := errors.AsType[audit.Reason](err); ok {
		if _, known := answers[reason]; known {
			return v.refuse(s, reason, err)
		}
	}
	return v.refuse(s, ErrNotAdmitted, err)
}

// revoked asks the list, once for each of its revisions.
func (v *Verifier) revoked(ctx context.Context, f *facts) (audit.Reason, error) {
	if v.revocations == nil {
		return "", nil
	}
	revision := v.revocations.Revision()
	if last := f.asked.Load(); last != nil && last.by == v && last.revision == revision {
		return "", nil
	}
	if err := v.revocations.Revoked(ctx, f.names(), f.claims.Issued); err != nil {
		return reasonOf(err)
	}
	f.asked.Store(&asked{by: v, revision: revision})
	return "", nil
}

// once spends the proof (RFC 9449 §11.1). It is remembered as long as any clock that is allowed for could
// still accept it.
func (v *Verifier) once(ctx context.Context, f *facts, a *attempt) (audit.Reason, error) {
	made, until := v.lives(&a.proof)
	err := v.store.Use(ctx, replay.Use{
		Key:   replay.Digest("dpop", v.service, f.claims.JKT, a.proof.jti), // of the proof's key, as bound has found
		Owner: f.owner,
		Made:  made,
		Until: until,
	})
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, replay.ErrUsed):
		return replay.ErrUsed, nil
	case errors.Is(err, replay.ErrTooOld):
		return replay.ErrTooOld, nil
	case errors.Is(err, replay.ErrFull):
		return replay.ErrFull, nil
	}
	return replay.ErrUnavailable, err
}

// Wrap authenticates before next runs, and leaves the Grant for [FromContext].
func (v *Verifier) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g, err := v.Authenticate(r)
		if audit.Refused(w, r, err) {
			return
		}
		g.SetHeader(w.Header())
		r = r.WithContext(NewContext(r.Context(), g, err))
		audit.Follow(r)
		next.ServeHTTP(w, r)
	})
}
