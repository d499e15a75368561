package token_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

func payDetails(json string) func(*draft) { return claim("authorization_details", json) }

func TestDetailsPolicy(t *testing.T) {
	full := token.DetailsConfig{
		Type: "account", Locations: []string{rigAudience, rigOrigin}, Actions: []string{"read", "list"}, DataTypes: []string{"balances"},
		Privileges: []string{"owner"}, Identifier: token.PathValue("id"),
	}
	const good = `{"type":"account","locations":["https://x.example","https://api.bank.example/"],"actions":["list","read","x"],` +
		`"datatypes":["balances","y"],"privileges":["owner"],"identifier":"acc-1","more":{"a":[1]}}`
	narrow := token.DetailsConfig{Type: "account"}
	without := func(member string) string {
		before, after, ok := strings.Cut(good, member)
		if !ok {
			t.Fatal(member)
		}
		return before + after
	}
	instead := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct {
		name   string
		config token.DetailsConfig
		claim  string // empty: absent
		reason audit.Reason
	}{
		{"RFC9396-9.1, RFC9396-2: covered", full, `[` + good + `]`, ""},
		{"RFC9396-2: among others", full, `[{"type":"other","actions":["x"]},` + without(`"identifier":"acc-1",`) + `,` + good + `]`, ""},
		{"RFC9396-2: no locations is everywhere", full, `[` + without(`"locations":["https://x.example","https://api.bank.example/"],`) + `]`, ""},
		{"RFC9396-2: the type alone", narrow, `[{"type":"account","other":1}]`, ""},

		{"RFC9396-2: other account", full, `[` + instead("acc-1", "acc-2") + `]`, token.ErrDetails},
		{"RFC9396-2: account in another case", full, `[` + instead("acc-1", "ACC-1") + `]`, token.ErrDetails},
		{"RFC9396-2: no account", full, `[` + without(`"identifier":"acc-1",`) + `]`, token.ErrDetails},
		{"RFC9396-2: locations lacks us", full, `[` + instead(`"https://api.bank.example/"`, `"https://api.bank.example/accounts"`) + `]`, token.ErrDetails},
		{"RFC9396-2: locations empty", full, `[` + instead(`["https://x.example","https://api.bank.example/"]`, `[]`) + `]`, token.ErrDetails},
		{"RFC9396-2: an action is lacking", full, `[` + instead(`"list","read"`, `"read"`) + `]`, token.ErrDetails},
		{"RFC9396-2: action by part", full, `[` + instead(`"list"`, `"list-all"`) + `]`, token.ErrDetails},
		{"RFC9396-2: no actions", full, `[` + without(`"actions":["list","read","x"],`) + `]`, token.ErrDetails},
		{"RFC9396-2: datatypes", full, `[` + instead(`"balances"`, `"transactions"`) + `]`, token.ErrDetails},
		{"RFC9396-2: privileges", full, `[` + instead(`"owner"`, `"viewer"`) + `]`, token.ErrDetails},
		{"RFC9396-2: halves of two objects are no whole", full, `[` + instead("acc-1", "acc-2") + `,` + instead(`"list"`, `"x"`) + `]`, token.ErrDetails},
		{"RFC9396-2: the route compares no identifier", narrow, `[{"type":"account","identifier":"acc-1"}]`, token.ErrDetails},
		{"RFC9396-2: the route compares no actions", narrow, `[{"type":"account","actions":["read"]}]`, token.ErrDetails},
		{"RFC9396-2: the route compares no actions, and there are none", narrow, `[{"type":"account","actions":[]}]`, token.ErrDetails},
		{"RFC9396-2: the route names no location", narrow, `[{"type":"account","locations":["https://api.bank.example/"]}]`, token.ErrDetails},
		{"RFC9396-2: the route compares no datatypes", narrow, `[{"type":"account","datatypes":["a"]}]`, token.ErrDetails},
		{"RFC9396-2: the route compares no privileges", narrow, `[{"type":"account","privileges":["a"]}]`, token.ErrDetails},

		{"RFC9396-9.1: absent", full, ``, token.ErrDetailsMissing},
		{"RFC9396-9.1: empty", full, `[]`, token.ErrDetailsMissing},
		{"RFC9396-9.1: unknown type", full, `[` + instead(`"type":"account"`, `"type":"Account"`) + `]`, token.ErrDetailsMissing},
		{"RFC9396-9.1: not an array", full, good, token.ErrDetailsMalformed},
		{"RFC9396-9.1: null", full, `null`, token.ErrDetailsMalformed},
		{"RFC9396-9.1: a text with an array in it", full, quote(`[` + good + `]`), token.ErrDetailsMalformed},
		{"RFC9396-9.1: not objects", full, `["account"]`, token.ErrDetailsMalformed},
		{"RFC9396-9.1: missing type", full, `[` + good + `,{"actions":["read"]}]`, token.ErrDetailsMalformed},
		{"RFC9396-9.1: type is no text", full, `[` + good + `,{"type":1}]`, token.ErrDetailsMalformed},
		{"RFC9396-9.1: actions is no array", full, `[` + instead(`["list","read","x"]`, `"list read"`) + `]`, token.ErrDetailsMalformed},
		{"RFC9396-9.1: locations is null", full, `[` + instead(`["https://x.example","https://api.bank.example/"]`, `null`) + `]`, token.ErrDetailsMalformed},
		{"pitfall-12: a name in another case", full, `[` + instead(`"actions"`, `"Actions"`) + `]`, token.ErrDetailsMalformed},
		{"too many", full, `[` + strings.Repeat(`{"type":"x"},`, 64) + good + `]`, token.ErrDetailsMalformed},
	} {
		t.Run("Z4 "+c.name, func(t *testing.T) {
			k := guarding(t, "GET /accounts/{id}", policyOf(token.NewDetailsPolicy(c.config)))
			elsewhere := guarding(t, "GET /accounts/{id}", token.Scope("accounts"))
			var edits []func(*draft)
			if c.claim != "" {
				edits = append(edits, payDetails(c.claim))
			}
			elsewhere.gets("/accounts/acc-1", edits...).ok(t) // RFC9396-9.1: no effect on a route that does not ask
			a := k.gets("/accounts/acc-1", edits...)
			if c.reason == "" {
				a.ok(t)
			} else {
				a.refused(t, eIS, c.reason)
			}
			a.secret(t, "acc-1", "balances", c.claim)
		})
	}
	t.Run("pitfall-12: members that stand twice never get so far", func(t *testing.T) {
		k := guarding(t, "/", token.Scope("accounts"))
		for _, claims := range []string{`[{"type":"account","type":"other"}]`, `[{"type":"account","a":{"b":1,"b":2}}]`} {
			a := k.gets("/", payDetails(claims))
			if a.status != 401 || a.ran != 0 {
				t.Errorf("%d for %s", a.status, claims)
			}
		}
		a := k.gets("/", claim("Authorization_Details", `[]`))
		if a.status != 401 || a.ran != 0 {
			t.Errorf("%d for a claim in another case", a.status)
		}
	})
	t.Run("a route without the resource", func(t *testing.T) {
		k := guarding(t, "GET /accounts", policyOf(token.NewDetailsPolicy(full)))
		k.gets("/accounts", payDetails(`[`+without(`"identifier":"acc-1",`)+`]`)).refused(t, eIS, token.ErrDetails)
	})
	t.Run("Optional", func(t *testing.T) {
		optional := full
		optional.Optional = true
		k := guarding(t, "GET /accounts/{id}", policyOf(token.NewDetailsPolicy(optional)))
		k.gets("/accounts/acc-1").ok(t)
		k.gets("/accounts/acc-1", payDetails(`[{"type":"other"}]`)).ok(t)
		k.gets("/accounts/acc-1", payDetails(`[`+good+`]`)).ok(t)
		k.gets("/accounts/acc-2", payDetails(`[`+good+`]`)).refused(t, eIS, token.ErrDetails)
		k.gets("/accounts/acc-1", payDetails(`{"type":"account"}`)).refused(t, eIS, token.ErrDetailsMalformed)
		k.gets("/accounts/acc-1", payDetails(`[{"type":"other"},{}]`)).refused(t, eIS, token.ErrDetailsMalformed)
	})
}

// secret wants none of the texts in what came back or was recorded.
func (a answer) secret(t *testing.T, texts ...string) {
	t.Helper()
	delete(a.records[0], "route")
	out := a.body + fmt.Sprint(a.header) + fmt.Sprint(a.records)
	for _, text := range texts {
		if text != "" && strings.Contains(out, text) {
			t.Errorf("RFC9396-13: %q in %s", text, out)
		}
	}
}

func TestDetailsConfig(t *testing.T) {
	for name, c := range map[string]token.DetailsConfig{
		"no type": {}, "empty action": {Type: "t", Actions: []string{""}}, "empty location": {Type: "t", Locations: []string{"a", ""}},
	} {
		if p, err := token.NewDetailsPolicy(c); err == nil || p != nil {
			t.Errorf("%s is a policy", name)
		}
	}
	_, err := token.NewDetailsPolicy(token.DetailsConfig{DataTypes: []string{""}})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v, want two mistakes at once", err)
	}
}

func TestGrantDetails(t *testing.T) {
	var list []token.Detail
	var err error
	var json string
	var has bool
	k := newRig(t, func(k *rig) {
		k.handler = func(_ http.ResponseWriter, r *http.Request) {
			g, e := token.FromContext(r.Context())
			must(e)
			list, err = g.Details()
			json, has = g.Claim("authorization_details")
		}
	})
	const one = `{"type" : "account","actions":[],"identifier":"\u0061"}`
	k.withBearer(k.bearer(payDetails(`[` + one + `]`))).ok(t)
	if err != nil || len(list) != 1 || list[0].Type != "account" || list[0].Actions == nil || list[0].Locations != nil || list[0].Identifier != "a" ||
		list[0].JSON != one || json != `[`+one+`]` || !has {
		t.Errorf("%+v, %v, %q", list, err, json)
	}
	if text := fmt.Sprint(slog.AnyValue(list[0]).Resolve()); text != "account" {
		t.Errorf("RFC9396-13: a log line of it says %s", text)
	}
	k.withBearer(k.bearer()).ok(t)
	if err != nil || list != nil || has {
		t.Errorf("%+v, %v", list, err)
	}
	k.withBearer(k.bearer(payDetails(`{}`))).ok(t)
	if err != token.ErrDetailsMalformed || list != nil { //nolint:errorlint // it is returned bare
		t.Errorf("%+v, %v", list, err)
	}
}

// TestDetailsOfIntrospection: what an introspection answer says at its top level counts as what a JWT says.
func TestDetailsOfIntrospection(t *testing.T) {
	a := newAsking(t)
	say := func(member string) { a.says(strings.Replace(a.active(), "{", "{"+member+",", 1)) }
	caller := func(raw string) token.Grant {
		g, err := a.verifierOver(a.resolver(a.config())).Authenticate(a.request(raw, a.proof(raw)))
		must(err)
		return g
	}
	r, err := http.NewRequest(http.MethodGet, rigOrigin, nil)
	must(err)
	asks := policyOf(token.NewDetailsPolicy(token.DetailsConfig{Type: "account", Actions: []string{"read"}}))
	for i, c := range []struct {
		member string
		reason error
	}{
		{`"authorization_details":[{"type":"account","actions":["read"]}]`, nil}, {`"authorization_details":[{"type":"account"}]`, token.ErrDetails},
		{`"authorization_details":{"type":"account","actions":["read"]}`, token.ErrDetailsMalformed}, {`"other":[{"type":"account","actions":["read"]}]`, token.ErrDetailsMissing},
	} {
		say(c.member)
		if err := asks(r, caller(fmt.Sprintf("opaque-%d", i))); !errors.Is(err, c.reason) {
			t.Errorf("RFC9396-9.2: %s: %v, want %v", c.member, err, c.reason)
		}
	}
	steps := token.StepUp(token.StepUpConfig{ACR: []string{sca}, MaxAge: time.Minute})
	say(fmt.Sprintf(`"acr":%q,"auth_time":%d`, sca, time.Now().Unix()))
	if err := steps(r, caller("opaque-a")); err != nil {
		t.Errorf("RFC9470-6: %v", err)
	}
	say(`"other":1`)
	if err := steps(r, caller("opaque-b")); !errors.Is(err, token.ErrACR) {
		t.Errorf("RFC9470-6: %v", err)
	}
}
