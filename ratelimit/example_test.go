package ratelimit_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// Two stages: every peer before any cryptography, every client behind the token.
func Example() {
	store, err := ratelimit.NewMemory(ratelimit.MemoryConfig{})
	if err != nil {
		panic(err)
	}
	perPeer, err := ratelimit.New(ratelimit.Config{
		Store: store, Name: "peer", Key: ratelimit.PeerAddress,
		Limits:   []ratelimit.Limit{{Count: 100, Period: time.Second}},
		NoFields: true,
	})
	if err != nil {
		panic(err)
	}
	perClient, err := ratelimit.New(ratelimit.Config{
		Store: store, Name: "client", Key: clientOf,
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
		fmt.Println(w.Code, w.Header().Get("RateLimit"), "Retry-After:", w.Header().Get("Retry-After") != "")
	}
	// Output:
	// 204 "client/minute";r=1;t=30 Retry-After: false
	// 204 "client/minute";r=0;t=30 Retry-After: false
	// 429 "client/minute";r=0;t=30 Retry-After: true
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
