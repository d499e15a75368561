package token_test

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/token"
)

func TestProofAlgorithms(t *testing.T) {
	k := newRig(t)
	for _, alg := range []string{jose.ES256, jose.PS256, jose.EdDSA, jose.Ed25519} {
		t.Run("D1, RFC9449-4.3-5, FAPI2-SP-5.4.1-1.2: "+alg, func(t *testing.T) {
			p := newPair(alg, "")
			raw := k.access().bind(`{"jkt":` + quote(p.jkt) + `}`).compact()
			k.withDPoP(raw, k.proofBy(p, raw).compact()).ok(t)
			d := k.proofBy(p, raw)
			jwk := append(object{{"kid", `"1"`}, {"alg", quote(alg)}, {"use", `"sig"`}, {"key_ops", `["verify"]`}, {"ext", `true`}}, p.jwk...)
			d.header.set("jwk", jwk.String())
			k.withDPoP(raw, d.compact()).ok(t)
		})
	}
	secret := func(key string) func(*draft) {
		return func(d *draft) {
			d.header.set("alg", `"HS256"`)
			d.signature = func(signed string) []byte {
				m := hmac.New(sha256.New, []byte(key))
				m.Write([]byte(signed))
				return m.Sum(nil)
			}
		}
	}
	bad := token.ErrProofAlgorithm
	list := []broke{
		{"none", func(d *draft) {
			d.header = object{{"alg", `"none"`}, {"typ", `"dpop+jwt"`}}
			d.signature = func(string) []byte { return nil }
		}, bad},
		{"none with the key", func(d *draft) { d.header.set("alg", `"none"`); d.signature = func(string) []byte { return nil } }, bad},
		{"HS256 under the JWK's text", secret(k.client.jwk.String()), bad},
		{"HS256 under x", secret(k.client.jwk[2].json), bad},
		{"pitfall-43: HS256 with an oct key", func(d *draft) {
			d.header.set("jwk", `{"kty":"oct","k":"c2VjcmV0"}`)
			secret("secret")(d)
		}, bad},
		{"an oct key under ES256", header("jwk", `{"kty":"oct","k":"c2VjcmV0"}`), token.ErrProofKey},
		{"alg of the JWK is another", func(d *draft) { d.header.set("jwk", append(object{{"alg", `"PS256"`}}, k.client.jwk...).String()) }, bad},
		{"an RSA key under ES256", header("jwk", k.ps.jwk.String()), bad},
		{"an Ed25519 key under ES256", header("jwk", k.ed.jwk.String()), bad},
		{"EC key under EdDSA", header("alg", `"EdDSA"`), bad},
		{"RS256 with a good signature", func(d *draft) {
			d.header.set("alg", `"RS256"`)
			d.header.set("jwk", k.ps.jwk.String())
			d.signature = func(signed string) []byte { return signPKCS1(rsaKey(), signed) }
		}, bad},
	}
	for _, alg := range []string{"NONE", "None", "nOnE", "HS384", "HS512", "RS256", "RS384", "PS384", "PS512", "ES384", "ES512", "ES256K", "Ed448", "es256", "ES256 ", "ES256\u0000"} {
		list = append(list, broke{"alg " + alg, header("alg", quote(alg)), bad})
	}
	k.proofs(t, "RFC9449-4.3-5, RFC9449-11.6", list)
	t.Run("D2, D18: ProofAlgorithms", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.ProofAlgorithms = []string{jose.PS256} })
		raw := k.dpop()
		a := k.withDPoP(raw, k.proof(raw))
		a.is(t, eIDP, token.ErrProofAlgorithm)
		if line := a.header["Www-Authenticate"][1]; !strings.Contains(line, `algs="PS256"`) {
			t.Errorf("challenge %q", line)
		}
	})
}

func signPKCS1(k *rsa.PrivateKey, signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	b, err := rsa.SignPKCS1v15(nil, k, sha256ID, digest[:])
	must(err)
	return b
}

// TestHeaderName: Go's canonical form is Dpop, whatever was sent.
func TestHeaderName(t *testing.T) {
	k := newRig(t)
	for _, name := range []string{"DPOP", "dpop", "DPoP", "Dpop"} {
		t.Run("RFC9449-4.1-1 "+name, func(t *testing.T) {
			raw := k.dpop()
			r := k.asking("Authorization", "DPoP "+raw)
			r.Header = http.Header{"Authorization": r.Header["Authorization"]}
			r.Header.Set(name, k.proof(raw))
			k.call(r).ok(t)
		})
	}
}
