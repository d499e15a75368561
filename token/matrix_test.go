package token_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// The rows of the FAPI groups say again what RFC 6750, 8705, 9068 and 9449 say; here they hold under the profiles'
// own names.
func TestFAPI1(t *testing.T) {
	bearer := func(k *rig, raw string) answer { return k.call(over(k.asking("Authorization", "Bearer "+raw), k.cert)) }
	for id, check := range map[string]func(t *testing.T, k *rig){
		"FAPI1-BASE-6.2.1-1 FAPI1-BASE-6.2.1-2": func(t *testing.T, k *rig) { bearer(k, k.bearer()).ok(t) },
		"FAPI1-BASE-6.2.1-3": func(t *testing.T, k *rig) {
			r := over(k.asking(), k.cert)
			r.URL.RawQuery = "access_token=" + k.bearer()
			k.call(r).is(t, c0, token.ErrInQuery)
		},
		"FAPI1-BASE-6.2.1-4": func(t *testing.T, k *rig) {
			bearer(k, k.bearer(claim("exp", seconds(time.Now().Add(-time.Second))))).is(t, eIT, token.ErrExpired)
		},
		"FAPI1-BASE-6.2.1-5": func(t *testing.T, k *rig) {
			bearer(k, k.bearer(claim("scope", `"accounts-read"`))).is(t, eIS, token.ErrScope)
		},
		"FAPI1-BASE-6.2.1-6": func(t *testing.T, k *rig) {
			var client, subject string
			k.handler = func(_ http.ResponseWriter, r *http.Request) {
				g, err := token.FromContext(r.Context())
				must(err)
				client, subject = g.Client(), g.Subject()
			}
			bearer(k, k.bearer()).ok(t)
			if client != "tpp-1" || subject != "customer-4711" {
				t.Error(client, subject)
			}
			bearer(k, k.bearer(without("sub"), without("client_id"))).is(t, eIT, token.ErrClaims)
		},
		"FAPI1-BASE-6.2.1-8": func(t *testing.T, k *rig) {
			if a := bearer(k, "x"); strings.Contains(strings.ToLower(a.header.Get("Content-Type")), "charset=") {
				t.Error(a.header.Get("Content-Type"), "and JSON is UTF-8 by itself")
			}
		},
		"FAPI1-BASE-6.2.1-11": func(t *testing.T, k *rig) {
			const id = "93BAC548-d2de-4546-b106-880a5018460D"
			for _, raw := range []string{k.bearer(), "x"} {
				r := over(k.asking("Authorization", "Bearer "+raw, "x-fapi-interaction-id", id), k.cert)
				if got := k.call(r).header["X-Fapi-Interaction-Id"]; len(got) != 1 || got[0] != id {
					t.Error(got)
				}
			}
		},
		"FAPI1-BASE-6.2.1-13 FAPI-CIBA-6.1-1": func(t *testing.T, k *rig) {
			for _, address := range []string{"198.51.100.119", "2001:DB8::1893:25c8:1946", "::ffff:198.51.100.1", "not an address", ""} {
				k.call(over(k.asking("Authorization", "Bearer "+k.bearer(), "x-fapi-customer-ip-address", address), k.cert)).ok(t)
			}
			bearer(k, k.bearer()).ok(t)
		},
		"FAPI1-BASE-6.2.2-3": func(t *testing.T, k *rig) {
			for _, date := range []string{"Tue, 11 Sep 2012 19:43:31 GMT", "yesterday"} {
				k.call(over(k.asking("Authorization", "Bearer "+k.bearer(), "x-fapi-auth-date", date), k.cert)).ok(t)
			}
		},
		"FAPI1-ADV-6.2.1-2 RFC8705-3-2": func(t *testing.T, k *rig) {
			k.call(over(k.asking("Authorization", "Bearer "+k.bearer()), k.other)).is(t, eIT, token.ErrCertificateMismatch)
		},
		"FAPI1-ADV-8.2 RFC8705-3-5 pitfall-75": func(t *testing.T, k *rig) {
			bearer(k, k.access().compact()).is(t, eIT, token.ErrUnbound)
			k.call(k.asking("Authorization", "Bearer "+k.bearer())).is(t, eIT, token.ErrNoCertificate)
		},
		"FAPI1-ADV-8.6": func(t *testing.T, k *rig) {
			bearer(k, broken(k.access().bind(k.x5t(k.cert)).by(k.ps), nil)).ok(t)
			for _, alg := range []string{"none", "RS256", "HS256"} {
				bearer(k, k.bearer(func(d *draft) { d.header.set("alg", quote(alg)) })).is(t, eIT, token.ErrAlgorithm)
			}
		},
	} {
		t.Run(id, func(t *testing.T) { check(t, newRig(t)) })
	}
}

func TestFAPI2(t *testing.T) {
	for id, check := range map[string]func(t *testing.T, k *rig){
		"FAPI2-SP-5.3.4-1 FAPI-CIBA-6": func(t *testing.T, k *rig) {
			k.call(over(k.asking("Authorization", "Bearer "+k.bearer()), k.cert)).ok(t)
			raw := k.dpop()
			k.withDPoP(raw, k.proof(raw)).ok(t)
		},
		"FAPI2-SP-5.3.4-2": func(t *testing.T, k *rig) {
			r := k.asking()
			r.URL.RawQuery = "access_token=" + k.dpop()
			k.call(r).is(t, c0, token.ErrInQuery)
		},
		"FAPI2-SP-5.3.4-3": func(t *testing.T, k *rig) {
			raw := k.dpop(claim("exp", seconds(time.Now().Add(-time.Second))))
			k.withDPoP(raw, k.proof(raw)).is(t, eIT, token.ErrExpired)
		},
		"FAPI2-SP-5.3.4-4": func(t *testing.T, k *rig) {
			raw := k.dpop(claim("scope", `"payments"`))
			k.withDPoP(raw, k.proof(raw)).is(t, eIS, token.ErrScope)
		},
		"FAPI2-SP-5.3.4-5": func(t *testing.T, k *rig) {
			raw := k.access().compact()
			k.withDPoP(raw, k.proof(raw)).is(t, eIT, token.ErrNotDPoP)
			k.call(k.asking("Authorization", "Bearer "+raw)).is(t, eIT, token.ErrUnbound)
		},
		"FAPI2-SP-5.3.2.1-13": func(t *testing.T, k *rig) {
			raw := k.dpop()
			k.withDPoP(raw, k.proof(raw, claim("iat", seconds(time.Now().Add(10*time.Second))))).ok(t)
			k.withDPoP(raw, k.proof(raw, claim("iat", seconds(time.Now().Add(62*time.Second))))).is(t, eIDP, token.ErrProofTime)
		},
		"RFC8705-3-6 pitfall-76": func(t *testing.T, k *rig) {
			raw := k.access().bind(k.both()).compact()
			ask := func(header ...string) *http.Request { return over(k.asking(header...), k.cert) }
			k.call(ask("Authorization", "DPoP "+raw, "DPoP", k.proof(raw))).ok(t)
			k.call(ask("Authorization", "DPoP "+raw)).is(t, eIDP, token.ErrProofMissing)
			k.call(ask("Authorization", "Bearer "+raw)).is(t, eIT, token.ErrDowngrade)
			k.call(over(k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw)), k.other)).is(t, eIT, token.ErrCertificateMismatch)
		},
		"FAPI2-SP-6.2": func(t *testing.T, k *rig) {
			raw := k.dpop()
			p := k.proof(raw)
			k.withDPoP(raw, p).ok(t)
			k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
		},
		"FAPI2-IMP-x-fapi-interaction-id": func(t *testing.T, k *rig) {
			if a := k.call(k.asking()); len(a.header["X-Fapi-Interaction-Id"]) != 1 || a.records[0]["interaction_id"] == "" {
				t.Error(a.header, a.records)
			}
		},
		"FAPI2-IMP-x-fapi-end-user-present": func(t *testing.T, k *rig) {
			for _, present := range []string{"true", "false", "maybe"} {
				raw := k.dpop()
				k.call(k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw), "x-fapi-end-user-present", present)).ok(t)
			}
		},
		"FAPI2-IMP-size": func(t *testing.T, k *rig) {
			raw := k.dpop(claim("padding", quote(strings.Repeat("x", 5800))))
			if len(raw) < 8<<10 {
				t.Fatal(len(raw))
			}
			k.withDPoP(raw, k.proof(raw)).ok(t)
			huge := k.dpop(claim("padding", quote(strings.Repeat("x", 12<<10))))
			k.withDPoP(huge, k.proof(huge)).is(t, eIT, token.ErrTooLarge)
		},
	} {
		t.Run(id, func(t *testing.T) { check(t, newRig(t)) })
	}
}

// UK-401, UK-403, BR-7-3.1, CDR-codes, CDR-mtls: the statuses of the ecosystems are those of RFC 6750 and RFC 8705.
func TestEcosystems(t *testing.T) {
	k := newRig(t, func(k *rig) { k.config.Binding = token.BindingCertificate })
	send := func(raw string) answer { return k.call(over(k.asking("Authorization", "Bearer "+raw), k.cert)) }
	send(k.bearer()).ok(t)
	send("x").is(t, eIT, token.ErrMalformed)
	send(k.bearer(claim("scope", `"payments"`))).is(t, eIS, token.ErrScope)
	k.call(over(k.asking("Authorization", "Bearer "+k.bearer()), k.other)).is(t, eIT, token.ErrCertificateMismatch)
	k.call(k.asking()).is(t, c0, token.ErrMissing)
}

// FAPI1-BASE-6.2.1-14: a preflight carries no token; the chain leaves it to what stands outside (see the design of
// the chain in the README).
func TestPreflightStandsOutside(t *testing.T) {
	k := newRig(t)
	mux := http.NewServeMux()
	mux.HandleFunc("OPTIONS /accounts", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.Handle("/", k.chain)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("OPTIONS", rigOrigin+"/accounts", nil))
	if w.Code != http.StatusNoContent || k.ran.Load() != 0 {
		t.Error(w.Code)
	}
}

func without(name string) func(*draft) { return func(d *draft) { d.claims.remove(name) } }
