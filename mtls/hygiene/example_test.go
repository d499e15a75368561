package hygiene_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/mtls/hygiene"
)

// A service behind listed proxies: the head is judged before the token, the body after it.
func Example() {
	door, err := hygiene.New(hygiene.Config{
		Hosts: []string{"api.bank.example"},
		Encrypted: func(r *http.Request) bool {
			c := mtls.FromContext(r.Context())
			return c != nil && c.Proxied() && c.Encrypted()
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	content, err := hygiene.NewContent(hygiene.ContentConfig{MediaTypes: []string{"application/json"}, MaxBody: 64 << 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens := func(next http.Handler) http.Handler { return next } // token's Wrap stands here
	pay := content.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	chain := hygiene.Headers(door.Wrap(tokens(pay)))

	for _, body := range []string{`{"amount":"1.00"}`, `{"amount":"1.00","amount":"100.00"}`} {
		r := httptest.NewRequest(http.MethodPost, "https://api.bank.example/payments", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		chain.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("X-Content-Type-Options"))
	}
	fmt.Println((&audit.Refusal{Reason: hygiene.ErrJSON}).Error())
	// Output:
	// 201 nosniff
	// 400 nosniff
	// hygiene: malformed JSON
}
