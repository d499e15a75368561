package token_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// policed is a rig with that policy, and a call with a proof that is so old and carries that nonce, or none.
func policed(t *testing.T, edit func(*rig)) (k *rig, ours *replay.Nonces, ask func(age time.Duration, nonce string) answer) {
	ours = newNonces("api", 1, 5*time.Minute)
	k = newRig(t, demanding(ours), edit)
	return k, ours, func(age time.Duration, nonce string) answer {
		raw := k.dpop()
		return k.withDPoP(raw, k.proof(raw, claim("iat", decimal(time.Now().Add(-age))), func(d *draft) {
			if nonce != "" {
				d.claims.set("nonce", quote(nonce))
			}
		}))
	}
}

func TestNoncePolicies(t *testing.T) {
	const hour = time.Hour
	bubble(t, "NonceAlways, without NonceForIAT", func(t *testing.T) {
		_, ours, ask := policed(t, func(*rig) {})
		ask(0, ours.Mint()).ok(t)
		ask(hour, ours.Mint()).is(t, eIDP, token.ErrProofTime)
		ask(-hour, ours.Mint()).is(t, eIDP, token.ErrProofTime)
		ask(hour, "").is(t, eIDP, token.ErrProofTime)
	})
	for name, edit := range map[string]func(*rig){
		"NonceAlways and NonceForIAT": func(k *rig) { k.config.NonceForIAT = true },
		"NonceSkewed":                 func(k *rig) { k.config.Nonce = token.NonceSkewed },
	} {
		bubble(t, "RFC9449-11.1-4, RFC9449-4.3-11: "+name, func(t *testing.T) {
			_, ours, ask := policed(t, edit)
			for _, age := range []time.Duration{hour, -hour, 3 * 365 * 24 * hour, -250 * 365 * 24 * hour, 61 * time.Second, -16 * time.Second} {
				ask(age, ours.Mint()).ok(t)
				ask(age, "").is(t, eUDN, token.ErrNonceMissing)
				ask(age, "stale").is(t, eUDN, token.ErrNonce)
				ask(age, newNonces("as", 1, time.Minute).Mint()).is(t, eUDN, token.ErrNonce)
			}
			old := ours.Mint()
			time.Sleep(5*time.Minute - time.Millisecond)
			ask(hour, old).ok(t)
			time.Sleep(time.Millisecond)
			ask(hour, old).is(t, eUDN, token.ErrNonce)
			ask(0, old).is(t, eUDN, token.ErrNonce)
		})
		bubble(t, "RFC9449-11.1-5, RFC9449-11.1-6: replay, "+name, func(t *testing.T) {
			k, ours, _ := policed(t, edit)
			raw := k.dpop()
			p := k.proof(raw, claim("nonce", quote(ours.Mint())), claim("iat", seconds(time.Now().Add(-hour))))
			k.withDPoP(raw, p).ok(t)
			for end := time.Now().Add(5*time.Minute - time.Nanosecond); time.Now().Before(end); time.Sleep(min(time.Until(end), 7*time.Second)) {
				k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
			}
			k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
			time.Sleep(time.Nanosecond)
			k.withDPoP(raw, p).is(t, eUDN, token.ErrNonce)
		})
	}
	bubble(t, "NonceSkewed, inside the window", func(t *testing.T) {
		_, ours, ask := policed(t, func(k *rig) { k.config.Nonce = token.NonceSkewed })
		ask(0, "").ok(t)
		ask(60*time.Second, "").ok(t)
		ask(-15*time.Second, "").ok(t)
		ask(0, ours.Mint()).ok(t)
		ask(0, "stale").is(t, eUDN, token.ErrNonce)
	})
	bubble(t, "NonceOnRisk", func(t *testing.T) {
		risky, asked := false, 0
		k, ours, ask := policed(t, func(k *rig) {
			k.config.Nonce = token.NonceOnRisk
			k.config.Risky = func(_ *http.Request, g token.Grant) bool {
				asked++
				if g.Client() != "tpp-1" {
					t.Error("it does not know whom it judges")
				}
				return risky
			}
		})
		ask(0, "").ok(t)
		ask(hour, ours.Mint()).is(t, eIDP, token.ErrProofTime)
		risky = true
		ask(0, "").is(t, eUDN, token.ErrNonceMissing)
		ask(0, "stale").is(t, eUDN, token.ErrNonce)
		ask(0, ours.Mint()).ok(t)
		n := asked
		raw := k.dpop()
		k.withDPoP(raw, k.proof(raw, func(d *draft) { d.signature = k.es.sign })).is(t, eIDP, token.ErrProofSignature)
		if asked != n {
			t.Error("it judged a forged proof")
		}
	})
	bubble(t, "a policy that is replaced forgets no proof", func(t *testing.T) {
		k, ours, _ := policed(t, func(*rig) {})
		raw := k.dpop()
		p := k.proof(raw, claim("nonce", quote(ours.Mint())))
		k.withDPoP(raw, p).ok(t)
		k.config.NonceForIAT = true
		k.build()
		for range 29 {
			time.Sleep(10 * time.Second)
			if a := k.withDPoP(raw, p); a.status == 200 {
				t.Fatal("RFC9449-11.1-6: a proof that was used under NonceAlways was used again under NonceForIAT")
			}
		}
	})
}
