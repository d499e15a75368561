package token_test

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/token"
)

// mistakes wants all of the parts in err.
func mistakes(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in\n%v", part, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(parts) {
		t.Errorf("%d mistakes, want %d:\n%v", n, len(parts), err)
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	t.Run("zero Config", func(t *testing.T) {
		v, err := token.New(token.Config{})
		mistakes(t, err, "Resolver", "Revocations", "Certificate", "Replay", "Nonces", "Origin")
		if v != nil {
			t.Error("a Verifier beside an error")
		}
	})
	t.Run("everything wrong", func(t *testing.T) {
		_, err := token.New(token.Config{
			Binding: 17, Nonce: 9, Origin: "api.bank.example", Realm: `a"b`, MaxAge: time.Hour, MaxSkew: time.Hour, ProofAlgorithms: []string{"none", "HS256", "ES256"},
		})
		mistakes(t, err, "Binding", "Resolver", "Revocations", "Certificate", "Realm", "Replay", "Nonce is unknown", "Nonces is required", "MaxAge", "MaxSkew", `"none"`, `"HS256"`, "Origin")
	})
	t.Run("zero JWTConfig", func(t *testing.T) {
		_, err := token.NewJWT(token.JWTConfig{})
		mistakes(t, err, "Issuer", "Audiences", "Keys")
	})
	t.Run("JWTConfig", func(t *testing.T) {
		_, err := token.NewJWT(token.JWTConfig{Audiences: []string{"a", ""}, Algorithms: []string{"RS256", "none"}, MaxLifetime: -1, Leeway: time.Hour})
		mistakes(t, err, "Issuer", "Audiences", "Keys", "MaxLifetime", "Leeway", `"RS256"`, `"none"`)
	})
	t.Run("zero JWKSConfig", func(t *testing.T) {
		_, err := token.NewJWKS(token.JWKSConfig{})
		mistakes(t, err, "URL or File")
	})
	t.Run("JWKSConfig", func(t *testing.T) {
		_, err := token.NewJWKS(token.JWKSConfig{URL: "http://as.bank.example/jwks", File: "x", TTL: -1, MinRefresh: time.Millisecond, StaleFor: -1, Timeout: time.Minute})
		mistakes(t, err, "not both", "TTL", "MinRefresh", "StaleFor", "Timeout", "https")
	})
	t.Run("CacheConfig", func(t *testing.T) {
		_, err := token.NewCache(token.CacheConfig{MaxBytes: 1})
		mistakes(t, err, "Resolver", "MaxBytes")
		_, err = token.NewCache(token.CacheConfig{MaxBytes: -1, Resolver: token.ResolverFunc(func(context.Context, string) (*token.Claims, error) { return nil, nil })})
		mistakes(t, err, "MaxBytes")
		k := newRig(t, func(k *rig) { k.cached = true })
		_, err = token.NewCache(token.CacheConfig{Resolver: k.cache})
		mistakes(t, err, "Cache already")
	})
}

func TestConfigBounds(t *testing.T) {
	k := newRig(t)
	for _, c := range []struct {
		name string
		edit func(*token.Config)
		want string // "" for good
	}{
		{"RFC9449-11.1-1: MaxAge 5 min", func(c *token.Config) { c.MaxAge = 5 * time.Minute }, ""},
		{"RFC9449-11.1-1: MaxAge more than 5 min", func(c *token.Config) { c.MaxAge = 5*time.Minute + 1 }, "MaxAge"},
		{"MaxAge negative", func(c *token.Config) { c.MaxAge = -time.Second }, "MaxAge"},
		{"MaxSkew 60 s", func(c *token.Config) { c.MaxSkew = time.Minute }, ""},
		{"MaxSkew more than 60 s", func(c *token.Config) { c.MaxSkew = time.Minute + 1 }, "MaxSkew"},
		{"MaxSkew negative", func(c *token.Config) { c.MaxSkew = -1 }, "MaxSkew"},
		{"RFC6750-3-4: realm of two lines", func(c *token.Config) { c.Realm = "a\r\nb" }, "Realm"},
		{"RFC6750-3-4: realm with a backslash", func(c *token.Config) { c.Realm = `a\b` }, "Realm"},
		{"RFC6750-3-4: realm é", func(c *token.Config) { c.Realm = "é" }, "Realm"},
		{"realm with spaces", func(c *token.Config) { c.Realm = "the bank, its API" }, ""},
		{"Origin with a slash", func(c *token.Config) { c.Origin = rigOrigin + "/" }, ""},
		{"Origin with a port", func(c *token.Config) { c.Origin = rigOrigin + ":8443" }, ""},
		{"Origin, IPv6", func(c *token.Config) { c.Origin = "https://[::1]:8443" }, ""},
		{"Origin with a path", func(c *token.Config) { c.Origin = rigOrigin + "/v1" }, "Origin"},
		{"Origin with a path and a slash", func(c *token.Config) { c.Origin = rigOrigin + "/v1/" }, "Origin"},
		{"Origin with a query", func(c *token.Config) { c.Origin = rigOrigin + "?a" }, "Origin"},
		{"Origin with a fragment", func(c *token.Config) { c.Origin = rigOrigin + "#a" }, "Origin"},
		{"Origin with a user", func(c *token.Config) { c.Origin = "https://u@api.bank.example" }, "Origin"},
		{"Origin without scheme", func(c *token.Config) { c.Origin = "api.bank.example" }, "Origin"},
		{"Origin of ftp", func(c *token.Config) { c.Origin = "ftp://api.bank.example" }, "Origin"},
		{"Origin without host", func(c *token.Config) { c.Origin = "https://" }, "Origin"},
		{"unknown binding", func(c *token.Config) { c.Binding = 4 }, "Binding"},
		{"certificate not wanted with BindingDPoP", func(c *token.Config) { c.Binding, c.Certificate = token.BindingDPoP, nil }, ""},
		{"no DPoP parts wanted with BindingCertificate", func(c *token.Config) {
			*c = token.Config{Binding: token.BindingCertificate, Resolver: c.Resolver, Certificate: c.Certificate, Revocations: c.Revocations}
		}, ""},
		{"pitfall-112: DangerouslyUnbound wants all the rest", func(c *token.Config) { c.Binding, c.Certificate = token.DangerouslyUnbound, nil }, "Certificate"},
		{"Target needs no Origin", func(c *token.Config) {
			c.Origin, c.Service, c.Target = "", "s", func(*http.Request) (string, string) { return "", "" }
		}, ""},
		{"Target needs a Service", func(c *token.Config) {
			c.Origin, c.Target = "", func(*http.Request) (string, string) { return "", "" }
		}, "Service"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := k.config
			c.edit(&config)
			v, err := token.New(config)
			if c.want == "" {
				if err != nil || v == nil {
					t.Fatal(err)
				}
				return
			}
			mistakes(t, err, c.want)
		})
	}
}

// TestConfigIsCopied: what New was given may change afterwards.
func TestConfigIsCopied(t *testing.T) {
	algorithms, audiences := []string{"ES256", "PS256"}, []string{rigAudience}
	k := newRig(t, func(k *rig) {
		k.config.ProofAlgorithms, k.jwt.Audiences, k.jwt.Algorithms = algorithms, audiences, algorithms
	})
	algorithms[0], audiences[0] = "none", "other"
	raw := k.dpop()
	k.withDPoP(raw, k.proof(raw)).ok(t)
	a := k.call(k.asking())
	a.is(t, c0, token.ErrMissing)
	if line := a.header["Www-Authenticate"][1]; !strings.Contains(line, `algs="ES256 PS256"`) {
		t.Errorf("challenge %q", line)
	}
	t.Run("answers share nothing", func(t *testing.T) {
		a.header["Www-Authenticate"][0] = "spoilt"
		k.call(k.asking()).is(t, c0, token.ErrMissing)
	})
}

func TestConfigsAreClosed(t *testing.T) {
	for _, c := range []any{token.Config{}, token.JWTConfig{}, token.JWKSConfig{}, token.CacheConfig{}} {
		typ := reflect.TypeOf(c)
		if f := typ.Field(0); f.Name != "_" || f.Type.Kind() != reflect.Array || f.Type.Elem().Kind() != reflect.Func || typ.Comparable() {
			t.Errorf("%v can be compared or written without names", typ)
		}
	}
}

// TestBindings: which schemes exist, for each Binding.
func TestBindings(t *testing.T) {
	t.Run("D17: BindingCertificate", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.Binding = token.BindingCertificate })
		raw, both := k.dpop(), k.access().bind(k.both()).compact()
		k.call(k.asking()).is(t, c0, token.ErrMissing)
		k.call(over(k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw)), k.cert)).is(t, c0, token.ErrScheme)
		k.withBearer(raw).is(t, eIT, token.ErrDowngrade)
		k.withBearer(both).is(t, eIT, token.ErrDowngrade)
		k.withBearer(k.access().compact()).is(t, eIT, token.ErrUnbound)
		k.withBearer(k.bearer()).ok(t)
	})
	t.Run("D17: BindingDPoP", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.Binding, k.config.Certificate = token.BindingDPoP, nil })
		raw, both := k.dpop(), k.access().bind(k.both()).compact()
		k.call(k.asking()).is(t, c0, token.ErrMissing)
		k.withBearer(k.bearer()).is(t, c0, token.ErrScheme)
		k.withDPoP(raw, k.proof(raw)).ok(t)
		k.call(over(k.asking("Authorization", "DPoP "+both, "DPoP", k.proof(both)), k.cert)).is(t, eIT, token.ErrNoCertificate)
	})
	t.Run("BindingDPoP with certificates", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.Binding = token.BindingDPoP })
		both := k.access().bind(k.both()).compact()
		k.call(over(k.asking("Authorization", "DPoP "+both, "DPoP", k.proof(both)), k.cert)).ok(t)
		k.call(over(k.asking("Authorization", "DPoP "+both, "DPoP", k.proof(both)), k.other)).is(t, eIT, token.ErrCertificateMismatch)
	})
	t.Run("D17: DangerouslyUnbound", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.Binding = token.DangerouslyUnbound })
		none, bound := k.access().compact(), k.dpop()
		k.call(k.asking("Authorization", "Bearer "+none)).ok(t)
		k.withDPoP(none, k.proof(none)).is(t, eIT, token.ErrNotDPoP)
		k.withBearer(bound).is(t, eIT, token.ErrDowngrade)
		k.call(k.asking("Authorization", "Bearer "+k.bearer())).is(t, eIT, token.ErrNoCertificate)
		k.withBearer(k.access().bind(`{}`).compact()).is(t, eIT, token.ErrConfirmation)
		k.withBearer(k.access().bind(`{"kid":"1"}`).compact()).is(t, eIT, token.ErrConfirmation)
	})
	t.Run("D20: a client registered with dpop_bound_access_tokens", func(t *testing.T) {
		k := newRig(t, func(k *rig) {
			k.config.Admit = func(_ *http.Request, g token.Grant) error {
				if g.Client() == "tpp-1" && g.JKT() == "" {
					return token.ErrUnbound
				}
				return nil
			}
		})
		raw := k.dpop()
		k.withDPoP(raw, k.proof(raw)).ok(t)
		k.withBearer(k.bearer()).is(t, eIT, token.ErrUnbound)
		k.withBearer(k.bearer(claim("client_id", `"tpp-2"`))).ok(t)
	})
	t.Run("NonceNever keeps given Nonces out of use", func(t *testing.T) {
		k := newRig(t, func(k *rig) { withNonces(k); k.config.Nonce = token.NonceNever })
		raw := k.dpop()
		k.withDPoP(raw, k.proof(raw)).ok(t)
	})
	t.Run("the zero NoncePolicy demands", func(t *testing.T) {
		k := newRig(t, func(k *rig) { withNonces(k); k.config.Nonce = 0 })
		raw := k.dpop()
		k.withDPoP(raw, k.proof(raw)).is(t, eUDN, token.ErrNonceMissing)
	})
	t.Run("the zero Binding demands", func(t *testing.T) {
		if token.BindingAny != 0 || token.NonceAlways != 0 {
			t.Error("the zero values are not the strict ones")
		}
	})
	t.Run("NewKeySet", func(t *testing.T) {
		for _, text := range []string{"", "{}", "[]", `{"keys":[]}`, `{"keys":{}}`, `{"keys":[{"kty":"oct","k":"AA"}]}`, "<html>", `{"keys":[],"keys":[]}`} {
			if s, err := token.NewKeySet([]byte(text)); err == nil || s != nil {
				t.Errorf("%q is taken for a key set", text)
			}
		}
	})
}
