package token_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

func TestAnyScope(t *testing.T) {
	for granted, ok := range map[string]bool{`"accounts"`: true, `"x payments"`: true, `"accounts-read"`: false, `""`: false, `"Accounts"`: false} {
		t.Run("Z1, RFC6750-3.1-3 "+granted, func(t *testing.T) {
			k := guarding(t, "/", token.AnyScope("accounts", "payments"))
			a := k.gets("/accounts", claim("scope", granted))
			if ok {
				a.ok(t)
				return
			}
			if p := a.refused(t, eIS, token.ErrScope); p["scope"] != "accounts" {
				t.Errorf("scope %q, want the first, which is enough", p["scope"])
			}
		})
	}
	for name, f := range map[string]func(){
		"Scope()": func() { token.Scope() }, "AnyScope()": func() { token.AnyScope() }, "AnyScope a b": func() { token.AnyScope("a b") },
	} {
		if !panics(f) {
			t.Errorf("%s is a policy", name)
		}
	}
}

func TestClaimPolicies(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy token.Policy
		claim  string // JSON, empty: absent
		ok     bool
	}{
		{"text", token.ClaimEqual("tier", "gold"), `"gold"`, true}, {"escaped", token.ClaimEqual("tier", "gold"), `"g\u006fld"`, true},
		{"other text", token.ClaimEqual("tier", "gold"), `"Gold"`, false}, {"part", token.ClaimEqual("tier", "gold"), `"golden"`, false},
		{"absent", token.ClaimEqual("tier", "gold"), ``, false}, {"pitfall-13: null", token.ClaimEqual("tier", ""), `null`, false},
		{"empty never equals", token.ClaimEqual("tier", ""), `""`, false}, {"array", token.ClaimEqual("tier", "gold"), `["gold"]`, false},
		{"true", token.ClaimEqual("tier", true), `true`, true}, {"text of true", token.ClaimEqual("tier", true), `"true"`, false},
		{"absent is not false", token.ClaimEqual("tier", false), ``, false}, {"bool for a text", token.ClaimEqual("tier", "true"), `true`, false},
		{"integer", token.ClaimEqual("tier", 3), `3`, true}, {"fraction", token.ClaimEqual("tier", 3), `3.0`, false}, {"text of 3", token.ClaimEqual("tier", 3), `"3"`, false},
		{"includes", token.ClaimIncludes("tier", "b"), `["a","b"]`, true}, {"alone", token.ClaimIncludes("tier", "b"), `"b"`, true},
		{"not included", token.ClaimIncludes("tier", "b"), `["a","bb"]`, false}, {"a list in a text", token.ClaimIncludes("tier", "b"), `"a b"`, false},
		{"mixed", token.ClaimIncludes("tier", "b"), `["b",1]`, false}, {"an object", token.ClaimIncludes("tier", "b"), `{"b":true}`, false},
		{"empty", token.ClaimIncludes("tier", "b"), `[]`, false}, {"no claim", token.ClaimIncludes("tier", "b"), ``, false},
	} {
		t.Run("Z2 "+c.name, func(t *testing.T) {
			k := guarding(t, "/", c.policy)
			var edits []func(*draft)
			if c.claim != "" {
				edits = append(edits, claim("tier", c.claim))
			}
			if a := k.gets("/accounts", edits...); c.ok {
				a.ok(t)
			} else if p := a.refused(t, eIS, token.ErrClaim); p["scope"] != "" {
				t.Errorf("a scope that would not help: %v", p)
			}
		})
	}
	t.Run("Z2 what the Verifier relied on counts", func(t *testing.T) {
		k := guarding(t, "/", token.All(token.ClaimEqual("client_id", "tpp-1"), token.ClaimEqual("sub", "customer-4711"), token.ClaimEqual("iss", rigIssuer)))
		k.gets("/").ok(t)
		k.gets("/", claim("client_id", `"tpp-2"`), claim("jti", `"x"`)).status4(t, token.ErrClaim)
	})
	t.Run("Z2 and a Resolver needs no JSON for it", func(t *testing.T) {
		k := guarding(t, "/", token.All(token.ClaimEqual("client_id", "c"), token.ClaimEqual("sub", "s"), token.ClaimEqual("jti", "j"), token.ClaimEqual("acr", "a"), token.ClaimEqual("iss", "i")), func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
				return &token.Claims{Issuer: "i", Client: "c", Subject: "s", ID: "j", ACR: "a", X5T: sum64(k.cert.Raw), Expires: time.Now().Add(time.Minute)}, nil
			})
		})
		k.withBearer("x").ok(t)
	})
	t.Run("a refusal names the client", func(t *testing.T) {
		var err error
		k := guarding(t, "/", token.Authenticated(), func(k *rig) {
			k.handler = func(_ http.ResponseWriter, r *http.Request) {
				g, e := token.FromContext(r.Context())
				must(e)
				err = token.ClaimEqual("tier", "gold")(r, g)
			}
		})
		k.gets("/").ok(t)
		var f *audit.Refusal
		if !errors.As(err, &f) || f.Client != "tpp-1" || f.Final {
			t.Errorf("%+v", f)
		}
	})
	t.Run("Customer", func(t *testing.T) {
		k := guarding(t, "/", token.Customer())
		k.gets("/").ok(t)
		k.gets("/", claim("sub", `"tpp-1"`)).refused(t, eIS, token.ErrNoCustomer)
	})
	for name, f := range map[string]func(){
		"ClaimEqual": func() { token.ClaimEqual("", 1) }, "ClaimIncludes": func() { token.ClaimIncludes("a", "") }, "PathEqualsClaim": func() { token.PathEqualsClaim("id", "") },
	} {
		if !panics(f) {
			t.Errorf("%s without a name is a policy", name)
		}
	}
}

// status4 wants 403 and a reason, whoever the client is.
func (a answer) status4(t *testing.T, reason audit.Reason) {
	t.Helper()
	if a.status != 403 || a.ran != 0 || a.records[0]["reason"] != string(reason) {
		t.Errorf("%d, ran %d, %v", a.status, a.ran, a.records)
	}
}

// TestMalformedClaimsSet: a Resolver that hands over something else than an object has every claim, and none that can
// be read: what is optional is not taken for absent.
func TestMalformedClaimsSet(t *testing.T) {
	consents := policyOf(token.NewMemoryConsents(1))
	policies := map[audit.Reason]token.Policy{
		token.ErrConsentMissing:   policyOf(token.NewConsentPolicy(token.ConsentConfig{Consents: consents, AnyPermission: true, Optional: true})),
		token.ErrDetailsMalformed: policyOf(token.NewDetailsPolicy(token.DetailsConfig{Type: "t", Optional: true})),
		token.ErrClaim:            token.ClaimEqual("tier", "gold"),
	}
	for _, set := range []string{`{`, `[]`, `{"a":1,"a":2}`, `{"tier":"gold"}x`, `{"tier":"gold","tier":"gold"}`} {
		for reason, p := range policies {
			k := guarding(t, "/", p, func(k *rig) {
				k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
					return &token.Claims{Issuer: rigIssuer, Client: "tpp-1", X5T: sum64(k.cert.Raw), Expires: time.Now().Add(time.Minute), JSON: set}, nil
				})
			})
			k.withBearer("x").refused(t, eIS, reason)
		}
	}
}

func TestPathEqualsClaim(t *testing.T) {
	k := guarding(t, "GET /customers/{id}/accounts", token.PathEqualsClaim("id", "sub"))
	t.Run("Z8, FAPI1-BASE-6.2.1-7", func(t *testing.T) {
		k.gets("/customers/customer-4711/accounts").ok(t)
		for _, other := range []string{"customer-4712", "customer-471", "CUSTOMER-4711", "%63ustomer-4712", "customer-4711%20"} {
			k.gets("/customers/"+other+"/accounts").refused(t, eIS, token.ErrOwner)
		}
		k.gets("/customers/%63ustomer-4711/accounts").ok(t) // the mux decodes, and so does the handler's PathValue
	})
	t.Run("Z8 a claim that is absent or no text", func(t *testing.T) {
		for _, value := range []string{``, `null`, `1`, `["1"]`, `""`, `{}`} {
			k := guarding(t, "GET /customers/{id}", token.PathEqualsClaim("id", "owner"))
			edit := claim("owner", value)
			if value == "" {
				edit = func(*draft) {}
			}
			k.gets("/customers/1", edit).refused(t, eIS, token.ErrOwner)
		}
	})
	t.Run("Z8 a wildcard that the pattern lacks", func(t *testing.T) {
		guarding(t, "GET /customers/{other}", token.PathEqualsClaim("id", "sub")).gets("/customers/customer-4711").refused(t, eIS, token.ErrOwner)
	})
}

func TestAllAny(t *testing.T) {
	outage, no, other := refusing("bank: down", 503), refusing("bank: no", 403), refusing("bank: other", 403)
	foreign := func(*http.Request, token.Grant) error { return errors.New("broken") }
	asked := ""
	spy := func(name string, p token.Policy) token.Policy {
		return func(r *http.Request, g token.Grant) error {
			asked += name
			return p(r, g)
		}
	}
	for _, c := range []struct {
		name   string
		policy token.Policy
		reason string // empty: passes
		status int
		asked  string
	}{
		{"All passes", token.All(spy("a", passing), spy("b", passing)), "", 200, "ab"},
		{"All stops at the first refusal", token.All(spy("a", passing), spy("b", no), spy("c", other)), "bank: no", 403, "ab"},
		{"All stops at an outage", token.All(spy("a", outage), spy("b", no)), "bank: down", 503, "a"},
		{"Any passes with the first", token.Any(spy("a", passing), spy("b", no)), "", 200, "a"},
		{"Any passes with the last", token.Any(spy("a", no), spy("b", passing)), "", 200, "ab"},
		{"Any gives the first refusal", token.Any(spy("a", no), spy("b", other)), "bank: no", 403, "ab"},
		{"Any does not mask an outage", token.Any(spy("a", no), spy("b", outage), spy("c", other)), "bank: down", 503, "abc"},
		{"Any keeps the first outage", token.Any(spy("a", outage), spy("b", foreign)), "bank: down", 503, "ab"},
		{"Any does not take an outage for a pass", token.Any(spy("a", outage)), "bank: down", 503, "a"},
		{"Any takes a foreign error for an outage", token.Any(spy("a", no), spy("b", foreign)), string(audit.ErrInternal), 500, "ab"},
		{"Any asks further after an outage", token.Any(spy("a", outage), spy("b", passing)), "", 200, "ab"},
		{"All of nothing", token.All(), string(token.ErrNoPolicy), 403, ""},
		{"Any of nothing", token.Any(), string(token.ErrNoPolicy), 403, ""},
		{"All of Any of nothing", token.All(spy("a", passing), token.Any()), string(token.ErrNoPolicy), 403, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked = ""
			a := guarding(t, "/", c.policy).gets("/")
			if c.reason == "" {
				a.ok(t)
			} else if a.status != c.status || a.ran != 0 || a.records[0]["reason"] != c.reason {
				t.Errorf("%d, ran %d, %v", a.status, a.ran, a.records)
			}
			if asked != c.asked {
				t.Errorf("asked %q, want %q", asked, c.asked)
			}
		})
	}
	t.Run("the list is copied", func(t *testing.T) {
		list := []token.Policy{no}
		p := token.All(list...)
		list[0] = passing
		guarding(t, "/", p).gets("/").refused(t, forbid, "bank: no")
	})
	for name, f := range map[string]func(){
		"All(nil)": func() { token.All(nil) }, "Any(nil)": func() { token.Any(passing, nil) }, "Require(nil)": func() { token.Require(nil) },
	} {
		if !panics(f) {
			t.Errorf("%s is a policy", name)
		}
	}
}

// TestPoliciesOfNobody: no policy lets the zero Grant pass, or tells it anything but that it is misplaced.
func TestPoliciesOfNobody(t *testing.T) {
	consents := policyOf(token.NewMemoryConsents(1))
	for name, p := range map[string]token.Policy{
		"Authenticated": token.Authenticated(), "AnyScope": token.AnyScope("a"), "All": token.All(), "Any": token.Any(), "ClaimEqual": token.ClaimEqual("a", "b"),
		"Customer": token.Customer(), "StepUp": token.StepUp(token.StepUpConfig{ACR: []string{"a"}}), "PathEqualsClaim": token.PathEqualsClaim("a", "b"),
		"details": policyOf(token.NewDetailsPolicy(token.DetailsConfig{Type: "t", Optional: true})),
		"consent": policyOf(token.NewConsentPolicy(token.ConsentConfig{Consents: consents, AnyPermission: true, Optional: true})),
		"role": policyOf(token.NewRolePolicy(token.RoleConfig{
			Any:         []string{"r"},
			Certificate: func(*http.Request) (*x509.Certificate, error) { return new(x509.Certificate), nil },
			Roles:       func(*x509.Certificate) ([]string, error) { return []string{"r"}, nil },
		})),
		"role, unbound": policyOf(token.NewRolePolicy(token.RoleConfig{
			Any: []string{"r"}, DangerouslyUnbound: true,
			Certificate: func(*http.Request) (*x509.Certificate, error) { return new(x509.Certificate), nil },
			Roles:       func(*x509.Certificate) ([]string, error) { return []string{"r"}, nil },
		})),
		"address": policyOf(token.NewAddressPolicy(token.AddressConfig{
			Address: func(*http.Request) (netip.Addr, error) { return netip.MustParseAddr("192.0.2.1"), nil },
			Others:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		})),
		"hours": policyOf(token.NewHoursPolicy(token.HoursConfig{
			Location: time.UTC, Others: []token.Hours{{Close: 12 * time.Hour}, {Open: 12 * time.Hour, Close: 24 * time.Hour}},
		})),
		"interaction id": token.InteractionIDRequired,
		"decision":       policyOf(token.NewDecisionPolicy(token.DecisionConfig{Decider: permitting})),
	} {
		r, err := http.NewRequest(http.MethodGet, rigOrigin, nil)
		must(err)
		if err := p(r, token.Grant{}); !errors.Is(err, audit.ErrMisplaced) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFAPI1Resource is FAPI 1.0 Baseline §6.2.1 for one route with scope and owner.
func TestFAPI1Resource(t *testing.T) {
	var client, subject string
	k := guarding(t, "GET /customers/{id}", token.All(token.Scope("accounts"), token.PathEqualsClaim("id", "sub")), func(k *rig) {
		k.handler = func(_ http.ResponseWriter, r *http.Request) {
			g, err := token.FromContext(r.Context())
			must(err)
			client, subject = g.Client(), g.Subject()
		}
	})
	t.Run("FAPI1-BASE-6.2.1-1, FAPI1-BASE-6.2.1-2", func(t *testing.T) { k.gets("/customers/customer-4711").ok(t) })
	t.Run("FAPI1-BASE-6.2.1-6", func(t *testing.T) {
		if client != "tpp-1" || subject != "customer-4711" {
			t.Errorf("the handler sees %q and %q", client, subject)
		}
		a := k.gets("/customers/customer-4711", func(d *draft) { d.claims.remove("sub"); d.claims.remove("client_id") })
		if a.status != 401 || a.ran != 0 || a.records[0]["reason"] != string(token.ErrClaims) {
			t.Errorf("%d, %v", a.status, a.records)
		}
	})
	t.Run("FAPI1-BASE-6.2.1-3", func(t *testing.T) {
		r := k.sending("GET", "/customers/customer-4711?access_token="+k.bearer(), "")
		r.Header.Del("Authorization")
		a := k.call(r)
		if a.status != 401 || a.ran != 0 || strings.Contains(strings.Join(a.header["Www-Authenticate"], ""), "error") {
			t.Errorf("%d, %q", a.status, a.header["Www-Authenticate"])
		}
	})
	t.Run("FAPI1-BASE-6.2.1-4", func(t *testing.T) {
		a := k.gets("/customers/customer-4711", claim("exp", seconds(time.Now().Add(-time.Minute))))
		if a.status != 401 || a.ran != 0 || a.records[0]["reason"] != string(token.ErrExpired) {
			t.Errorf("%d, %v", a.status, a.records)
		}
	})
	t.Run("FAPI1-BASE-6.2.1-5", func(t *testing.T) {
		if p := k.gets("/customers/customer-4711", claim("scope", `"x"`)).refused(t, eIS, token.ErrScope); p["scope"] != "accounts" {
			t.Errorf("%v", p)
		}
	})
	t.Run("FAPI1-BASE-6.2.1-7", func(t *testing.T) { k.gets("/customers/customer-1").refused(t, eIS, token.ErrOwner) })
}
