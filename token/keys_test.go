package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/token"
)

// TestWeakKeys: whatever a KeySource of one's own gives, keys that are too weak verify nothing.
func TestWeakKeys(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	exponent := rsaKey().PublicKey
	exponent.E = 1
	even := rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}
	for name, key := range map[string]token.Key{
		"RSA of 1024 bits": {Public: &weak.PublicKey}, "P-384": {Public: &p384.PublicKey}, "RSA with exponent 1": {Public: &exponent}, "RSA, even": {Public: &even},
		"nil": {}, "a secret": {Public: []byte("secret")}, "RSA key by value": {Public: rsaKey().PublicKey}, "for another algorithm": {Public: &rsaKey().PublicKey, Algorithm: "RS256"},
		"nil RSA": {Public: (*rsa.PublicKey)(nil)}, "nil EC": {Public: (*ecdsa.PublicKey)(nil)},
	} {
		t.Run("FAPI2-SP-5.4.1-2, FAPI2-SP-5.4.1-3 "+name, func(t *testing.T) {
			k := newRig(t, func(k *rig) {
				k.jwt.Keys = token.KeySourceFunc(func(context.Context, string) ([]token.Key, error) { return []token.Key{key}, nil })
			})
			for _, p := range []*pair{k.es, k.ps, k.ed} {
				k.withBearer(k.bearer(func(d *draft) { d.by(p) })).is(t, eIT, token.ErrUnknownKey)
			}
		})
	}
}

// TestOneKid: keys of one kid are all tried, each for its own kind, but not without end.
func TestOneKid(t *testing.T) {
	keys := []object{}
	k := newRig(t)
	add := func(p *pair, more ...jsonMember) {
		o := p.published()
		o.set("kid", `"one"`)
		keys = append(keys, append(o, more...))
	}
	spares := newPair(jose.ES256, "")
	add(k.ps)
	add(spares)
	add(k.ed)
	add(k.es)
	enc := spares.published()
	enc.set("kid", `"one"`)
	enc.set("use", `"enc"`)
	keys = append(keys, enc)
	k.jwt.Keys, _ = token.NewKeySet([]byte(keySetOf(keys...)))
	k.build()
	for _, p := range []*pair{k.es, k.ps, k.ed} {
		t.Run("T2, FAPI2-SP-5.4.3, pitfall-35 "+p.alg, func(t *testing.T) {
			k.withBearer(k.bearer(func(d *draft) { d.by(p) }, header("kid", `"one"`))).ok(t)
		})
	}
	t.Run("FAPI2-SP-5.4.3: none verifies", func(t *testing.T) {
		k.withBearer(k.bearer(func(d *draft) { d.key = newPair(jose.ES256, "") }, header("kid", `"one"`))).is(t, eIT, token.ErrSignature)
	})
	t.Run("at most a few are tried", func(t *testing.T) {
		tried := 0
		k := newRig(t, func(k *rig) {
			k.jwt.Keys = token.KeySourceFunc(func(context.Context, string) ([]token.Key, error) {
				list := make([]token.Key, 200)
				for i := range list {
					list[i].Public = spares.private.Public()
				}
				list[150].Public = k.es.private.Public()
				tried++
				return list, nil
			})
		})
		k.withBearer(k.bearer()).is(t, eIT, token.ErrSignature)
	})
}

// What a stranger does to a key that Find gave changes no key of ours.
func TestKeysAreCopied(t *testing.T) {
	k := newRig(t)
	for _, p := range []*pair{k.es, k.ps, k.ed} {
		for range 2 {
			keys, err := k.jwt.Keys.Find(context.Background(), p.kid)
			if err != nil || len(keys) != 1 {
				t.Fatal(keys, err)
			}
			switch key := keys[0].Public.(type) {
			case *ecdsa.PublicKey:
				*key = ecdsa.PublicKey{}
			case *rsa.PublicKey:
				key.N.SetInt64(7)
			case ed25519.PublicKey:
				clear(key)
			}
			keys[0] = token.Key{}
			k.withBearer(k.bearer(func(d *draft) { d.by(p) })).ok(t)
		}
	}
}
