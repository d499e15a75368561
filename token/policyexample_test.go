package token_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/token"
)

// Routes of a bank, each with its policy. A route without one does not start.
func ExampleGuard() {
	consents, err := token.NewMemoryConsents(1 << 16)
	check(err)
	consent := func(permission string) token.Policy {
		p, err := token.NewConsentPolicy(token.ConsentConfig{
			Consents: consents, Permissions: []string{permission}, Account: token.PathValue("id"),
		})
		check(err)
		return p
	}
	approved, err := token.NewPaymentPolicy(token.PaymentConfig{Locations: []string{"https://api.bank.example"}})
	check(err)

	balances, payments, echo := http.NotFoundHandler(), http.NotFoundHandler(), http.NotFoundHandler()
	guard := token.NewGuard()
	guard.Handle("GET /accounts/{id}/balances", token.All(token.Scope("accounts"), consent("ReadBalances")), balances)
	guard.Handle("POST /payments", token.All(
		token.Scope("payments"),
		token.StepUp(token.StepUpConfig{ACR: []string{"urn:bank:acr:sca"}, MaxAge: 5 * time.Minute}),
	), token.RequireBody(approved)(payments))
	guard.Handle("POST /echo", token.Authenticated(), echo)

	for _, route := range guard.Routes() {
		fmt.Println(route.Pattern, route.Public)
	}
	fmt.Println(guard.Check("GET /accounts/{id}/balances", "POST /payments", "POST /echo"))
	// Output:
	// GET /accounts/{id}/balances false
	// POST /payments false
	// POST /echo false
	// <nil>
}
