package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/tegata-go/tegata/internal/jose"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

const (
	// RFC 7638 §3.1
	rfc7638 = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	// RFC 8037 §A.2
	rfc8037 = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	// RFC 9449 §4.1
	rfc9449 = `{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`
)

func TestThumbprints(t *testing.T) {
	for _, c := range []struct{ id, key, want string }{
		{"RFC7638-3", rfc7638, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"RFC8037-A", rfc8037, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
		{"RFC9449-6.1-1", rfc9449, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
	} {
		t.Run(c.id, func(t *testing.T) {
			key, err := jose.ParseKey(c.key)
			if err != nil || key.Thumbprint.String() != c.want {
				t.Fatal(key.Thumbprint, err)
			}
			theirs, err := jwk.ParseKey([]byte(c.key))
			if err != nil {
				t.Fatal(err)
			}
			sum, err := theirs.Thumbprint(crypto.SHA256)
			if err != nil || b64(sum) != c.want {
				t.Fatal(b64(sum), err)
			}
			// extra members and another order change nothing
			var m map[string]any
			if err := json.Unmarshal([]byte(c.key), &m); err != nil {
				t.Fatal(err)
			}
			m["kid"], m["x-extra"], m["use"] = "other", []int{1}, "sig"
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if key, err := jose.ParseKey(string(b)); err != nil || key.Thumbprint.String() != c.want {
				t.Fatal(key.Thumbprint, err)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	const good = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	if d, ok := jose.ParseDigest(good); !ok || d.String() != good {
		t.Fatal(d, ok)
	}
	for _, s := range []string{"", good[:42], good + "=", good + "A", good[:42] + "J", " " + good[1:], good[:20] + "\n" + good[21:], strings.ReplaceAll(good, "-", "+"), strings.Repeat("a1", 32)} {
		if _, ok := jose.ParseDigest(s); ok {
			t.Errorf("%q accepted", s)
		}
	}
}

func TestKeysRefused(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	huge := b64(append([]byte{0xff}, make([]byte, 2047)...))
	x, y := "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
	n := strings.Split(strings.Split(rfc7638, `"n":"`)[1], `"`)[0]
	ec := func(more string) string {
		return `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"` + more + `}`
	}
	for _, c := range []struct{ id, key string }{
		{"RFC9449-4.3-7 EC d", ec(`,"d":"AA"`)},
		{"RFC9449-4.3-7 d null", ec(`,"d":null`)},
		{"RFC9449-4.3-7 RSA p", strings.Replace(rfc7638, `"alg"`, `"p":"AA","alg"`, 1)},
		{"RFC9449-4.3-7 RSA oth", strings.Replace(rfc7638, `"alg"`, `"oth":[],"alg"`, 1)},
		{"RFC9449-4.3-7 OKP d", strings.Replace(rfc8037, `"x"`, `"d":"AA","x"`, 1)},
		{"pitfall-43", `{"kty":"oct","k":"AAAA"}`},
		{"pitfall-43 kty oct", `{"kty":"oct"}`},
		{"pitfall-44 off curve", strings.Replace(ec(""), y, x, 1)},
		{"pitfall-44 point at zero", `{"kty":"EC","crv":"P-256","x":"` + b64(make([]byte, 32)) + `","y":"` + b64(make([]byte, 32)) + `"}`},
		{"short x", strings.Replace(ec(""), x, b64(make([]byte, 31)), 1)},
		{"long x", strings.Replace(ec(""), x, b64(append([]byte{0}, make([]byte, 32)...)), 1)},
		{"curve", strings.Replace(ec(""), "P-256", "P-384", 1)},
		{"FAPI2-SP-5.4.1-2", `{"kty":"RSA","e":"AQAB","n":"` + b64(small.N.Bytes()) + `"}`},
		{"16k modulus", `{"kty":"RSA","e":"AQAB","n":"` + huge + `"}`},
		{"e=1", strings.Replace(rfc7638, "AQAB", "AQ", 1)},
		{"e even", strings.Replace(rfc7638, "AQAB", "AQAC", 1)},
		{"e 2^32+1", strings.Replace(rfc7638, "AQAB", "AQAAAAE", 1)},
		{"e leading zero", strings.Replace(rfc7638, "AQAB", "AAEAAQ", 1)},
		{"n leading zero", strings.Replace(rfc7638, n, b64(append([]byte{0}, decode(t, n)...)), 1)},
		{"n even", strings.Replace(rfc7638, n, b64(new(big.Int).Add(new(big.Int).SetBytes(decode(t, n)), big.NewInt(1)).Bytes()), 1)},
		{"Ed448", strings.Replace(rfc8037, "Ed25519", "Ed448", 1)},
		{"X25519", strings.Replace(rfc8037, "Ed25519", "X25519", 1)},
		{"use enc", ec(`,"use":"enc"`)},
		{"use null", ec(`,"use":null`)},
		{"key_ops", ec(`,"key_ops":["sign"]`)},
		{"key_ops type", ec(`,"key_ops":"verify"`)},
		{"pitfall-12 duplicate", ec(`,"x":"` + x + `"`)},
		{"pitfall-12 case", ec(`,"X":"` + x + `"`)},
		{"padded", strings.Replace(ec(""), x, x+"=", 1)},
		{"standard alphabet", strings.Replace(ec(""), x, strings.ReplaceAll(x, "-", "+"), 1)},
		{"new line", strings.Replace(ec(""), x, x[:10]+`\n`+x[10:], 1)},
		{"kty missing", `{"crv":"P-256","x":"` + x + `","y":"` + y + `"}`},
		{"kty unknown", `{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`},
		{"array", `[]`}, {"null", `null`}, {"empty", ``}, {"x number", `{"kty":"EC","crv":"P-256","x":1,"y":"` + y + `"}`},
	} {
		t.Run(c.id, func(t *testing.T) {
			if _, err := jose.ParseKey(c.key); err == nil {
				t.Fatal("accepted")
			}
		})
	}
	for _, more := range []string{"", `,"use":"sig"`, `,"key_ops":["verify","sign"]`, `,"ext":true`} {
		if _, err := jose.ParseKey(ec(more)); err != nil {
			t.Fatal(more, err)
		}
	}
}

func decode(t *testing.T, s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSet(t *testing.T) {
	set := `{"keys":[{"kty":"AKP","kid":"pq"},{"kty":"oct","k":"AA","kid":"a"},` + strings.Replace(rfc9449, `{`, `{"kid":"a","kid":"b",`, 1) + `,` +
		strings.Replace(rfc9449, `{`, `{"kid":"a",`, 1) + `,7,null,` + rfc7638 + `,` + strings.Replace(rfc8037, `{`, `{"kid":"a","d":"AA",`, 1) + `],"other":{"x":1,"x":2}}`
	keys, skipped, err := jose.ParseSet(set)
	if err != nil || len(keys) != 2 || skipped != 6 || keys[0].ID != "a" || keys[1].ID != "2011-04-29" {
		t.Fatal(keys, skipped, err)
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"keys":{}}`, `{"keys":[]}x`, `{"keys":[],"keys":[]}`, `<html>`, `{"keys":[` + strings.Repeat(`{},`, jose.MaxKeys) + `{}]}`} {
		if _, _, err := jose.ParseSet(bad); err == nil {
			t.Errorf("%.20q accepted", bad)
		}
	}
}

func signers(t testing.TB) map[string]func(signed string) ([]byte, crypto.PublicKey) {
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pub, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards := func(s string) ([]byte, crypto.PublicKey) { return ed25519.Sign(ed, []byte(s)), pub }
	return map[string]func(string) ([]byte, crypto.PublicKey){
		"ES256": func(s string) ([]byte, crypto.PublicKey) { return rs(t, e, s), &e.PublicKey },
		"PS256": func(s string) ([]byte, crypto.PublicKey) {
			return pss(t, p, s, rsa.PSSSaltLengthEqualsHash), &p.PublicKey
		},
		"EdDSA": edwards, "Ed25519": edwards,
	}
}

func rs(t testing.TB, k *ecdsa.PrivateKey, s string) []byte {
	d := sha256.Sum256([]byte(s))
	r, v, err := ecdsa.Sign(rand.Reader, k, d[:])
	if err != nil {
		t.Fatal(err)
	}
	var out [64]byte
	r.FillBytes(out[:32])
	v.FillBytes(out[32:])
	return out[:]
}

func pss(t testing.TB, k *rsa.PrivateKey, s string, salt int) []byte {
	d := sha256.Sum256([]byte(s))
	sig, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, d[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func verify(t testing.TB, signed string, sig []byte, key crypto.PublicKey, alg string) bool {
	j, err := jose.Split(signed + "." + b64(sig))
	return err == nil && j.Verify(key, alg)
}

func TestVerify(t *testing.T) {
	all := signers(t)
	for alg, sign := range all {
		t.Run("FAPI2-SP-5.4.1-1.2 "+alg, func(t *testing.T) {
			for i := range 40 { // short r or s come up
				signed := b64([]byte(`{}`)) + "." + b64(fmt.Append(nil, i))
				sig, key := sign(signed)
				if !verify(t, signed, sig, key, alg) {
					t.Fatal("a good signature is refused")
				}
				for _, other := range []string{"none", "NONE", "HS256", "RS256", "ES384", "ES256K", "PS384", "", "es256"} {
					if verify(t, signed, sig, key, other) {
						t.Fatal("verified as", other)
					}
				}
				bad := append([]byte(nil), sig...)
				for i := range bad {
					bad[i] ^= 0x5a
				}
				for name, s := range map[string][]byte{"xor": bad, "empty": nil, "short": sig[:len(sig)-1], "long": append(append([]byte(nil), sig...), 0), "zero": make([]byte, len(sig)), "huge": make([]byte, 4096)} {
					if verify(t, signed, s, key, alg) {
						t.Fatal(name, "accepted")
					}
				}
				if verify(t, b64([]byte(`{}`))+"."+b64([]byte("other")), sig, key, alg) {
					t.Fatal("another text accepted")
				}
			}
		})
	}
	t.Run("RFC7518-3.3 alg fixed to the key", func(t *testing.T) {
		for alg, sign := range all {
			signed := "e30.e30"
			sig, key := sign(signed)
			for other := range all {
				_, edwards := key.(ed25519.PublicKey)
				same := alg == other || edwards && (other == "EdDSA" || other == "Ed25519")
				if verify(t, signed, sig, key, other) != same {
					t.Fatal(alg, other)
				}
			}
		}
	})
}

func TestSignatureForms(t *testing.T) {
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const signed = "e30.e30"
	good := rs(t, e, signed)
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(good[:32]), new(big.Int).SetBytes(good[32:])})
	if err != nil {
		t.Fatal(err)
	}
	order := elliptic.P256().Params().N.FillBytes(make([]byte, 32))
	d := sha256.Sum256([]byte(signed))
	pkcs, err := rsa.SignPKCS1v15(rand.Reader, p, crypto.SHA256, d[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id  string
		sig []byte
		key crypto.PublicKey
		alg string
	}{
		{"RFC7518-3.4 DER", der, &e.PublicKey, "ES256"},
		{"RFC7518-3.4 swapped", append(append([]byte(nil), good[32:]...), good[:32]...), &e.PublicKey, "ES256"},
		{"RFC7518-3.4 r zero", append(make([]byte, 32), good[32:]...), &e.PublicKey, "ES256"},
		{"RFC7518-3.4 s zero", append(append([]byte(nil), good[:32]...), make([]byte, 32)...), &e.PublicKey, "ES256"},
		{"RFC7518-3.4 r = n", append(append([]byte(nil), order...), good[32:]...), &e.PublicKey, "ES256"},
		{"RFC7518-3.5 salt 0", pss(t, p, signed, 0), &p.PublicKey, "PS256"},
		{"RFC7518-3.5 salt 20", pss(t, p, signed, 20), &p.PublicKey, "PS256"},
		{"RFC7518-3.5 PKCS1v15", pkcs, &p.PublicKey, "PS256"},
	} {
		t.Run(c.id, func(t *testing.T) {
			if verify(t, signed, c.sig, c.key, c.alg) {
				t.Fatal("accepted")
			}
		})
	}
}

func TestSplit(t *testing.T) {
	for _, bad := range []string{"", ".", "..x", "e30", "e30.e30", "e30.e30.e30.e30", "e30.e30.e30.e30.e30", "e30=.e30.", "e30.e31.", "e3 0.e30.", "e30.e\n30.", "+w.e30.", strings.Repeat(".", 10000)} {
		if j, err := jose.Split(bad); err == nil && j.Header != "" {
			t.Errorf("%.20q accepted: %+v", bad, j)
		}
	}
	j, err := jose.Split("e30.e30.AAAA")
	if err != nil || j.Header != "{}" || j.Payload != "{}" || j.Signed != "e30.e30" {
		t.Fatal(j, err)
	}
}

// The law: what is read as a key gives the same thumbprint and point as jwx reads.
func FuzzParseKey(f *testing.F) {
	seeds := []string{rfc7638, rfc8037, rfc9449, `{"kty":"oct","k":"AA"}`}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, err := jose.ParseKey(s)
		if err != nil {
			if ours.Public != nil {
				t.Fatal("an error and a key")
			}
			return
		}
		if ours.Algorithm != "" && !slices.Contains(jose.Algorithms(), ours.Algorithm) {
			return // jwx refuses unknown names; here such a key serves nothing
		}
		theirs, err := jwk.ParseKey([]byte(s))
		if err != nil {
			t.Fatalf("%q: accepted, jwx says %v", s, err)
		}
		sum, err := theirs.Thumbprint(crypto.SHA256)
		if err != nil || b64(sum) != ours.Thumbprint.String() {
			t.Fatalf("%q: %s, jwx %s %v", s, ours.Thumbprint, b64(sum), err)
		}
	})
}

func TestErrorsDoNotQuote(t *testing.T) {
	for _, err := range []error{jose.ErrBase64, jose.ErrKey, jose.ErrPrivateKey} {
		if _, got := jose.ParseKey(`{"kty":"EC","x":"sEcReT"}`); strings.Contains(got.Error(), "sEcReT") || errors.Is(got, nil) {
			t.Fatal(err, got)
		}
	}
}

// The law: the parts that were read are written again as they came.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"e30.e30.AAAA", "e30.e30.", "e30..", "e31.e30.AA", "e30.e30.e30.e30.e30", "e3\n0.e30.AA", ".."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := jose.Split(s)
		if err != nil {
			if j != (jose.JWS{}) {
				t.Fatal("an error and parts")
			}
			return
		}
		if again := b64([]byte(j.Header)) + "." + b64([]byte(j.Payload)); again != j.Signed || !strings.HasPrefix(s, again+".") || strings.Count(s, ".") != 2 {
			t.Fatalf("%q: %q", s, again)
		}
	})
}

// The law: a set gives the keys that its elements give one by one, in order, and counts the others.
func FuzzParseSet(f *testing.F) {
	for _, s := range []string{`{"keys":[` + rfc7638 + `,7,` + rfc8037 + `]}`, `{"keys":[]}`, `{"keys":{}}`, `{"keys":[{"a":1,"a":2}],"keys":[]}`, `[]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		keys, skipped, err := jose.ParseSet(s)
		if err != nil {
			return
		}
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal([]byte(s), &set); err != nil {
			t.Fatalf("%q: accepted, encoding/json says %v", s, err)
		}
		if strings.Count(strings.ToLower(s), "keys") != 1 {
			return // encoding/json folds names, and takes the last
		}
		var alone []string
		for _, one := range set.Keys {
			if k, err := jose.ParseKey(string(one)); err == nil {
				alone = append(alone, k.ID+k.Thumbprint.String())
			}
		}
		var together []string
		for _, k := range keys {
			together = append(together, k.ID+k.Thumbprint.String())
		}
		if len(keys)+skipped != len(set.Keys) || !slices.Equal(alone, together) {
			t.Fatalf("%q: %d keys, %d skipped of %d", s, len(keys), skipped, len(set.Keys))
		}
	})
}

// The law: what is read as a digest is written as it was read.
func FuzzParseDigest(f *testing.F) {
	f.Add(strings.Repeat("A", 43))
	f.Add(strings.Repeat("A", 42) + "B")
	f.Add(strings.Repeat("A", 42) + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := jose.ParseDigest(s); ok && d.String() != s {
			t.Fatalf("%q is %q", s, d)
		}
	})
}
