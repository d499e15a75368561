package service

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// Config is what the bank's handler is made from. State lives in what is handed in here, so that a new
// handler over the same state can take the place of an old one.
type Config struct {
	_ [0]func()

	// Origin is how clients see the service, for example "https://api.bank.example".
	Origin string
	// Issuer is the authorization server, Audience what it calls this service, Keys what it signs with.
	Issuer, Audience string
	Keys             token.KeySource

	// Replay remembers the proofs that were used.
	Replay replay.Store
	// Nonces, if given, makes the service demand a nonce of its own in every DPoP proof.
	Nonces *replay.Nonces
	// Rate, if given, is how much each client may ask for.
	Rate *ratelimit.Limit

	// Audit takes one record for each request.
	Audit slog.Handler
	// Waive, if given, says which refusals are recorded only.
	Waive func(*http.Request, *audit.Refusal) bool

	// Keyring, if given, seals account numbers and owners in what the service answers, and opens the
	// creditor's account in what it is sent.
	Keyring *encrypt.Keyring
}

// Handler makes the chain, or reports every mistake in c at once.
func Handler(c Config) (http.Handler, error) {
	trail, errTrail := audit.New(audit.Config{Handler: c.Audit, Waive: c.Waive})
	tokens, errTokens := verifier(c)
	perClient, errClient := limiter(c)
	routes, errRoutes := routes(c.Keyring)
	if err := errors.Join(errTrail, errTokens, errClient, errRoutes); err != nil {
		return nil, err
	}
	// From outside to inside: open the record, prove the caller, count the client, find the route.
	return trail.Wrap(tokens.Wrap(perClient(audit.NotFound(routes)))), nil
}

// verifier decides who may act: a signed access token of the one issuer, and the proof that it belongs to the
// caller, which is the client certificate or the DPoP key named in it.
func verifier(c Config) (*token.Verifier, error) {
	signed, errSigned := token.NewJWT(token.JWTConfig{Issuer: c.Issuer, Audiences: []string{c.Audience}, Keys: c.Keys})
	if errSigned != nil {
		return nil, errSigned
	}
	verified, err := token.NewCache(token.CacheConfig{Resolver: signed})
	if err != nil {
		return nil, err
	}
	nonce := token.NonceNever
	if c.Nonces != nil {
		nonce = token.NonceAlways
	}
	return token.New(token.Config{
		Resolver:    verified,
		Revocations: token.NoRevocation{},
		Certificate: mtls.Peer,
		Origin:      c.Origin,
		Replay:      c.Replay,
		Nonce:       nonce,
		Nonces:      c.Nonces,
	})
}

// limiter counts each client, all its tokens together.
func limiter(c Config) (func(http.Handler) http.Handler, error) {
	if c.Rate == nil {
		return func(next http.Handler) http.Handler { return next }, nil
	}
	store, err := ratelimit.NewMemory(ratelimit.MemoryConfig{})
	if err != nil {
		return nil, err
	}
	l, err := ratelimit.New(ratelimit.Config{
		Store: store, Name: "client", Key: token.ClientKey, Limits: []ratelimit.Limit{*c.Rate},
	})
	if err != nil {
		return nil, err
	}
	return l.Wrap, nil
}
