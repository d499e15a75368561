package service

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

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
	// Audience is what the authorization servers call this service.
	Audience string
	// Tokens reads access tokens; Issuers are the authorization servers behind it, as the metadata names them.
	Tokens  token.Resolver
	Issuers []string
	// Profile is what a standard fixes of the checks.
	Profile token.Profile

	// Replay remembers the proofs that were used.
	Replay replay.Store
	// Nonces, if given, are the service's own, and Nonce says when a DPoP proof must carry one.
	Nonces *replay.Nonces
	Nonce  token.NoncePolicy
	// Revocations, if given, are asked about every token.
	Revocations token.Revocations
	// Runs, if given, remember what came of payments: each is then made once for its idempotency key.
	Runs replay.RunStore
	// Consents are what customers agreed to; a token that names one is held to it.
	Consents *token.MemoryConsents
	// Rate, if given, is how much each client may ask for.
	Rate *ratelimit.Limit
	// RatePeer, if given, is how much each address may ask for, whoever it claims to be.
	RatePeer *ratelimit.Limit
	// Concurrency, if not 0, is how many requests of each client may be in flight.
	Concurrency int

	// Certificate gives the client certificate of a request: a source's Peer, which also judges connections from
	// before it changed. None: mtls.Peer.
	Certificate func(*http.Request) (*x509.Certificate, error)
	// Proxies, if given, are believed about their clients, and nobody else is.
	Proxies *mtls.Proxies

	// Audit takes one record for each request, and Done, if given, is told when it did not.
	Audit slog.Handler
	Done  func(context.Context, audit.Done)
	// Waive, if given, says which refusals are recorded only.
	Waive func(*http.Request, *audit.Refusal) bool

	// Keyring, if given, seals account numbers and owners in what the service answers, and opens the
	// creditor's account in what it is sent.
	Keyring *encrypt.Keyring
	// OpenUnbound opens a creditor's account that does not say which field it was sealed for, as clients make
	// it with a JOSE library alone. It is the only field that is opened, so it cannot come from another.
	OpenUnbound bool
	// Recipients, if given, are the clients' keys by client id: answers are sealed to the caller.
	Recipients map[string]*encrypt.Recipient
}

// Handler makes the chain, or reports every mistake in c at once.
func Handler(c Config) (http.Handler, error) {
	trail, errTrail := audit.New(audit.Config{Handler: c.Audit, Waive: c.Waive, Done: c.Done})
	tokens, errTokens := verifier(c)
	counted, errCounted := limiters(c)
	routes, errRoutes := routes(c)
	door, errDoor := atTheDoor(c.Proxies)
	if err := errors.Join(errTrail, errTokens, errCounted, errRoutes, errDoor); err != nil {
		return nil, err
	}
	described, err := metadata(c, tokens)
	if err != nil {
		return nil, err
	}
	// From outside to inside: open the record, look who is at the door, count the peer, prove the caller, count the
	// client, find the route. The metadata is for everybody.
	return trail.Wrap(door(counted.peer(described(tokens.Wrap(counted.client(audit.NotFound(routes))))))), nil
}

// verifier decides who may act: an access token, and the proof that it belongs to the caller, which is the client
// certificate or the DPoP key named in it.
func verifier(c Config) (*token.Verifier, error) {
	verified, err := token.NewCache(token.CacheConfig{Resolver: c.Tokens})
	if err != nil {
		return nil, err
	}
	settings := c.Profile.Verifier
	settings.Resolver = verified
	settings.Certificate = c.Certificate
	if c.Certificate == nil {
		settings.Certificate = mtls.Peer
	}
	settings.Origin = c.Origin
	settings.Replay = c.Replay
	settings.ResourceMetadata = c.Origin + metadataPath
	settings.Revocations = c.Revocations
	if c.Revocations == nil {
		settings.Revocations = token.NoRevocation{}
	}
	settings.Nonces, settings.Nonce = c.Nonces, c.Nonce
	if c.Nonces == nil {
		settings.Nonce = token.NonceNever
	}
	return token.New(settings)
}

const metadataPath = "/.well-known/oauth-protected-resource"

// metadata describes the service (RFC 9728) to whoever asks for metadataPath.
func metadata(c Config, tokens *token.Verifier) (func(http.Handler) http.Handler, error) {
	// A client would look an issuer up, which takes https (RFC 8414 §2); a token's iss is only compared.
	announced := slices.DeleteFunc(slices.Clone(c.Issuers), func(name string) bool { return !strings.HasPrefix(name, "https://") })
	document, err := token.NewMetadata(token.MetadataConfig{
		Resource: c.Origin, Verifiers: []*token.Verifier{tokens}, AuthorizationServers: announced,
		Scopes: []string{"accounts", "payments"}, DetailTypes: []string{"payment_initiation"}, Name: "Tegata example bank",
	})
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == metadataPath {
				document.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, nil
}
