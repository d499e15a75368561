package token_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

func TestScope(t *testing.T) {
	for _, c := range []struct {
		granted string
		wanted  []string
		ok      bool
	}{
		{`"accounts"`, []string{"accounts"}, true}, {`"payments accounts"`, []string{"accounts"}, true}, {`"a b c"`, []string{"c", "a"}, true}, {`"  accounts  "`, []string{"accounts"}, true},
		{`"accounts-read"`, []string{"accounts"}, false}, {`"accounts"`, []string{"accounts-read"}, false}, {`"xaccounts"`, []string{"accounts"}, false},
		{`"Accounts"`, []string{"accounts"}, false}, {`""`, []string{"accounts"}, false}, {`" "`, []string{"accounts"}, false}, {`"a"`, []string{"a", "b"}, false},
		{`"a,b"`, []string{"a"}, false}, {`"a\tb"`, []string{"a"}, false}, {`"a\u00a0b"`, []string{"a"}, false},
	} {
		t.Run("RFC6750-3.1-3 "+c.granted+" for "+strings.Join(c.wanted, " "), func(t *testing.T) {
			k := newRig(t, func(k *rig) { k.scope = c.wanted })
			raw := k.dpop(claim("scope", c.granted))
			for _, a := range []answer{k.withBearer(k.bearer(claim("scope", c.granted))), k.withDPoP(raw, k.proof(raw))} {
				if c.ok {
					a.ok(t)
					continue
				}
				a.is(t, eIS, token.ErrScope)
				if a.records[0]["client"] != "tpp-1" {
					t.Errorf("record %v lacks the client", a.records[0])
				}
			}
		})
	}
	t.Run("RFC6750-3.1-3: no scope", func(t *testing.T) {
		k := newRig(t)
		k.withBearer(k.bearer(func(d *draft) { d.claims.remove("scope") })).is(t, eIS, token.ErrScope)
	})
	t.Run("RFC6750-3-4: a name that is no scope-token panics at start-up", func(t *testing.T) {
		for _, name := range []string{"", "a b", `a"b`, `a\b`, "é", "a\n"} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%q is taken for a scope", name)
					}
				}()
				token.Scope("accounts", name)
			}()
		}
	})
	t.Run("pitfall-16: a long scope takes no quadratic time", func(t *testing.T) {
		k := newRig(t)
		k.withBearer(k.bearer(claim("scope", quote(strings.Repeat("a ", 3500)+"accounts")))).ok(t)
	})
}

// TestMisplaced: a layer in the wrong place is our own fault, 500, and nobody can waive it.
func TestMisplaced(t *testing.T) {
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
	k := newRig(t, func(k *rig) { k.log.Waive = func(*http.Request, *audit.Refusal) bool { return true } })
	trail, err := audit.New(k.log)
	must(err)
	policies := map[string]http.Handler{
		"Scope without a Verifier":    token.Require(token.Scope("accounts"))(never),
		"any policy without Verifier": token.Require(func(*http.Request, token.Grant) error { return nil })(never),
		"a Verifier inside another":   k.verifier.Wrap(k.verifier.Wrap(never)),
		"a Verifier inside its chain": k.verifier.Wrap(k.chain),
		"a Grant that nobody gave":    granting(token.Require(token.Scope("accounts"))(never)),
		"a Verifier after NewContext": granting(k.verifier.Wrap(never)),
	}
	for name, h := range policies {
		t.Run(name, func(t *testing.T) {
			n := k.records.len()
			w := httptest.NewRecorder()
			trail.Wrap(h).ServeHTTP(w, over(k.asking("Authorization", "Bearer "+k.bearer()), k.cert))
			list := k.records.since(n)
			if w.Code != 500 || len(list) != 1 || list[0]["reason"] != string(audit.ErrMisplaced) || list[0]["decision"] != "deny" {
				t.Errorf("%d, %v", w.Code, list)
			}
		})
	}
	t.Run("without a log", func(t *testing.T) {
		w := httptest.NewRecorder()
		token.Require(token.Scope("accounts"))(never).ServeHTTP(w, k.asking())
		if w.Code != 500 {
			t.Error(w.Code)
		}
	})
}

func granting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(token.NewContext(r.Context(), token.Grant{}, nil)))
	})
}

// TestReportOnly: a refusal that is waived passes Require, too, and is recorded once.
func TestReportOnly(t *testing.T) {
	var seen error
	var grant token.Grant
	waived := map[audit.Reason]bool{token.ErrExpired: true, token.ErrMissing: true, token.ErrNonceMissing: true}
	k := newRig(t, withNonces, func(k *rig) {
		k.log.Waive = func(_ *http.Request, f *audit.Refusal) bool { return waived[f.Reason] }
		k.handler = func(_ http.ResponseWriter, r *http.Request) { grant, seen = token.FromContext(r.Context()) }
	})
	want := func(a answer, reason audit.Reason) {
		t.Helper()
		if a.status != 200 || a.ran != 1 || len(a.records) != 1 {
			t.Fatalf("%d, ran %d times, %v", a.status, a.ran, a.records)
		}
		list, _ := a.records[0]["waived"].([]string)
		if a.records[0]["decision"] != "would_deny" || !slices.Equal(list, []string{string(reason)}) {
			t.Errorf("pitfall-111: %v, want would_deny and %q once", a.records[0], reason)
		}
		if f, ok := seen.(*audit.Refusal); !ok || f.Reason != reason || grant.Client() != "" || grant.HasScope("accounts") {
			t.Errorf("OPS-ctx: the handler sees %v and the grant of %q", seen, grant.Client())
		}
		a.silent(t)
		if a.header["Www-Authenticate"] != nil {
			t.Error("pitfall-111: the answer is challenged")
		}
	}
	want(k.call(k.asking()), token.ErrMissing)
	want(k.withBearer(k.bearer(claim("exp", seconds(time.Now().Add(-time.Minute))))), token.ErrExpired)
	raw := k.dpop()
	want(k.withDPoP(raw, k.proof(raw)), token.ErrNonceMissing)
	k.withBearer(k.bearer(claim("iss", `"x"`))).is(t, eIT, token.ErrIssuer)
	k.withBearer(k.bearer(claim("scope", `"x"`))).is(t, eIS, token.ErrScope)
	k.withBearer(k.bearer()).ok(t)
}

func TestGrant(t *testing.T) {
	var g token.Grant
	var key string
	k := newRig(t, func(k *rig) {
		k.handler = func(_ http.ResponseWriter, r *http.Request) {
			var err error
			g, err = token.FromContext(r.Context())
			must(err)
			key, err = token.ClientKey(r)
			must(err)
		}
	})
	now := time.Now().Truncate(time.Second)
	raw := k.access().bind(k.both())
	raw.claims.set("acr", `"urn:sca"`)
	raw.claims.set("auth_time", seconds(now.Add(-time.Minute)))
	raw.claims.set("jti", `"T"`)
	raw.claims.set("iat", seconds(now))
	raw.claims.set("exp", seconds(now.Add(time.Minute)))
	text := raw.compact()
	k.call(over(k.asking("Authorization", "DPoP "+text, "DPoP", k.proof(text)), k.cert)).ok(t)
	t.Run("RFC9068-2.2.1, OPS-ctx", func(t *testing.T) {
		got := []any{g.Issuer(), g.Subject(), g.Client(), g.ID(), g.ACR(), g.JKT(), g.X5T(), g.HasScope("payments"), g.HasScope("pay"), g.HasScope("")}
		want := []any{rigIssuer, "customer-4711", "tpp-1", "T", "urn:sca", k.client.jkt, sum64(k.cert.Raw), true, false, false}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if !g.Issued().Equal(now) || !g.Expires().Equal(now.Add(time.Minute)) || !g.AuthTime().Equal(now.Add(-time.Minute)) {
			t.Error(g.Issued(), g.Expires(), g.AuthTime())
		}
		if !slices.Equal(slices.Collect(g.Scopes()), []string{"accounts", "payments"}) || !slices.Equal(slices.Collect(g.Audience()), []string{rigAudience}) {
			t.Error("scopes or audience")
		}
		if key == "" || strings.Contains(key, "4711") {
			t.Errorf("key %q", key)
		}
	})
	t.Run("the zero Grant", func(t *testing.T) {
		var zero token.Grant
		h := http.Header{}
		zero.SetHeader(h)
		if len(h) != 0 || zero.Client() != "" || zero.Issuer() != "" || zero.Subject() != "" || zero.HasScope("") || zero.HasScope("accounts") || !zero.Expires().IsZero() {
			t.Error("it is somebody")
		}
		for range zero.Scopes() {
			t.Error("it has a scope")
		}
		if err := token.Scope("accounts")(k.asking(), zero); err == nil {
			t.Error("it passes a policy")
		}
	})
}

// TestClientKey: pitfall 85 and RFC 9068 §5: who it is, across issuers.
func TestClientKey(t *testing.T) {
	var who token.Claims
	var key string
	k := newRig(t, func(k *rig) {
		k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
			c := who
			c.Expires, c.X5T, c.Scope = time.Now().Add(time.Minute), sum64(k.cert.Raw), []string{"accounts"}
			return &c, nil
		})
		k.handler = func(_ http.ResponseWriter, r *http.Request) {
			var err error
			key, err = token.ClientKey(r)
			must(err)
		}
	})
	keys := map[string]token.Claims{}
	for _, who = range []token.Claims{
		{Issuer: "a:b", Client: "c"}, {Issuer: "a", Client: "b:c"}, {Issuer: "a", Client: "c"}, {Issuer: "b", Client: "c"}, {Issuer: "a", Subject: "c"}, {Issuer: "ab", Client: "c"},
		{Issuer: "a", Client: "bc"}, {Issuer: "1", Client: "1:c"}, {Issuer: "1:1", Client: "c"}, {Issuer: "11", Client: ":c"},
	} {
		k.withBearer("x").ok(t)
		if other, has := keys[key]; has {
			t.Errorf("pitfall-85: %+v and %+v share the key %q", who, other, key)
		}
		keys[key] = who
	}
	who = token.Claims{Issuer: "a", Client: "c", Subject: "s", ID: "1"}
	k.withBearer("x").ok(t)
	first := key
	who.Subject, who.ID = "t", "2"
	k.withBearer("x").ok(t)
	if key != first {
		t.Error("one client has two keys")
	}
	if _, err := token.ClientKey(k.asking()); err == nil {
		t.Error("a request without Grant has a key")
	}
	r := k.asking()
	if _, err := token.ClientKey(r.WithContext(token.NewContext(r.Context(), token.Grant{}, nil))); err == nil {
		t.Error("the zero Grant has a key")
	}
}

func TestAdmit(t *testing.T) {
	var verdict error
	var seen token.Grant
	var asked atomic.Int64
	k := newRig(t, func(k *rig) {
		k.config.Admit = func(_ *http.Request, g token.Grant) error {
			asked.Add(1)
			seen = g
			return verdict
		}
	})
	raw := k.dpop()
	k.withDPoP(raw, k.proof(raw)).ok(t)
	if seen.Client() != "tpp-1" {
		t.Errorf("Admit sees %q", seen.Client())
	}
	verdict = errDown
	a := k.withDPoP(raw, k.proof(raw))
	a.is(t, eIT, token.ErrNotAdmitted)
	if a.records[0]["client"] != "tpp-1" || strings.Contains(a.records[0]["cause"].(string), "internal") {
		t.Errorf("%v", a.records[0])
	}
	for _, c := range []struct {
		reason audit.Reason
		shape  shape
	}{{token.ErrRevoked, eIT}, {token.ErrUnavailable, e503}, {token.ErrNotAdmitted, eIT}} {
		t.Run("a reason of ours: "+string(c.reason), func(t *testing.T) {
			verdict = c.reason
			k.withDPoP(raw, k.proof(raw)).is(t, c.shape, c.reason)
		})
	}
	t.Run("a refusal of its own", func(t *testing.T) {
		verdict = &audit.Refusal{Reason: "bank: closed", Status: 401, Code: "invalid_token", Detail: "closed"}
		a := k.withDPoP(raw, k.proof(raw))
		if a.status != 401 || a.ran != 0 || len(a.records) != 1 || a.records[0]["reason"] != "bank: closed" || len(a.header["Www-Authenticate"]) != 2 ||
			!strings.Contains(a.header["Www-Authenticate"][1], `error="invalid_token"`) || strings.Contains(a.header["Www-Authenticate"][0], "error") {
			t.Errorf("RFC6750-3-1: %d, %v, %q", a.status, a.records, a.header["Www-Authenticate"])
		}
	})
	n := asked.Load()
	k.withDPoP(raw, k.proof(raw, func(d *draft) { d.signature = k.es.sign })).is(t, eIDP, token.ErrProofSignature)
	k.withBearer(k.access().compact()).is(t, eIT, token.ErrUnbound)
	if asked.Load() != n {
		t.Error("Admit saw somebody who was not believed")
	}
}

func TestScopeIsCopied(t *testing.T) {
	for name, made := range map[string]func(...string) token.Policy{"Scope": token.Scope, "AnyScope": token.AnyScope} {
		names := []string{"payments"}
		policy := made(names...)
		names[0] = "accounts"
		k := guarding(t, "/", policy)
		if a := k.gets("/", claim("scope", `"accounts"`)); a.status != 403 {
			t.Errorf("%s: %d after the caller's slice was changed", name, a.status)
		}
	}
}
