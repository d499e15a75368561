package ratelimit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/token"
)

// Two stages: every peer before any cryptography, every client behind the token.
func Example() {
	peers, err := ratelimit.NewMemory(ratelimit.MemoryConfig{})
	if err != nil {
		panic(err)
	}
	clients, err := ratelimit.NewMemory(ratelimit.MemoryConfig{}) // which no flood of addresses fills
	if err != nil {
		panic(err)
	}
	perPeer, err := ratelimit.New(ratelimit.Config{
		Store: peers, Name: "peer", Key: ratelimit.PeerAddress,
		Limits:   []ratelimit.Limit{{Count: 100, Period: time.Second}},
		NoFields: true,
	})
	if err != nil {
		panic(err)
	}
	perClient, err := ratelimit.New(ratelimit.Config{
		Store: clients, Name: "client", Key: clientOf,
		Limits: []ratelimit.Limit{
			{Name: "minute", Count: 2, Period: time.Minute},
			{Name: "day", Count: 1000, Period: 24 * time.Hour},
		},
	})
	if err != nil {
		panic(err)
	}
	authenticate := func(next http.Handler) http.Handler { return next } // token.(*Verifier).Wrap
	h := perPeer.Wrap(authenticate(perClient.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))))

	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/accounts", nil))
		left, _, _ := strings.Cut(w.Header().Get("RateLimit"), ";t=") // and the seconds until there is more
		fmt.Println(w.Code, left, "Retry-After:", w.Header().Get("Retry-After") != "")
	}
	// Output:
	// 204 "client/minute";r=1 Retry-After: false
	// 204 "client/minute";r=0 Retry-After: false
	// 429 "client/minute";r=0 Retry-After: true
}

// clientOf stands for token.ClientKey: what was verified, never a header.
func clientOf(*http.Request) (string, error) {
	return ratelimit.Key("https://as.bank.example", "client-1"), nil
}

// A key of several parts. WRONG would be issuer + ":" + client: ("a:b", "c") and ("a", "b:c")
// would be one caller.
func ExampleKey() {
	fmt.Println(ratelimit.Key("a:b", "c"))
	fmt.Println(ratelimit.Key("a", "b:c"))
	fmt.Println(ratelimit.Key("tenant", "") == "") // nobody, which a Limiter refuses
	// Output:
	// 3:a:b1:c
	// 1:a3:b:c
	// true
}

// Without http.Handler: the decision, and what an adapter says on success.
func ExampleLimiter_Take() {
	store, _ := ratelimit.NewMemory(ratelimit.MemoryConfig{MaxKeys: 1000})
	l, _ := ratelimit.New(ratelimit.Config{
		Store: store, Name: "peer", Key: ratelimit.PeerAddress,
		Limits: []ratelimit.Limit{{Count: 1, Period: time.Hour}},
	})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	res, err := l.Take(r)
	fmt.Println(res.Remaining, err)
	_, err = l.Take(r)
	fmt.Println(err, errors.Is(err, ratelimit.ErrExceeded))
	// Output:
	// 0 <nil>
	// ratelimit: exceeded true
}

// Whom a limit counts once a token was verified. A claim that is absent, or no text, gives no key,
// and the request is refused.
func ExampleBy() {
	subject := ratelimit.By(token.FromContext, func(g token.Grant) string { return ratelimit.Key(g.Issuer(), g.Subject()) })
	claim := func(name string) func(*http.Request) (string, error) {
		return ratelimit.By(token.FromContext, func(g token.Grant) (text string) {
			value, _ := g.Claim(name)
			if json.Unmarshal([]byte(value), &text) != nil {
				return ""
			}
			return text
		})
	}
	for _, key := range []func(*http.Request) (string, error){
		token.ClientKey,
		subject,
		ratelimit.FirstOf(subject, token.ClientKey),
		ratelimit.By(token.FromContext, token.Grant.JKT),
		ratelimit.Join(token.ClientKey, claim("tenant")),
		ratelimit.Join(claim("consent_id"), ratelimit.Route),
	} {
		_, err := key(httptest.NewRequest(http.MethodGet, "/accounts", nil))
		fmt.Println(err) // no Verifier stands outside
	}
	// Output:
	// audit: misplaced layer
	// audit: misplaced layer
	// audit: misplaced layer
	// audit: misplaced layer
	// audit: misplaced layer
	// audit: misplaced layer
}
