package token_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// decimal writes t as a NumericDate with a fraction.
func decimal(t time.Time) string {
	return strconv.FormatInt(t.Unix(), 10) + "." + strconv.Itoa(1_000_000_000 + t.Nanosecond())[1:]
}

// TestProofTime has the defaults: a proof may be 60 s old and 15 s ahead.
func TestProofTime(t *testing.T) {
	bubble(t, "D13, RFC9449-4.3-11, pitfall-56", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		for _, c := range []struct {
			away time.Duration
			ok   bool
		}{
			{0, true}, {-10 * time.Second, true}, {8 * time.Second, true}, {10 * time.Second, true},
			{-60 * time.Second, true}, {-60*time.Second - time.Nanosecond, false}, {-61 * time.Second, false}, {-time.Hour, false}, {-3 * 365 * 24 * time.Hour, false},
			{15 * time.Second, true}, {15*time.Second + time.Nanosecond, false}, {16 * time.Second, false}, {61 * time.Second, false}, {time.Hour, false},
			{time.Millisecond, true}, {-time.Millisecond, true},
		} {
			a := k.withDPoP(raw, k.proof(raw, claim("iat", decimal(time.Now().Add(c.away)))))
			if c.ok {
				a.ok(t)
				continue
			}
			a.is(t, eIDP, token.ErrProofTime)
		}
	})
	bubble(t, "RFC9449-4.3-11, RFC7519-4.1, pitfall-14: extreme values", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		for _, value := range []string{
			"0", "-1", "-0", "0.0", "1e9", "1E9", "9.46684800e8", "1e308", "1e-5", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "18446744073709551615",
			"18446744074656236416", "9007199254740993", "253402300800", "946684800e0", "9466848000e-1", `"946684800"`, "[946684800]", "true", "0.946684800e9", "1" + zeros(400), "0." + zeros(400),
		} {
			a := k.withDPoP(raw, k.proof(raw, claim("iat", value)))
			a.is(t, eIDP, token.ErrProofClaims)
		}
		k.withDPoP(raw, k.proof(raw, claim("iat", "253402300799"))).is(t, eIDP, token.ErrProofTime)
		k.withDPoP(raw, k.proof(raw, claim("iat", "1"))).is(t, eIDP, token.ErrProofTime)
		now := seconds(time.Now())
		for _, value := range []string{now, now + ".0", now + ".000000000000000000001", now + ".9"} {
			k.withDPoP(raw, k.proof(raw, claim("iat", value))).ok(t)
		}
		for _, value := range []string{"+" + now, now + ".", "." + now, "NaN", "Infinity", "- 1"} {
			k.withDPoP(raw, k.proof(raw, claim("iat", value))).is(t, eIDP, token.ErrProofMalformed)
		}
		for _, value := range []string{"00" + now, "0x386D4380"} {
			k.withDPoP(raw, k.proof(raw, claim("iat", value))).is(t, eIDP, token.ErrProofClaims)
		}
	})
	bubble(t, "RFC9449-4.2-1: exp and nbf of a proof", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		at := func(d time.Duration) string { return seconds(time.Now().Add(d)) }
		k.withDPoP(raw, k.proof(raw, claim("nbf", at(0)), claim("exp", at(5*time.Minute)))).ok(t)
		k.withDPoP(raw, k.proof(raw, claim("nbf", at(15*time.Second)), claim("exp", at(time.Second)))).ok(t)
		k.withDPoP(raw, k.proof(raw, claim("exp", at(0)))).is(t, eIDP, token.ErrProofTime)
		k.withDPoP(raw, k.proof(raw, claim("exp", at(-time.Second)))).is(t, eIDP, token.ErrProofTime)
		k.withDPoP(raw, k.proof(raw, claim("nbf", at(16*time.Second)))).is(t, eIDP, token.ErrProofTime)
		k.withDPoP(raw, k.proof(raw, claim("exp", `"soon"`))).is(t, eIDP, token.ErrProofClaims)
		k.withDPoP(raw, k.proof(raw, claim("nbf", `null`))).is(t, eIDP, token.ErrProofClaims)
	})
	bubble(t, "RFC9449-11.1-1: configured bounds", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.MaxAge, k.config.MaxSkew = 2*time.Second, time.Second })
		raw := k.dpop()
		k.withDPoP(raw, k.proof(raw, claim("iat", seconds(time.Now().Add(-2*time.Second))))).ok(t)
		k.withDPoP(raw, k.proof(raw, claim("iat", seconds(time.Now().Add(-3*time.Second))))).is(t, eIDP, token.ErrProofTime)
		k.withDPoP(raw, k.proof(raw, claim("iat", seconds(time.Now().Add(time.Second))))).ok(t)
		k.withDPoP(raw, k.proof(raw, claim("iat", seconds(time.Now().Add(2*time.Second))))).is(t, eIDP, token.ErrProofTime)
	})
	bubble(t, "RFC9449-11.1-1: a proof made in advance", func(t *testing.T) {
		k := newRig(t)
		raw := k.dpop()
		p := k.proof(raw, claim("iat", seconds(time.Now().Add(time.Minute))))
		k.withDPoP(raw, p).is(t, eIDP, token.ErrProofTime)
		time.Sleep(45 * time.Second)
		k.withDPoP(raw, p).ok(t)
		k.withDPoP(raw, p).is(t, eIDP, replay.ErrUsed)
	})
}

func zeros(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0'
	}
	return string(b)
}

// TestTokenTime has the defaults: no leeway for exp, 30 s for nbf and iat, an hour of life.
func TestTokenTime(t *testing.T) {
	for _, cached := range []bool{false, true} {
		bubble(t, "T6, T24, RFC9068-4-6, pitfall-9: exp, cached "+strconv.FormatBool(cached), func(t *testing.T) {
			k := newRig(t, func(k *rig) { k.cached = cached })
			raw := k.bearer(claim("exp", seconds(time.Now().Add(10*time.Second))))
			k.withBearer(raw).ok(t)
			time.Sleep(9 * time.Second)
			k.withBearer(raw).ok(t)
			time.Sleep(time.Second - time.Nanosecond)
			k.withBearer(raw).ok(t)
			time.Sleep(time.Nanosecond)
			k.withBearer(raw).is(t, eIT, token.ErrExpired)
			time.Sleep(time.Hour)
			k.withBearer(raw).is(t, eIT, token.ErrExpired)
			k.withBearer(k.bearer(claim("exp", seconds(time.Now())))).is(t, eIT, token.ErrExpired)
			k.withBearer(k.bearer(claim("exp", seconds(time.Now().Add(time.Second))))).ok(t)
		})
	}
	bubble(t, "RFC7519-4.1: exp is now, asked without a Verifier", func(t *testing.T) {
		k := newRig(t)
		if c, err := k.config.Resolver.Resolve(t.Context(), k.bearer(claim("exp", seconds(time.Now())))); !errors.Is(err, token.ErrExpired) || c != nil {
			t.Errorf("%v, %v", c, err)
		}
	})
	bubble(t, "T7, RFC9068-5-2: nbf and iat", func(t *testing.T) {
		k := newRig(t)
		at := func(d time.Duration) string { return seconds(time.Now().Add(d)) }
		for _, name := range []string{"nbf", "iat"} {
			for _, away := range []time.Duration{5 * time.Second, 30 * time.Second, 0, -time.Minute} {
				k.withBearer(k.bearer(claim(name, at(away)))).ok(t)
			}
			for _, away := range []time.Duration{31 * time.Second, 61 * time.Second, time.Hour} {
				k.withBearer(k.bearer(claim(name, at(away)), claim("exp", at(2*time.Hour-away)))).is(t, eIT, token.ErrNotYet)
			}
		}
		k.withBearer(k.bearer(claim("auth_time", at(31*time.Second)))).is(t, eIT, token.ErrClaims)
		k.withBearer(k.bearer(claim("auth_time", at(-time.Hour)))).ok(t)
	})
	bubble(t, "T8, RFC9068: MaxLifetime", func(t *testing.T) {
		k := newRig(t)
		at := func(d time.Duration) string { return seconds(time.Now().Add(d)) }
		k.withBearer(k.bearer(claim("exp", at(time.Hour)))).ok(t)
		k.withBearer(k.bearer(claim("exp", at(time.Hour+time.Second)))).is(t, eIT, token.ErrLifetime)
		k.withBearer(k.bearer(claim("iat", at(-time.Hour)), claim("exp", at(time.Second)))).is(t, eIT, token.ErrLifetime)
		k.withBearer(k.bearer(claim("iat", "1"), claim("exp", "253402300799"))).is(t, eIT, token.ErrLifetime)
	})
	bubble(t, "pitfall-14, RFC7519-4.1: values", func(t *testing.T) {
		k := newRig(t)
		for _, name := range []string{"exp", "iat", "nbf", "auth_time"} {
			for _, value := range []string{
				"0", "-1", "1e20", "1e308", "-9223372036854775808", "9223372036854775808", "9007199254740993", `"946684800"`, "null", "{}", "[]", "true", "253402300800",
			} {
				k.withBearer(k.bearer(claim(name, value))).is(t, eIT, token.ErrClaims)
			}
		}
		k.withBearer(k.bearer(claim("exp", decimal(time.Now().Add(time.Minute))), claim("iat", decimal(time.Now())))).ok(t)
		k.withBearer(k.bearer(claim("exp", "253402300799"))).is(t, eIT, token.ErrLifetime)
		k.withBearer(k.bearer(claim("exp", "1"))).is(t, eIT, token.ErrExpired)
	})
}
