package token_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

func consented(edits ...func(*token.Consent)) token.Consent {
	c := token.Consent{
		Status: token.ConsentActive, Permissions: []string{"ReadBalances", "ReadAccountsBasic"}, Accounts: []string{"acc-1", "acc-2"},
		Expires: time.Now().Add(time.Hour), Client: "tpp-1", Subject: "customer-4711",
	}
	for _, edit := range edits {
		edit(&c)
	}
	return c
}

var errBankDown = errors.New("dial tcp 10.0.0.1: refused")

func TestConsentPolicy(t *testing.T) {
	const id = "urn:consent:4711"
	names := claim("consent_id", quote(id))
	for _, c := range []struct {
		name    string
		consent token.Consent
		err     error
		path    string
		shape   shape
		reason  audit.Reason
	}{
		{"covers", consented(), nil, "acc-2", shape{}, ""},
		{"without parties", consented(func(c *token.Consent) { c.Client, c.Subject = "", "" }), nil, "acc-1", shape{}, ""},
		{"zero", token.Consent{}, nil, "acc-1", eIS, token.ErrConsentInactive},
		{"withdrawn", consented(func(c *token.Consent) { c.Status = token.ConsentWithdrawn }), nil, "acc-1", eIS, token.ErrConsentInactive},
		{"status in another case", consented(func(c *token.Consent) { c.Status = "Active" }), nil, "acc-1", eIS, token.ErrConsentInactive},
		{"no status", consented(func(c *token.Consent) { c.Status = "" }), nil, "acc-1", eIS, token.ErrConsentInactive},
		{"expired", consented(func(c *token.Consent) { c.Expires = time.Now().Add(-time.Second) }), nil, "acc-1", eIS, token.ErrConsentExpired},
		{"without an end", consented(func(c *token.Consent) { c.Expires = time.Time{} }), nil, "acc-1", eIS, token.ErrConsentExpired},
		{"other client", consented(func(c *token.Consent) { c.Client = "tpp-2" }), nil, "acc-1", eIS, token.ErrConsentParty},
		{"other customer", consented(func(c *token.Consent) { c.Subject = "customer-1" }), nil, "acc-1", eIS, token.ErrConsentParty},
		{"Z6 permission", consented(func(c *token.Consent) { c.Permissions = []string{"ReadBalance", "readbalances", ""} }), nil, "acc-1", eIS, token.ErrConsentPermission},
		{"Z6 no permission", consented(func(c *token.Consent) { c.Permissions = nil }), nil, "acc-1", eIS, token.ErrConsentPermission},
		{"account", consented(), nil, "acc-3", eIS, token.ErrConsentAccount}, {"account by part", consented(), nil, "acc-", eIS, token.ErrConsentAccount},
		{"no accounts", consented(func(c *token.Consent) { c.Accounts = nil }), nil, "acc-1", eIS, token.ErrConsentAccount},
		{"unknown", consented(), token.ErrConsentUnknown, "acc-1", eIS, token.ErrConsentUnknown},
		{"unknown, wrapped", consented(), fmt.Errorf("no row: %w", token.ErrConsentUnknown), "acc-1", eIS, token.ErrConsentUnknown},
		{"OPS-fail-closed", consented(), errBankDown, "acc-1", e503, token.ErrConsentUnavailable},
		{"OPS-fail-closed: a refusal of its own", consented(), &audit.Refusal{Reason: "x", Status: 401}, "acc-1", e503, token.ErrConsentUnavailable},
	} {
		t.Run("Z5 "+c.name, func(t *testing.T) {
			k := guarding(t, "GET /accounts/{id}", policyOf(token.NewConsentPolicy(token.ConsentConfig{
				Permissions: []string{"ReadAll", "ReadBalances"}, Account: token.PathValue("id"),
				Consents: token.ConsentsFunc(func(_ context.Context, issuer, asked string) (token.Consent, error) {
					if issuer != rigIssuer || asked != id {
						t.Errorf("asked about %q of %q", asked, issuer)
					}
					return c.consent, c.err
				}),
			})))
			a := k.gets("/accounts/"+c.path, names)
			if c.reason == "" {
				a.ok(t)
			} else {
				a.refused(t, c.shape, c.reason)
			}
			if digest, _ := a.records[0]["consent"].(string); len(digest) != 43 {
				t.Errorf("record %v", a.records[0])
			}
			a.secret(t, id, "10.0.0.1")
		})
	}
}

func TestConsentName(t *testing.T) {
	asked := ""
	consents := token.ConsentsFunc(func(_ context.Context, _, id string) (token.Consent, error) {
		asked = id
		return consented(), nil
	})
	run := func(c token.ConsentConfig, edits ...func(*draft)) answer {
		t.Helper()
		c.Consents, c.AnyPermission = consents, true
		asked = ""
		return guarding(t, "/", policyOf(token.NewConsentPolicy(c))).gets("/", edits...)
	}
	bad := []string{`null`, `1`, `""`, `["a"]`, `{"id":"a"}`, quote(strings.Repeat("a", 257))}
	for _, optional := range []bool{false, true} {
		t.Run(fmt.Sprintf("Z5 a name that cannot be read, optional %v", optional), func(t *testing.T) {
			for _, value := range bad {
				run(token.ConsentConfig{Optional: optional}, claim("consent_id", value)).refused(t, eIS, token.ErrConsentMissing)
			}
			if asked != "" {
				t.Errorf("asked about %q", asked)
			}
		})
	}
	run(token.ConsentConfig{}).refused(t, eIS, token.ErrConsentMissing)
	run(token.ConsentConfig{Optional: true}).ok(t)
	if asked != "" {
		t.Errorf("asked about %q", asked)
	}
	run(token.ConsentConfig{Optional: true}, claim("consent_id", quote(strings.Repeat("a", 256)))).ok(t)
	run(token.ConsentConfig{Claim: "openbanking_intent_id"}, claim("openbanking_intent_id", `"i"`), claim("consent_id", `"c"`)).ok(t)
	if asked != "i" {
		t.Errorf("asked about %q", asked)
	}
	t.Run("Z5 in a scope", func(t *testing.T) {
		brasil := token.ConsentConfig{ID: token.ConsentScope("consent:")}
		run(brasil, claim("scope", `"openid consent:urn:bank:C1DD accounts"`)).ok(t)
		if asked != "urn:bank:C1DD" {
			t.Errorf("asked about %q", asked)
		}
		for _, scope := range []string{`"accounts"`, `"consent:"`, `"consent:a consent:b"`, `"consent:a consent:"`, `"consent: a"`, `"xconsent:a"`} {
			run(brasil, claim("scope", scope)).refused(t, eIS, token.ErrConsentMissing)
		}
		brasil.Optional = true
		run(brasil, claim("scope", `"accounts"`)).ok(t)
		run(brasil, claim("scope", `"consent:a consent:b"`)).refused(t, eIS, token.ErrConsentMissing)
	})
	t.Run("Active", func(t *testing.T) {
		run(token.ConsentConfig{Active: []string{"AUTHORISED", "valid"}}, claim("consent_id", `"c"`)).refused(t, eIS, token.ErrConsentInactive)
		run(token.ConsentConfig{Active: []string{"valid", "active"}}, claim("consent_id", `"c"`)).ok(t)
	})
}

func TestPermissionsByRoute(t *testing.T) {
	consents := token.ConsentsFunc(func(context.Context, string, string) (token.Consent, error) {
		return consented(func(c *token.Consent) { c.Permissions = []string{"ReadAccountsDetail", ""} }), nil
	})
	table := map[string][]string{
		"GET /accounts": {"ReadAccountsBasic", "ReadAccountsDetail"}, "GET /balances": {"ReadBalances"}, "GET /empty": nil, "GET /blank": {""},
	}
	policy := policyOf(token.NewConsentPolicy(token.ConsentConfig{Consents: consents, PermissionsFor: token.PermissionsByRoute(table)}))
	table["GET /balances"][0] = "ReadAccountsDetail" // the table was copied
	for path, ok := range map[string]bool{"/accounts": true, "/balances": false, "/empty": false, "/blank": false, "/unlisted": false} {
		t.Run("Z6 "+path, func(t *testing.T) {
			a := guarding(t, "GET "+path, policy).gets(path, claim("consent_id", `"c"`))
			if ok {
				a.ok(t)
			} else {
				a.refused(t, eIS, token.ErrConsentPermission)
			}
		})
	}
	t.Run("Z5 an account that is not there", func(t *testing.T) {
		p := policyOf(token.NewConsentPolicy(token.ConsentConfig{AnyPermission: true, Account: token.PathValue("id"), Consents: token.ConsentsFunc(func(context.Context, string, string) (token.Consent, error) {
			return consented(func(c *token.Consent) { c.Accounts = []string{""} }), nil
		})}))
		guarding(t, "GET /accounts", p).gets("/accounts", claim("consent_id", `"c"`)).refused(t, eIS, token.ErrConsentAccount)
	})
}

func TestConsentConfig(t *testing.T) {
	consents := policyOf(token.NewMemoryConsents(1))
	one := func(*http.Request) []string { return nil }
	for name, c := range map[string]token.ConsentConfig{
		"no consents": {AnyPermission: true}, "no permission": {Consents: consents}, "two ways": {Consents: consents, AnyPermission: true, PermissionsFor: one},
		"empty permission": {Consents: consents, Permissions: []string{""}}, "empty status": {Consents: consents, AnyPermission: true, Active: []string{""}},
		"timeout": {Consents: consents, AnyPermission: true, Timeout: time.Minute},
	} {
		if p, err := token.NewConsentPolicy(c); err == nil || p != nil {
			t.Errorf("%s is a policy", name)
		}
	}
	if _, err := token.NewConsentPolicy(token.ConsentConfig{}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v, want two mistakes", err)
	}
	if !panics(func() { token.ConsentScope("") }) {
		t.Error("every scope names a consent")
	}
}

func TestMemoryConsents(t *testing.T) {
	if _, err := token.NewMemoryConsents(0); err == nil {
		t.Error("no capacity")
	}
	m := policyOf(token.NewMemoryConsents(2))
	ctx := context.Background()
	for _, name := range [][2]string{{"", "a"}, {"a", ""}} {
		if m.Put(name[0], name[1], consented()) == nil {
			t.Errorf("%q is taken", name)
		}
	}
	must(m.Put("a:b", "c", consented()))
	must(m.Put("a", "b:c", consented(func(c *token.Consent) { c.Status = "other"; c.Expires = time.Now().Add(-time.Second) })))
	got, err := m.Consent(ctx, "a:b", "c")
	if err != nil || got.Status != token.ConsentActive {
		t.Errorf("pitfall-85: %+v, %v", got, err)
	}
	got.Accounts[0] = "mine"
	if again, _ := m.Consent(ctx, "a:b", "c"); !slices.Equal(again.Accounts, []string{"acc-1", "acc-2"}) {
		t.Error("its accounts were changed from outside")
	}
	must(m.Put("x", "1", consented())) // the one that has expired gives way
	if _, err := m.Consent(ctx, "a", "b:c"); !errors.Is(err, token.ErrConsentUnknown) {
		t.Error(err)
	}
	if m.Put("x", "2", consented()) == nil {
		t.Error("there is no bound")
	}
	must(m.Put("x", "1", consented())) // replaces
	if !m.Withdraw("x", "1") || m.Withdraw("x", "2") || m.Withdraw("y", "1") {
		t.Error("Withdraw")
	}
	if got, _ := m.Consent(ctx, "x", "1"); got.Status != token.ConsentWithdrawn {
		t.Errorf("%+v", got)
	}
	if got, _ := m.Consent(ctx, "a:b", "c"); got.Status != token.ConsentActive {
		t.Errorf("%+v", got)
	}
}
