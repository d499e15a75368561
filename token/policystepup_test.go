package token_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/token"
)

const sca = "urn:bank:acr:sca"

func authAgo(d time.Duration) func(*draft) {
	return func(s *draft) { claim("auth_time", seconds(time.Now().Add(-d)))(s) }
}

func TestStepUp(t *testing.T) {
	both := token.StepUp(token.StepUpConfig{ACR: []string{"urn:bank:acr:qes", sca}, MaxAge: 300 * time.Second})
	k := guarding(t, "/", both)
	fresh := authAgo(10 * time.Second)
	t.Run("Z3, RFC9470-3-1, RFC9470-3-2, RFC9470-3-3", func(t *testing.T) {
		k.gets("/accounts", claim("acr", quote(sca)), fresh).ok(t)
		k.gets("/accounts", claim("acr", `"urn:bank:acr:qes"`), fresh).ok(t)
		raw := k.dpop(claim("acr", quote(sca)), fresh)
		k.withDPoP(raw, k.proof(raw)).ok(t)
	})
	want := func(t *testing.T, p map[string]string) {
		t.Helper()
		if p["acr_values"] != "urn:bank:acr:qes "+sca || p["max_age"] != "300" {
			t.Errorf("RFC9470-3-4: %v", p)
		}
	}
	t.Run("RFC9470-3-1: in the scheme in use", func(t *testing.T) {
		want(t, k.gets("/accounts", claim("acr", `"urn:bank:acr:pwd"`), fresh).refused(t, eIUA, token.ErrACR))
		raw := k.dpop(claim("acr", `"urn:bank:acr:pwd"`), fresh)
		p := k.withDPoP(raw, k.proof(raw)).refused(t, eIUA, token.ErrACR)
		want(t, p)
		if p["algs"] == "" {
			t.Errorf("%v lacks algs", p)
		}
	})
	t.Run("RFC9470-3-2: absent, or not to the letter", func(t *testing.T) {
		want(t, k.gets("/accounts", fresh).refused(t, eIUA, token.ErrACR))
		for _, acr := range []string{"urn:bank:acr:SCA", "urn:bank:acr:sca ", sca + " urn:bank:acr:qes", "urn:bank:acr"} {
			k.gets("/accounts", claim("acr", quote(acr)), fresh).refused(t, eIUA, token.ErrACR)
		}
	})
	t.Run("RFC9470-3-3: too long ago, or absent", func(t *testing.T) {
		want(t, k.gets("/accounts", claim("acr", quote(sca)), authAgo(302*time.Second)).refused(t, eIUA, token.ErrAuthAge))
		want(t, k.gets("/accounts", claim("acr", quote(sca))).refused(t, eIUA, token.ErrAuthAge))
	})
	t.Run("RFC9470-3-4: one of them, and a scope", func(t *testing.T) {
		p := guarding(t, "/", token.StepUp(token.StepUpConfig{MaxAge: time.Minute})).gets("/").refused(t, eIUA, token.ErrAuthAge)
		if _, has := p["acr_values"]; has || p["max_age"] != "60" {
			t.Errorf("%v", p)
		}
		p = guarding(t, "/", token.StepUp(token.StepUpConfig{ACR: []string{sca}, Scope: "payments accounts"})).gets("/").refused(t, eIUA, token.ErrACR)
		if _, has := p["max_age"]; has || p["acr_values"] != sca || p["scope"] != "payments accounts" {
			t.Errorf("%v", p)
		}
	})
	t.Run("RFC9470-9: only for a token and binding that hold", func(t *testing.T) {
		weak := claim("acr", `"x"`)
		k.withBearer(k.bearer(weak, claim("exp", seconds(time.Now().Add(-time.Minute))))).is(t, eIT, token.ErrExpired)
		k.call(over(k.asking("Authorization", "Bearer "+k.bearer(weak)), k.other)).is(t, eIT, token.ErrCertificateMismatch)
		raw := k.dpop(weak)
		k.withDPoP(raw, k.proofBy(newPair("ES256", ""), raw).compact()).is(t, eIT, token.ErrKeyMismatch)
	})
	t.Run("precedence: scope before step-up", func(t *testing.T) {
		guarding(t, "/", token.All(token.Scope("other"), both)).gets("/").refused(t, eIS, token.ErrScope)
	})
}

func TestStepUpTime(t *testing.T) {
	t.Run("RFC9470-6: auth_time in the future", func(t *testing.T) {
		k := guarding(t, "/", token.StepUp(token.StepUpConfig{MaxAge: time.Minute}))
		k.gets("/", authAgo(-2*time.Minute)).is(t, eIT, token.ErrClaims)
	})
	for _, c := range []struct {
		name string
		at   time.Duration // after now
		want shape
	}{{"RFC9470-6: from a Resolver that looks away", 2 * time.Minute, eIT}, {"within the leeway of clocks", 50 * time.Second, shape{}}} {
		t.Run(c.name, func(t *testing.T) {
			k := guarding(t, "/", token.StepUp(token.StepUpConfig{MaxAge: time.Minute}), func(k *rig) {
				k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
					now := time.Now()
					return &token.Claims{Issuer: rigIssuer, Client: "tpp-1", X5T: sum64(k.cert.Raw), Expires: now.Add(time.Minute), AuthTime: now.Add(c.at)}, nil
				})
			})
			if a := k.withBearer("x"); c.want.status == 0 {
				a.ok(t)
			} else {
				a.refused(t, c.want, token.ErrClaims)
			}
		})
	}
	t.Run("RFC9470-3-3: to the second, on a token that a cache holds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := guarding(t, "/", token.StepUp(token.StepUpConfig{MaxAge: 300 * time.Second}), func(k *rig) { k.cached = true })
			raw := k.bearer(authAgo(0))
			k.withBearer(raw).ok(t)
			time.Sleep(300 * time.Second)
			k.withBearer(raw).ok(t)
			time.Sleep(time.Second)
			k.withBearer(raw).refused(t, eIUA, token.ErrAuthAge)
		})
	})
}

func TestStepUpConfig(t *testing.T) {
	for name, c := range map[string]token.StepUpConfig{
		"nothing": {}, "negative": {MaxAge: -time.Second}, "fraction": {MaxAge: 1500 * time.Millisecond}, "quote": {ACR: []string{`a"b`}},
		"space": {ACR: []string{"a b"}}, "empty": {ACR: []string{""}}, "scope": {ACR: []string{"a"}, Scope: "a\nb"},
	} {
		if !panics(func() { token.StepUp(c) }) {
			t.Errorf("%s is a policy", name)
		}
	}
}
