package token_test

import (
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// A resource server that takes certificate-bound and DPoP-bound tokens of one issuer.
func Example() {
	keys, err := token.NewJWKS(token.JWKSConfig{URL: "https://as.bank.example/jwks"})
	check(err)
	jwt, err := token.NewJWT(token.JWTConfig{Issuer: "https://as.bank.example", Audiences: []string{"https://api.bank.example"}, Keys: keys})
	check(err)
	cache, err := token.NewCache(token.CacheConfig{Resolver: jwt})
	check(err)
	used, err := replay.NewMemory(replay.MemoryConfig{Capacity: 1 << 16})
	check(err)
	nonces, err := replay.NewNonces(replay.NonceConfig{Service: "https://api.bank.example"})
	check(err)
	tokens, err := token.New(token.Config{
		Resolver: cache, Revocations: token.NoRevocation{}, Certificate: mtls.Peer,
		Origin: "https://api.bank.example", Replay: used, Nonces: nonces,
	})
	check(err)

	read := token.Require(token.Scope("accounts"))
	mux := http.NewServeMux()
	mux.Handle("GET /accounts", read(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := token.FromContext(r.Context())
		check(err)
		_, _ = io.WriteString(w, caller.Client())
	})))
	_ = tokens.Wrap(mux) // the handler of the server
}

// The strictest configuration is the zero one: everything that must be chosen is named at once.
func ExampleNew() {
	_, err := token.New(token.Config{Binding: token.BindingCertificate})
	fmt.Println(err)
	// Output:
	// token: Config.Resolver is required
	// token: Config.Revocations is required; NoRevocation{} declines it
	// token: Config.Certificate is required, mtls.Peer; or choose BindingDPoP
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
