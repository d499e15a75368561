package token_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/tegata-go/tegata/token"
)

// granted gives a Grant whose token has claims of ordinary size, consent and details among them.
func granted(tb testing.TB) (g token.Grant, r *http.Request) {
	k := guarding(tb, "GET /accounts/{id}", token.Authenticated(), func(k *rig) {
		k.cached = true
		k.handler = func(_ http.ResponseWriter, in *http.Request) {
			var err error
			r = in
			g, err = token.FromContext(in.Context())
			must(err)
		}
	})
	a := k.gets("/accounts/acc-1", claim("consent_id", `"urn:consent:4711"`), payDetails(`[`+payDetail+`]`), claim("acr", quote(sca)), claim("auth_time", seconds(time.Now())),
		claim("roles", `["a","b","c"]`))
	if a.status != 200 {
		tb.Fatal(a.status)
	}
	return g, r.WithContext(context.Background()) // without a record: it is not what is measured
}

// measured are policies that pass, and how often they may allocate.
func measured() []struct {
	name   string
	bound  float64
	policy token.Policy
} {
	memory := policyOf(token.NewMemoryConsents(4))
	must(memory.Put(rigIssuer, "urn:consent:4711", consented()))
	cache := policyOf(token.NewConsentCache(token.ConsentCacheConfig{Consents: memory}))
	consent := token.ConsentConfig{Consents: cache, Permissions: []string{"ReadBalances"}, Account: token.PathValue("id")}
	payment := policyOf(token.NewPaymentPolicy(token.PaymentConfig{}))
	body := []byte(payOrder)
	return []struct {
		name   string
		bound  float64
		policy token.Policy
	}{
		{"Scope and StepUp", 0, token.All(token.Scope("accounts", "payments"), token.StepUp(token.StepUpConfig{ACR: []string{sca}, MaxAge: time.Hour}))},
		{"ClaimIncludes", 4, token.ClaimIncludes("roles", "b")},
		{"consent, cached", 4, policyOf(token.NewConsentPolicy(consent))},
		{"payment", 6, func(r *http.Request, g token.Grant) error { return payment(r, g, body) }},
	}
}

func TestPolicyAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	g, r := granted(t)
	for _, c := range measured() {
		n := testing.AllocsPerRun(100, func() {
			if err := c.policy(r, g); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %v", c.name, n)
		if n > c.bound {
			t.Errorf("%s: %v allocations, at most %v", c.name, n, c.bound)
		}
	}
}

func BenchmarkPolicies(b *testing.B) {
	g, r := granted(b)
	floor := newBench(b, 0).rawES256()
	for _, c := range measured() {
		b.Run(c.name, func(b *testing.B) {
			ratio(b, "R", func(int) { floor() }, func(int) {
				if err := c.policy(r, g); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
