package token_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

func newNonces(service string, secret byte, lifetime time.Duration) *replay.Nonces {
	n, err := replay.NewNonces(replay.NonceConfig{Service: service, Lifetime: lifetime, Secrets: [][]byte{bytes.Repeat([]byte{secret}, 32)}})
	must(err)
	return n
}

func demanding(n *replay.Nonces) func(*rig) {
	return func(k *rig) { k.config.Nonce, k.config.Nonces = token.NonceAlways, n }
}

// bubble runs f as a subtest with a clock of its own, which stands still unless everybody waits.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// nonced is a rig that demands nonces, a token of its client, and a call with a nonce.
func nonced(t *testing.T) (k *rig, ours *replay.Nonces, raw string, with func(nonce string) answer) {
	ours = newNonces("api", 1, 5*time.Minute)
	k = newRig(t, demanding(ours))
	raw = k.dpop()
	return k, ours, raw, func(nonce string) answer { return k.withDPoP(raw, k.proof(raw, claim("nonce", quote(nonce)))) }
}

func TestNonce(t *testing.T) {
	bubble(t, "RFC9449-9-1: the nonce of the challenge", func(t *testing.T) {
		k, _, raw, with := nonced(t)
		a := k.withDPoP(raw, k.proof(raw))
		a.is(t, eUDN, token.ErrNonceMissing)
		with(a.header.Get("DPoP-Nonce")).ok(t)
	})
	bubble(t, "RFC9449-11.1-5: a nonce serves many proofs", func(t *testing.T) {
		k, ours, raw, with := nonced(t)
		nonce := ours.Mint()
		with(nonce).ok(t)
		with(nonce).ok(t)
		p := k.proof(raw, claim("nonce", quote(nonce)))
		k.withDPoP(raw, p).ok(t)
		k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
		jti := claim("jti", `"one"`)
		k.withDPoP(raw, k.proof(raw, jti, claim("nonce", quote(nonce)))).ok(t)
		k.withDPoP(raw, k.proof(raw, jti, claim("nonce", quote(ours.Mint())))).is(t, eIDP, replay.ErrUsed)
	})
	bubble(t, "RFC9449-11.3: no proof without it, anywhere", func(t *testing.T) {
		k, ours, raw, with := nonced(t)
		with(ours.Mint()).ok(t)
		for _, path := range []string{"/accounts", "/payments", "/"} {
			r := k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw, claim("htu", quote(rigOrigin+path))))
			r.URL.Path = path
			k.call(r).is(t, eUDN, token.ErrNonceMissing)
		}
	})
	bubble(t, "RFC9449-4.3-10, RFC9449-9-2: nonces that are none of ours", func(t *testing.T) {
		_, ours, _, with := nonced(t)
		n := ours.Mint()
		for _, nonce := range []string{
			n[:len(n)-1] + string(spare(n[len(n)-1])), string(spare(n[0])) + n[1:], n[:20], n + "A", n + n, random(), " ", n + " ", "\u00e9", "\"",
			newNonces("as", 1, 5*time.Minute).Mint(), newNonces("api", 2, 5*time.Minute).Mint(),
		} {
			with(nonce).is(t, eUDN, token.ErrNonce)
		}
	})
	bubble(t, "pitfall-72: of a replica", func(t *testing.T) {
		_, _, _, with := nonced(t)
		with(newNonces("api", 1, time.Minute).Mint()).ok(t)
	})
	bubble(t, "pitfall-69: after the signature", func(t *testing.T) {
		k, _, raw, _ := nonced(t)
		k.withDPoP(raw, k.proof(raw, func(d *draft) { d.signature = k.es.sign })).is(t, eIDP, token.ErrProofSignature)
	})
	bubble(t, "RFC9449-4.3-ord, pitfall-69: a stale nonce burns no jti", func(t *testing.T) {
		k, ours, raw, _ := nonced(t)
		jti := claim("jti", quote(random()))
		k.withDPoP(raw, k.proof(raw, jti, claim("nonce", `"stale"`))).is(t, eUDN, token.ErrNonce)
		k.withDPoP(raw, k.proof(raw, jti)).is(t, eUDN, token.ErrNonceMissing)
		k.withDPoP(raw, k.proof(raw, jti, claim("nonce", quote(ours.Mint())))).ok(t)
	})
	bubble(t, "RFC9449-8-4, RFC9449-8.2-1: rotation", func(t *testing.T) {
		k, ours, _, _ := nonced(t)
		with := func(nonce string) answer {
			raw := k.dpop()
			return k.withDPoP(raw, k.proof(raw, claim("nonce", quote(nonce))))
		}
		first := ours.Mint()
		time.Sleep(2*time.Minute + 30*time.Second)
		a := with(first)
		a.ok(t)
		if got := a.header["Dpop-Nonce"]; len(got) != 0 {
			t.Errorf("a young nonce is answered with %q", got)
		}
		time.Sleep(time.Millisecond)
		a = with(first)
		a.ok(t)
		next := a.header["Dpop-Nonce"]
		if len(next) != 1 || next[0] == first || a.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("RFC9449-8-3, RFC9449-8.2-2: nonces %q, Cache-Control %q", next, a.header["Cache-Control"])
		}
		time.Sleep(2*time.Minute + 29*time.Second)
		with(first).ok(t)
		time.Sleep(time.Second)
		with(first).is(t, eUDN, token.ErrNonce)
		with(next[0]).ok(t)
	})
}

// TestNonceOfTheWrongType is RFC9449-4.3-10: a nonce that is no nonce is answered with one.
func TestNonceOfTheWrongType(t *testing.T) {
	k := newRig(t, withNonces)
	raw := k.dpop()
	for _, value := range []string{`""`, `7`, `null`, `[]`, `{}`, `true`} {
		t.Run("RFC9449-4.3-10 "+value, func(t *testing.T) {
			a := k.withDPoP(raw, k.proof(raw, claim("nonce", value)))
			if a.status != 401 || a.header.Get("DPoP-Nonce") == "" {
				t.Fatalf("status %d, DPoP-Nonce %q, records %v; want use_dpop_nonce", a.status, a.header["Dpop-Nonce"], a.records)
			}
			a.is(t, eUDN, token.ErrNonce)
		})
	}
}

func TestNonceNever(t *testing.T) {
	k := newRig(t)
	raw := k.dpop()
	for _, value := range []string{`"x"`, quote(random()), `""`, `7`, `null`} {
		t.Run("RFC9449-9-3: ignored when off, "+value, func(t *testing.T) { k.withDPoP(raw, k.proof(raw, claim("nonce", value))).ok(t) })
	}
}

// TestNonceSurvives: what is refused further in must not lose the next nonce.
func TestNonceSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours := newNonces("api", 1, 5*time.Minute)
		k := newRig(t, demanding(ours), func(k *rig) { k.scope = []string{"payments-write"} })
		old := ours.Mint()
		time.Sleep(3 * time.Minute)
		raw := k.dpop()
		a := k.withDPoP(raw, k.proof(raw, claim("nonce", quote(old))))
		if a.status != 403 || len(a.header["Dpop-Nonce"]) != 1 {
			t.Errorf("RFC9449-8.2-1, pitfall-70: %d with nonces %q", a.status, a.header["Dpop-Nonce"])
		}
	})
}
