package token_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// TestRecord: what is said about a caller, and when: nothing of a token counts before it was believed.
func TestRecord(t *testing.T) {
	k := newRig(t)
	d := k.access().bind(k.both())
	raw := d.compact()
	p := k.proof(raw)
	ask := func(proof string) map[string]any {
		a := k.call(over(k.asking("Authorization", "DPoP "+raw, "DPoP", proof), k.cert))
		a.silent(t)
		if len(a.records) != 1 {
			t.Fatalf("%d records", len(a.records))
		}
		return a.records[0]
	}
	subject := token.SubjectName(rigIssuer, "customer-4711")
	believed := map[string]string{
		"token": sum64(raw), "client": "tpp-1", "subject": jose.Digest(subject).String(), "jkt": k.client.jkt, "x5t": sum64(k.cert.Raw),
	}
	check := func(t *testing.T, r map[string]any, want map[string]string) {
		t.Helper()
		for name := range believed {
			if got, _ := r[name].(string); got != want[name] {
				t.Errorf("%s is %q, want %q", name, got, want[name])
			}
		}
		if strings.Contains(fmt.Sprint(r), "4711") {
			t.Errorf("the customer is named: %v", r)
		}
	}
	t.Run("OPS-audit-1: by somebody else's Resolver", func(t *testing.T) {
		foreign := newRig(t, func(k *rig) { k.resolver = token.ResolverFunc(policyOf(token.NewJWT(k.jwt)).Resolve) })
		raw := foreign.bearer()
		if a := foreign.withBearer(raw); len(a.records) != 1 || a.records[0]["token"] != sum64(raw) {
			t.Errorf("%v", a.records)
		}
	})
	t.Run("OPS-audit-1: allowed", func(t *testing.T) { check(t, ask(p), believed) })
	t.Run("OPS-audit-1: replayed", func(t *testing.T) { check(t, ask(p), believed) })
	t.Run("OPS-audit-1: a forged proof of a genuine token", func(t *testing.T) {
		check(t, ask(k.proof(raw, func(d *draft) { d.signature = k.es.sign })), believed)
	})
	t.Run("OPS-audit-1: another key", func(t *testing.T) {
		r := ask(k.proofBy(k.es, raw).compact())
		check(t, r, believed)
		if r["presented_jkt"] != k.es.jkt {
			t.Errorf("presented_jkt %v", r["presented_jkt"])
		}
	})
	t.Run("OPS-audit-1, OPS-ctx: nothing of a token that is not believed", func(t *testing.T) {
		forged := k.access().bind(k.both())
		forged.key = k.client
		raw = forged.compact()
		check(t, ask(k.proof(raw)), map[string]string{"token": sum64(raw)})
		raw = d.compact()
		check(t, ask("proof"), map[string]string{"token": sum64(raw)})
	})
	t.Run("OPS-audit-1: no credentials", func(t *testing.T) {
		a := k.call(k.asking())
		a.is(t, c0, token.ErrMissing)
		check(t, a.records[0], nil)
		want := []string{"decision", "interaction_id", "latency_us", "method", "peer", "reason", "route", "schema", "status"}
		if got := slices.Sorted(maps.Keys(a.records[0])); !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	})
}

// TestReasonsMatch: what Authenticate returns is found by errors.Is, and its text is the reason's.
func TestReasonsMatch(t *testing.T) {
	k := newRig(t)
	raw := k.dpop()
	p := k.proof(raw)
	r := k.asking("Authorization", "DPoP "+raw, "DPoP", p)
	g, err := k.verifier.Authenticate(r)
	if err != nil || g.Client() != "tpp-1" {
		t.Fatal(err)
	}
	g, err = k.verifier.Authenticate(k.asking("Authorization", "DPoP "+raw, "DPoP", p))
	f, ok := err.(*audit.Refusal)
	if !ok || !f.Is(replay.ErrUsed) || f.Error() != string(replay.ErrUsed) || f.Client != "tpp-1" || f.Final || g.Client() != "" {
		t.Errorf("%#v, %q", err, g.Client())
	}
}
