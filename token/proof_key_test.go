package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"

	"encoding/asn1"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/token"
)

const sha256ID = crypto.SHA256

func TestProofSignature(t *testing.T) {
	k := newRig(t)
	signed := func(f func(d *draft, s string) []byte) func(*draft) {
		return func(d *draft) { d.signature = func(s string) []byte { return f(d, s) } }
	}
	change := func(f func([]byte) []byte) func(*draft) {
		return signed(func(d *draft, s string) []byte { return f(d.key.sign(s)) })
	}
	zero := make([]byte, 32)
	bad := token.ErrProofSignature
	k.proofs(t, "RFC9449-4.3-6, pitfall-39", []broke{
		{"every byte changed", change(func(b []byte) []byte {
			for i := range b {
				b[i] ^= 0x5a
			}
			return b
		}), bad},
		{"one bit changed", change(func(b []byte) []byte { b[63] ^= 1; return b }), bad},
		{"truncated", change(func(b []byte) []byte { return b[:63] }), bad},
		{"a byte more", change(func(b []byte) []byte { return append(b, 0) }), bad},
		{"a zero before", change(func(b []byte) []byte { return append([]byte{0}, b...) }), bad},
		{"a zero between r and s", change(func(b []byte) []byte { return append(append(b[:32:32], 0), b[32:]...) }), bad},
		{"empty", change(func([]byte) []byte { return nil }), bad},
		{"too long", change(func([]byte) []byte { return make([]byte, 4096) }), bad},
		{"DER", signed(func(d *draft, s string) []byte {
			b := d.key.sign(s)
			der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:])})
			must(err)
			return der
		}), bad},
		{"r is zero", change(func(b []byte) []byte { copy(b, zero); return b }), bad},
		{"s is zero", change(func(b []byte) []byte { copy(b[32:], zero); return b }), bad},
		{"both are zero", change(func([]byte) []byte { return make([]byte, 64) }), bad},
		{"r is the order", change(func(b []byte) []byte { order().FillBytes(b[:32]); return b }), bad},
		{"swapped", change(func(b []byte) []byte { return append(b[32:64:64], b[:32]...) }), bad},
		{"by another key", signed(func(_ *draft, s string) []byte { return k.es.sign(s) }), bad},
		{"of another text", signed(func(d *draft, s string) []byte { return d.key.sign(s + "x") }), bad},
		{"header changed", func(d *draft) {
			d.compose = func(h, c, s string) string {
				d.header.set("x", "1")
				return enc64(d.header.String()) + "." + c + "." + s
			}
		}, bad},
		{"claims changed", func(d *draft) {
			d.compose = func(h, c, s string) string {
				d.claims.set("x", "1")
				return h + "." + enc64(d.claims.String()) + "." + s
			}
		}, bad},
		{"RFC7515-5.2-1: other spare bits", func(d *draft) {
			d.compose = func(h, c, s string) string { return h + "." + c + "." + s[:len(s)-1] + string(spare(s[len(s)-1])) }
		}, bad},
	})
	ps := newPair(jose.PS256, "")
	raw := k.access().bind(`{"jkt":` + quote(ps.jkt) + `}`).compact()
	for name, f := range map[string]func(string) []byte{
		"salt of 0":        func(s string) []byte { return signPSS(rsaKey(), s, 0) },
		"salt of 20":       func(s string) []byte { return signPSS(rsaKey(), s, 20) },
		"the longest salt": func(s string) []byte { return signPSS(rsaKey(), s, rsa.PSSSaltLengthAuto) },
		"PKCS #1 v1.5":     func(s string) []byte { return signPKCS1(rsaKey(), s) },
		"truncated":        func(s string) []byte { return ps.sign(s)[:255] },
	} {
		t.Run("D1, RFC9449-4.3-6, RFC7518-3.5: "+name, func(t *testing.T) {
			d := k.proofBy(ps, raw)
			d.signature = f
			k.withDPoP(raw, d.compact()).is(t, eIDP, bad)
		})
	}
	ed := newPair(jose.EdDSA, "")
	raw = k.access().bind(`{"jkt":` + quote(ed.jkt) + `}`).compact()
	t.Run("RFC9449-4.3-6: Ed25519", func(t *testing.T) {
		d := k.proofBy(ed, raw)
		d.signature = func(s string) []byte { b := ed.sign(s); b[5] ^= 1; return b }
		k.withDPoP(raw, d.compact()).is(t, eIDP, bad)
		d = k.proofBy(ed, raw)
		d.signature = func(s string) []byte { return ed.sign(s)[:63] }
		k.withDPoP(raw, d.compact()).is(t, eIDP, bad)
	})
}

// spare gives another character of base64url that decodes to the same leading bits.
func spare(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func order() *big.Int {
	n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	return n
}

func TestProofKey(t *testing.T) {
	k := newRig(t)
	ec := k.client.private.(*ecdsa.PrivateKey)
	d, err := ec.Bytes()
	must(err)
	with := func(base object, members ...jsonMember) func(*draft) {
		return func(d *draft) {
			jwk := append(object{}, base...)
			for _, m := range members {
				jwk.set(m.name, m.json)
			}
			d.header.set("jwk", jwk.String())
			switch {
			case strings.Contains(jwk.String(), "RSA"):
				d.header.set("alg", `"PS256"`)
			case strings.Contains(jwk.String(), "OKP"):
				d.header.set("alg", `"EdDSA"`)
			}
		}
	}
	base, rs, ed := k.client.jwk, k.ps.jwk, k.ed.jwk
	bad := token.ErrProofKey
	private := quote(enc64(d))
	list := []broke{{"d of EC", with(base, jsonMember{"d", private}), bad}, {"d of OKP", with(ed, jsonMember{"d", private}), bad},
		{"oct", header("jwk", `{"kty":"oct","k":`+private+`}`), bad}, {"k beside EC", with(base, jsonMember{"k", private}), bad},
		{"d is null", with(base, jsonMember{"d", `null`}), bad}, {"D", with(base, jsonMember{"D", private}), bad}}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth"} {
		list = append(list, broke{name + " of RSA", with(rs, jsonMember{name, private}), bad})
	}
	k.proofs(t, "D3, RFC9449-4.3-7, pitfall-42", list)
	t.Run("RFC9449-4.3-7: private members are not recorded", func(t *testing.T) {
		raw := k.dpop()
		a := k.withDPoP(raw, k.proof(raw, with(base, jsonMember{"d", private})))
		a.is(t, eIDP, bad)
		for _, m := range a.records[0] {
			if s, ok := m.(string); ok && strings.Contains(s, private[1:20]) {
				t.Errorf("recorded %q", s)
			}
		}
	})
	x, y := base[2].json, base[3].json
	coordinate := func(n int) string { return quote(enc64(make([]byte, n))) }
	num := func(n *big.Int) string { return quote(enc64(n.Bytes())) }
	odd := func(bits int) string {
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return num(n.SetBit(n, 0, 1))
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(err)
	k.proofs(t, "RFC9449-4.3-7b, pitfall-44", []broke{
		{"off the curve", with(base, jsonMember{"y", x}), bad}, {"swapped coordinates", with(base, jsonMember{"x", y}, jsonMember{"y", x}), bad},
		{"the origin", with(base, jsonMember{"x", coordinate(32)}, jsonMember{"y", coordinate(32)}), bad},
		{"x short", with(base, jsonMember{"x", coordinate(31)}), bad}, {"x long", with(base, jsonMember{"x", coordinate(33)}), bad},
		{"y short", with(base, jsonMember{"y", coordinate(31)}), bad}, {"y absent", func(d *draft) { o := base[:3]; d.header.set("jwk", o.String()) }, bad},
		{"x padded", with(base, jsonMember{"x", x[:len(x)-1] + `="`}), bad}, {"P-384", with(base, jsonMember{"crv", `"P-384"`}), bad},
		{"P-192", with(base, jsonMember{"crv", `"P-192"`}), bad}, {"secp256k1", with(base, jsonMember{"crv", `"secp256k1"`}), bad},
		{"p-256", with(base, jsonMember{"crv", `"p-256"`}), bad}, {"kty unknown", with(base, jsonMember{"kty", `"AKP"`}), bad},
		{"RSA of 1024 bits", with(rsaJWK(&weak.PublicKey)), bad}, {"RSA of 2047 bits", with(rs, jsonMember{"n", odd(2047)}), bad},
		{"RSA of 16384 bits", with(rs, jsonMember{"n", odd(16384)}), bad}, {"RSA of 4097 bits", with(rs, jsonMember{"n", odd(4097)}), bad},
		{"RSA, even modulus", with(rs, jsonMember{"n", num(new(big.Int).Lsh(big.NewInt(1), 2047))}), bad},
		{"e is 1", with(rs, jsonMember{"e", `"AQ"`}), bad}, {"e is 2", with(rs, jsonMember{"e", `"Ag"`}), bad}, {"e is even", with(rs, jsonMember{"e", num(big.NewInt(65536))}), bad},
		{"e of 5 bytes", with(rs, jsonMember{"e", num(big.NewInt(1<<33 + 1))}), bad}, {"e with a leading zero", with(rs, jsonMember{"e", `"AAEAAQ"`}), bad},
		{"n with a leading zero", with(rs, jsonMember{"n", quote(enc64(append([]byte{0}, rsaKey().N.Bytes()...)))}), bad},
		{"e absent", func(d *draft) { o := rs[1:]; d.header.set("alg", `"PS256"`); d.header.set("jwk", o.String()) }, bad},
		{"Ed448", with(ed, jsonMember{"crv", `"Ed448"`}), bad}, {"X25519", with(ed, jsonMember{"crv", `"X25519"`}), bad},
		{"Ed25519 key short", with(ed, jsonMember{"x", coordinate(31)}), bad},
		{"use enc", with(base, jsonMember{"use", `"enc"`}), bad}, {"key_ops without verify", with(base, jsonMember{"key_ops", `["sign"]`}), bad},
		{"key_ops empty", with(base, jsonMember{"key_ops", `[]`}), bad}, {"kty twice", func(d *draft) {
			d.header.set("jwk", append(append(object{}, base...), jsonMember{"kty", `"EC"`}).String())
		}, token.ErrProofMalformed},
		{"X beside x", with(base, jsonMember{"X", x}), bad},
	})
}
