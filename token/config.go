package token

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/uri"
	"github.com/tegata-go/tegata/replay"
)

// Binding says which proofs of possession a Verifier accepts. A token that names a confirmation is always
// held to it.
type Binding uint8

const (
	// BindingAny accepts certificate-bound tokens (RFC 8705) and DPoP-bound ones (RFC 9449).
	BindingAny Binding = iota
	// BindingCertificate accepts certificate-bound tokens only; the DPoP scheme is unknown.
	BindingCertificate
	// BindingDPoP accepts DPoP-bound tokens only; the Bearer scheme is unknown.
	BindingDPoP
	// DangerouslyUnbound is BindingAny, and accepts plain bearer tokens as well: whoever steals one is its owner.
	DangerouslyUnbound
)

// NoncePolicy says when a DPoP proof must carry a nonce of ours (RFC 9449 §9). A nonce that is no nonce of ours is
// refused under every policy but NonceNever.
type NoncePolicy uint8

const (
	// NonceAlways demands one in every proof. A proof made in advance is worth nothing.
	NonceAlways NoncePolicy = iota
	// NonceNever relies on iat and jti alone; a nonce claim is ignored.
	NonceNever
	// NonceSkewed demands one in proofs whose iat is outside the window, and takes the nonce's time for theirs.
	NonceSkewed
	// NonceOnRisk demands one when Config.Risky says so.
	NonceOnRisk
)

// Config configures New.
type Config struct {
	_ [0]func()

	// Resolver turns tokens into claims; a *Cache around one makes it fast. Required.
	Resolver Resolver

	// Revocations is asked about every token. Required; NoRevocation{} declines it.
	Revocations Revocations

	// Binding is which proofs of possession are accepted.
	Binding Binding

	// Certificate gives the client certificate of a request: mtls.Peer. Nil, nil is no certificate; an error is
	// one that was shown and is unacceptable, or an outage. Required unless Binding is BindingDPoP.
	Certificate func(*http.Request) (*x509.Certificate, error)

	// Origin is how clients see this service: scheme, host and port, for example "https://api.bank.example". The
	// htu of a proof is compared with Origin and the path of the request, never with what Host or forwarding
	// headers say (RFC 9449 §4.3 step 9). Required unless Binding is BindingCertificate or Target is set.
	Origin string

	// Target gives the method and URI that a proof must name, for requests that were rewritten on their way
	// here. WARNING: it must not believe what the client can choose.
	Target func(*http.Request) (method, uri string)

	// Replay remembers the proofs that were used. Required unless Binding is BindingCertificate.
	Replay replay.Store

	// Service separates the proofs of services that share a Store. Empty: Origin, in its normal form.
	Service string

	// Nonce says when proofs must carry a nonce, Nonces makes and opens them: required unless NonceNever.
	Nonce  NoncePolicy
	Nonces *replay.Nonces

	// NonceForIAT lets the time in a nonce of ours stand in for iat, for clients whose clocks are off: a proof that
	// carries one is as old as its nonce (RFC 9449 §11.1). Part of NonceSkewed.
	NonceForIAT bool

	// Risky says for NonceOnRisk whether this request needs a nonce. It sees a caller whose token and proof are
	// genuine.
	Risky func(*http.Request, Grant) bool

	// ProofAlgorithms are the algorithms of proofs, in order of preference. Empty: ES256, PS256, EdDSA and
	// Ed25519, which is all there are (FAPI 2.0 Security Profile §5.4.1).
	ProofAlgorithms []string

	// MaxAge is how old a proof's iat may be, zero: 60 s, at most 5 min. MaxSkew is how far ahead of our clock it
	// may be, and how far apart the clocks of replicas may be, zero: 15 s, at most 60 s.
	MaxAge, MaxSkew time.Duration

	// Admit sees every proven Grant and can only refuse it: nil admits. It must not read the body.
	Admit func(*http.Request, Grant) error

	// Realm stands in challenges. Empty: "api".
	Realm string

	// ResourceMetadata is the URL of the document that NewMetadata serves, named in challenges (RFC 9728 §5.1).
	// Empty: challenges name none.
	ResourceMetadata string
}

const (
	defaultMaxAge, limitMaxAge   = 60 * time.Second, 5 * time.Minute
	defaultMaxSkew, limitMaxSkew = 15 * time.Second, 60 * time.Second
)

// New makes a Verifier, or reports every mistake in c at once.
func New(c Config) (*Verifier, error) {
	c.fill()
	if err := c.mistakes(); err != nil {
		return nil, err
	}
	v := &Verifier{
		resolver: c.Resolver, revocations: c.Revocations, certificate: c.Certificate, target: c.Target, admit: c.Admit,
		store: c.Replay, service: c.Service, unbound: c.Binding == DangerouslyUnbound,
		proofAlgorithms: c.ProofAlgorithms, maxAge: c.MaxAge, maxSkew: c.MaxSkew, challenges: newChallenges(&c),
		thumbs: &thumbs{seed: maphash.MakeSeed()},
	}
	v.cache, _ = c.Resolver.(*Cache)
	if _, declined := c.Revocations.(NoRevocation); declined {
		v.revocations = nil
	}
	if c.Nonce != NonceNever && c.Binding != BindingCertificate {
		v.nonces, v.nonce, v.risky = c.Nonces, c.Nonce, c.Risky
		v.nonceForIAT = c.NonceForIAT || c.Nonce == NonceSkewed
	}
	for s := range v.completers {
		v.completers[s] = v.challenges.complete(scheme(s))
	}
	return v, nil
}

func (c *Config) fill() {
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	if c.MaxSkew == 0 {
		c.MaxSkew = defaultMaxSkew
	}
	if c.Realm == "" {
		c.Realm = "api"
	}
	c.ProofAlgorithms = slices.Clone(c.ProofAlgorithms)
	if len(c.ProofAlgorithms) == 0 {
		c.ProofAlgorithms = jose.Algorithms()
	}
}

func (c *Config) mistakes() error {
	var all []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Errorf("token: Config."+format, args...))
		}
	}
	wrong(c.Binding > DangerouslyUnbound, "Binding is unknown")
	if cache, ok := c.Resolver.(*Cache); ok && cache == nil {
		c.Resolver = nil
	}
	wrong(c.Resolver == nil, "Resolver is required")
	wrong(c.Revocations == nil, "Revocations is required; NoRevocation{} declines it")
	wrong(c.Certificate == nil && c.Binding != BindingDPoP, "Certificate is required, mtls.Peer; or choose BindingDPoP")
	wrong(!isQuotable(c.Realm), "Realm must be printable ASCII without quotes and backslashes")
	wrong(c.ResourceMetadata != "" && (!isQuotable(c.ResourceMetadata) || !strings.HasPrefix(c.ResourceMetadata, "https://")),
		"ResourceMetadata is not an https URL")
	if c.Binding != BindingCertificate {
		wrong(c.Replay == nil, "Replay is required for DPoP; or choose BindingCertificate")
		wrong(c.Nonce > NonceOnRisk, "Nonce is unknown")
		wrong(c.Nonce != NonceNever && c.Nonces == nil, "Nonces is required; NonceNever declines it")
		wrong((c.Nonce == NonceOnRisk) != (c.Risky != nil), "Risky belongs to NonceOnRisk")
		wrong(c.Nonce == NonceNever && c.NonceForIAT, "NonceForIAT needs nonces")
		wrong(c.MaxAge < time.Second || c.MaxAge > limitMaxAge, "MaxAge is not within 1 s and %v", limitMaxAge)
		wrong(c.MaxSkew < time.Second || c.MaxSkew > limitMaxSkew, "MaxSkew is not within 1 s and %v", limitMaxSkew)
		for _, alg := range c.ProofAlgorithms {
			wrong(!slices.Contains(jose.Algorithms(), alg), "ProofAlgorithms: %q is not one of %v", alg, jose.Algorithms())
		}
		if c.Target == nil {
			origin, err := uri.Normalize(c.Origin)
			wrong(err != nil || strings.Count(origin, "/") != 3 || !strings.HasSuffix(origin, "/") || strings.ContainsAny(c.Origin, "?#"),
				"Origin must be scheme, host and port, for example https://api.bank.example")
			origin = strings.TrimSuffix(origin, "/")
			c.Target = defaultTarget(origin)
			c.Service = cmp.Or(c.Service, origin) // replicas that spell Origin differently remember alike
		} else {
			c.Service = cmp.Or(c.Service, c.Origin)
			wrong(c.Service == "", "Service is required when Origin is not given")
		}
	}
	return errors.Join(all...)
}

// isQuotable is what may stand in a quoted-string without escapes (RFC 6750 §3).
func isQuotable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}
