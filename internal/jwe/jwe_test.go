package jwe_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	xjwe "github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/tegata-go/tegata/internal/jwe"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type pair struct {
	raw     any
	private string // a set
	public  string
}

func keys(t testing.TB) map[string]pair {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, r := sets(t, ec, "e"), sets(t, rs, "r")
	return map[string]pair{jwe.ECDHES: e, jwe.ECDHESA256KW: e, jwe.RSAOAEP256: r}
}

func sets(t testing.TB, raw any, kid string) pair {
	k, err := jwk.Import(raw)
	if err != nil {
		t.Fatal(err)
	}
	_ = k.Set("kid", kid)
	_ = k.Set("use", "enc")
	pub, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	text := func(k jwk.Key) string {
		b, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		return `{"keys":[` + string(b) + `]}`
	}
	return pair{raw, text(k), text(pub)}
}

func algorithm(t testing.TB, name string) jwa.KeyEncryptionAlgorithm {
	alg, ok := jwa.LookupKeyEncryptionAlgorithm(name)
	if !ok {
		t.Fatal(name)
	}
	return alg
}

func open(set, compact string) ([]byte, error) {
	m, err := jwe.Split(compact)
	if err != nil {
		return nil, err
	}
	private, err := jwe.ParsePrivateSet(set)
	if err != nil {
		return nil, err
	}
	return m.Open(private[0])
}

func theirs(t testing.TB, alg string, k pair, enc jwa.ContentEncryptionAlgorithm, more ...xjwe.EncryptOption) string {
	public, err := jwk.PublicRawKeyOf(k.raw)
	if err != nil {
		t.Fatal(err)
	}
	out, err := xjwe.Encrypt([]byte("plain"), append(more, xjwe.WithKey(algorithm(t, alg), public), xjwe.WithContentEncryption(enc))...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// jwx opens what is sealed here, and what jwx seals is opened here.
func TestBothWays(t *testing.T) {
	for alg, k := range keys(t) {
		t.Run("RFC7516-5.2-2 "+alg, func(t *testing.T) {
			if plain, err := open(k.private, theirs(t, alg, k, jwa.A256GCM())); err != nil || string(plain) != "plain" {
				t.Fatal(string(plain), err)
			}
			public, err := jwe.ParsePublicSet(k.public)
			if err != nil || len(public) != 1 {
				t.Fatal(err)
			}
			e, err := jwe.NewEnvelope(public[0], alg)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := e.Seal([]byte("plain"), map[string]string{"cty": "JWT"})
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := xjwe.Decrypt([]byte(ours), xjwe.WithKey(algorithm(t, alg), k.raw)); err != nil || string(plain) != "plain" {
				t.Fatal(string(plain), err)
			}
			if plain, err := open(k.private, ours); err != nil || string(plain) != "plain" {
				t.Fatal(string(plain), err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	all := keys(t)
	for alg, k := range all {
		good := theirs(t, alg, k, jwa.A256GCM())
		parts := strings.Split(good, ".")
		for i := range good { // every byte counts
			if good[i] == '.' {
				continue
			}
			c := byte('A')
			if good[i] == c {
				c = 'B'
			}
			if _, err := open(k.private, good[:i]+string(c)+good[i+1:]); err == nil {
				t.Fatal(alg, "byte", i, "changed and opened")
			}
		}
		for name, bad := range map[string]string{
			"RFC7516-5.2-1 four parts":          strings.Join(parts[:4], "."),
			"RFC7516-5.2-1 six parts":           good + ".",
			"RFC7516-5.2-1 ten thousand dots":   strings.Repeat(".", 10000),
			"RFC7516-5.2-1 duplicate":           rehead(parts, func(h string) string { return strings.Replace(h, `{`, `{"alg":"dir",`, 1) }),
			"pitfall-26 RFC7516-zip":            rehead(parts, func(h string) string { return strings.Replace(h, `{`, `{"zip":"DEF",`, 1) }),
			"pitfall-27 p2c":                    rehead(parts, func(h string) string { return strings.Replace(h, `{`, `{"p2c":1000000000,`, 1) }),
			"crit":                              rehead(parts, func(h string) string { return strings.Replace(h, `{`, `{"crit":["exp"],`, 1) }),
			"pitfall-28 dir":                    rehead(parts, func(h string) string { return strings.Replace(h, alg, "dir", 1) }),
			"FAPI1-ADV-8.6.1 RSA1_5":            rehead(parts, func(h string) string { return strings.Replace(h, alg, "RSA1_5", 1) }),
			"RFC7518-4.3 RSA-OAEP":              rehead(parts, func(h string) string { return strings.Replace(h, alg, "RSA-OAEP", 1) }),
			"RFC7518-5.2.2 A128CBC-HS256":       theirs(t, alg, k, jwa.A128CBC_HS256()),
			"RFC7516-5.2-2 A128GCM":             theirs(t, alg, k, jwa.A128GCM()),
			"RFC7518-5.3 short tag":             strings.Join(append(parts[:4:4], b64([]byte("short"))), "."),
			"RFC7518-5.3 long iv":               strings.Join([]string{parts[0], parts[1], b64(make([]byte, 16)), parts[3], parts[4]}, "."),
			"RFC7518-4.6 epk off the curve":     rehead(parts, func(h string) string { return strings.Replace(h, `"x":"`, `"x":"AA`, 1) }),
			"RFC7518-4.6 epk private":           rehead(parts, func(h string) string { return strings.Replace(h, `"crv"`, `"d":"AA","crv"`, 1) }),
			"wrapped key with direct agreement": strings.Join([]string{parts[0], b64(make([]byte, 40)), parts[2], parts[3], parts[4]}, "."),
			"RFC7516-11.5 short wrapped key":    strings.Join([]string{parts[0], "AA", parts[2], parts[3], parts[4]}, "."),
			"case variant":                      rehead(parts, func(h string) string { return strings.Replace(h, `{`, `{"ALG":"dir",`, 1) }),
			"JSON serialisation":                `{"protected":"e30","ciphertext":""}`,
		} {
			if bad == good { // this algorithm has no such part
				continue
			}
			if _, err := open(k.private, bad); !errors.Is(err, jwe.ErrMalformed) && !errors.Is(err, jwe.ErrOpen) {
				t.Errorf("%s %s: %v", alg, name, err)
			}
		}
		for second, k2 := range keys(t) {
			if _, err := open(k2.private, good); !errors.Is(err, jwe.ErrOpen) {
				t.Errorf("%s with a stranger's %s key: %v", alg, second, err)
			}
		}
	}
}

func rehead(parts []string, change func(string) string) string {
	h, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		panic(err)
	}
	return b64([]byte(change(string(h)))) + "." + strings.Join(parts[1:], ".")
}

func TestKeys(t *testing.T) {
	all := keys(t)
	ec, rs := all[jwe.ECDHES], all[jwe.RSAOAEP256]
	for name, set := range map[string]string{
		"public":      ec.public,
		"public RSA":  rs.public,
		"empty":       `{"keys":[]}`,
		"none":        `{}`,
		"signing":     strings.Replace(ec.private, `"use":"enc"`, `"use":"sig"`, 1),
		"symmetric":   `{"keys":[{"kty":"oct","k":"AA"}]}`,
		"wrong d":     strings.Replace(ec.private, `"d":"`, `"d":"AA`, 1),
		"RSA wrong d": strings.Replace(rs.private, `"d":"`, `"d":"AA`, 1),
	} {
		if _, err := jwe.ParsePrivateSet(set); !errors.Is(err, jwe.ErrKey) {
			t.Error(name, err)
		}
	}
	if public, err := jwe.ParsePublicSet(ec.private); err != nil || len(public) != 0 {
		t.Error("a private key is no recipient", err)
	}
	private, err := jwe.ParsePrivateSet(ec.private)
	if err != nil || strings.Contains(private[0].String(), "d") && strings.Contains(private[0].GoString(), ec.private[40:60]) {
		t.Error(err)
	}
}

// The law: what is opened here, jwx opens to the same.
func FuzzOpen(f *testing.F) {
	all := keys(f)
	for alg, k := range all {
		f.Add(theirs(f, alg, k, jwa.A256GCM()))
	}
	ec := all[jwe.ECDHES]
	f.Fuzz(func(t *testing.T, compact string) {
		m, err := jwe.Split(compact)
		if err != nil {
			return
		}
		private, err := jwe.ParsePrivateSet(ec.private)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := m.Open(private[0])
		if err != nil {
			return
		}
		other, err := xjwe.Decrypt([]byte(compact), xjwe.WithKey(algorithm(t, m.Algorithm), ec.raw))
		if err != nil || string(other) != string(plain) {
			t.Fatalf("%q: %v", compact, err)
		}
	})
}
