package encrypt_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"

	"github.com/tegata-go/tegata/encrypt"
)

// hostile lists, by requirement, values that must not open. good is one that does.
func hostile(t testing.TB, good string) map[string]string {
	all := badForms(t, good)
	maps.Copy(all, badHeaders(t))
	return all
}

// badForms are variations of one that opens.
func badForms(t testing.TB, good string) map[string]string {
	parts := strings.Split(good, ".")
	short := func(n int) string { // the tag cut, or the IV made longer
		iv, tag := parts[2], parts[4]
		if n > 0 {
			iv += strings.Repeat("A", n)
		} else {
			tag = b64(decode(t, tag)[:12])
		}
		return strings.Join([]string{parts[0], "", iv, parts[3], tag}, ".")
	}
	// The same bytes, parted elsewhere.
	raw := decode(t, parts[2]) + decode(t, parts[3]) + decode(t, parts[4])
	parted := func(iv, tag int) string {
		return strings.Join([]string{parts[0], "", b64(raw[:iv]), b64(raw[iv : len(raw)-tag]), b64(raw[len(raw)-tag:])}, ".")
	}
	return map[string]string{
		"RFC7518-5.3/tag of 96 bits, the rest sealed":      parted(12, 12),
		"RFC7518-5.3/tag of 128 bits and what was sealed":  parted(12, 18),
		"RFC7518-5.3/IV of 128 bits, from what was sealed": parted(16, 16),
		"RFC7518-5.3/IV of 64 bits, the rest sealed":       parted(8, 16),
		"RFC7516-5.2-1/four parts":                         strings.Join(parts[:4], "."),
		"RFC7516-5.2-1/six parts":                          good + ".AA",
		"RFC7516-5.2-1/encrypted key":                      strings.Join([]string{parts[0], "AAAA", parts[2], parts[3], parts[4]}, "."),
		"RFC7516-5.2-1/empty":                              "",
		"RFC7516-5.2-1/dots":                               "....",
		"RFC7516-5.2-1/no header":                          strings.Join([]string{"", "", parts[2], parts[3], parts[4]}, "."),
		"RFC7516-5.2-1/padding":                            good + "=",
		"RFC7516-5.2-1/escape":                             `\u0065` + good[1:],
		"RFC7516-5.2-1/line end":                           strings.Join(parts[:4], ".") + "." + parts[4][:4] + `\n` + parts[4][4:],
		"RFC7516-5.2-1/tag not canonical":                  good[:len(good)-1] + string(good[len(good)-1]+1),
		"RFC7518-5.3/tag of 96 bits":                       short(0),
		"RFC7518-5.3/IV of 128 bits":                       short(5),
		"pitfall-101/garbage":                              "eyJ" + strings.Repeat("x", 300),
		"pitfall-101/garbage in five parts":                parts[0] + ".." + parts[2] + ".AAAA." + parts[4],
		"pitfall-101/nothing sealed":                       parts[0] + ".." + parts[2] + ".." + parts[4],
		"RFC7516-11.5/bad tag":                             good[:len(good)-2] + string(flip(good[len(good)-2])) + good[len(good)-1:],
		"RFC7516-11.5/bad ciphertext":                      strings.Replace(good, parts[3], string(flip(parts[3][0]))+parts[3][1:], 1),
	}
}

// badHeaders are sealed, by somebody who has a key, under headers that are not ours.
func badHeaders(t testing.TB) map[string]string {
	tgt := target(t, "k1", "/a", jsonType, "", "")
	head := func(members string) string { return foreign(t, "k1", `{`+members+`,"tgt":"`+tgt+`"}`, `1`) }
	own := `"alg":"dir","enc":"A256GCM","kid":"k1"`
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wrap := func(o ...jwe.EncryptOption) string {
		out, err := jwe.Encrypt([]byte(`1`), append(o, jwe.WithContentEncryption(jwa.A256GCM()))...)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	return map[string]string{
		"RFC7516-5.2-1/header not JSON":         foreign(t, "k1", `{`, `1`),
		"RFC7516-5.2-1/header is an array":      foreign(t, "k1", `[]`, `1`),
		"RFC7516-5.2-1/name twice":              head(own + `,"kid":"k1"`),
		"RFC7516-5.2-1/case variant":            head(`"Alg":"dir","enc":"A256GCM","kid":"k1"`),
		"RFC7516-5.2-1/crit":                    head(own + `,"crit":["x"],"x":1`),
		"RFC7516-5.2-1/unknown member":          head(own + `,"typ":"JOSE"`),
		"RFC7516-5.2-1/kid is a number":         head(`"alg":"dir","enc":"A256GCM","kid":1`),
		"RFC7516-5.2-1/no kid":                  head(`"alg":"dir","enc":"A256GCM"`),
		"RFC7516-5.2-1/long header":             head(own + `,"x":"` + strings.Repeat("x", 1000) + `"`),
		"RFC7516-5.2-2/enc A128GCM":             head(`"alg":"dir","enc":"A128GCM","kid":"k1"`),
		"RFC7516-5.2-2/enc A128CBC-HS256":       head(`"alg":"dir","enc":"A128CBC-HS256","kid":"k1"`),
		"RFC7516-5.2-2/alg A256KW":              head(`"alg":"A256KW","enc":"A256GCM","kid":"k1"`),
		"RFC7516-5.2-2/alg none":                head(`"alg":"none","enc":"A256GCM","kid":"k1"`),
		"RFC7516-5.2-2/RSA-OAEP-256":            wrap(jwe.WithKey(jwa.RSA_OAEP_256(), &key.PublicKey)),
		"RFC7516-5.2-2/PBES2 with a bomb":       head(`"alg":"PBES2-HS256+A128KW","enc":"A256GCM","kid":"k1","p2c":1000000000,"p2s":"AA"`),
		"FAPI1-ADV-8.6.1/RSA1_5":                head(`"alg":"RSA1_5","enc":"A256GCM","kid":"k1"`),
		"FAPI1-ADV-8.6.1/RSA1_5, a real one":    wrap(jwe.WithKey(jwa.RSA1_5(), &key.PublicKey)),
		"RFC7516-zip/DEF":                       head(own + `,"zip":"DEF"`),
		"FLE-kid/unknown":                       foreign(t, "k1", `{"alg":"dir","enc":"A256GCM","kid":"k9","tgt":"`+tgt+`"}`, `1`),
		"FLE-kid/known ID, other key":           foreign(t, "k9", `{"alg":"dir","enc":"A256GCM","kid":"k1","tgt":"`+tgt+`"}`, `1`),
		"FLE-ctx/no target":                     foreign(t, "k1", `{`+own+`}`, `1`),
		"FLE-ctx/target of another field":       foreign(t, "k1", `{`+own+`,"tgt":"`+target(t, "k1", "/b", jsonType, "", "")+`"}`, `1`),
		"FLE-ctx/target of another key":         foreign(t, "k1", `{`+own+`,"tgt":"`+target(t, "k2", "/a", jsonType, "", "")+`"}`, `1`),
		"FLE-ctx/target is no string":           foreign(t, "k1", `{`+own+`,"tgt":1}`, `1`),
		"RFC7516-11.5/right key, no JSON in it": foreign(t, "k1", `{`+own+`,"tgt":"`+tgt+`"}`, `x`),
	}
}

func decode(t testing.TB, s string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// E11: everything that cannot be opened gets one answer, byte for byte, and the handler does not run.
func TestRefusesHostile(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/a"}, Open: []string{"/a"}})
	good := sealedAt(t, seal(t, f, `{"a":"DE89"}`, encrypt.Binding{}), "a")
	ran := 0
	s, rec := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) { ran++ })
	if res, _, err := call(t, s, "POST", `{"a":"`+good+`"}`); err != nil || res.StatusCode != 200 || ran != 1 {
		t.Fatal("the good one is refused", err)
	}
	want := ""
	values := hostile(t, good)
	for _, v := range []string{`null`, `1`, `{}`, `["x"]`, `"DE89"`} {
		values["pitfall-101/"+v] = v
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			text := `"` + value + `"`
			if json.Valid([]byte(value)) && value != "" {
				text = value
			}
			res, body, err := call(t, s, "POST", `{"a":`+text+`}`)
			if err != nil || res.StatusCode != 400 || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatal(res, body, err)
			}
			if want == "" {
				want = body
			}
			if body != want {
				t.Errorf("%s differs from %s", body, want)
			}
			if line := rec.last(t); line["reason"] != string(encrypt.ErrOpen) || line["decision"] != "deny" {
				t.Error(line)
			}
		})
	}
	if ran != 1 {
		t.Errorf("the handler ran %d times", ran-1)
	}
	if strings.Contains(rec.raw.String(), "DE89") {
		t.Error("plaintext in the log")
	}
}

// jwx refuses with the same key what we refuse, or the difference is a strictness of ours.
func TestStricterThanOracle(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/a"}, Open: []string{"/a"}})
	good := sealedAt(t, seal(t, f, `{"a":"DE89"}`, encrypt.Binding{}), "a")
	strict := map[string]bool{ // the oracle is not told of header rules, targets or JSON inside
		"RFC7516-5.2-1/unknown member": true, "RFC7516-5.2-1/no kid": true, "RFC7516-5.2-1/long header": true, "RFC7516-5.2-1/name twice": true,
		"RFC7516-5.2-1/crit": true, "FLE-kid/unknown": true, "FLE-ctx/no target": true, "FLE-ctx/target of another field": true,
		"FLE-ctx/target of another key": true, "FLE-ctx/target is no string": true, "RFC7516-11.5/right key, no JSON in it": true,
		"RFC7516-5.2-1/tag not canonical": true, "RFC7516-5.2-1/padding": true, "RFC7516-5.2-1/case variant": true,
		"RFC7516-5.2-1/encrypted key": true, // RFC 7516 §5.2 step 10 says that it must be empty
		// It joins ciphertext and tag before it looks at their lengths (RFC 7518 §5.3).
		"RFC7518-5.3/tag of 96 bits, the rest sealed": true, "RFC7518-5.3/tag of 128 bits and what was sealed": true,
	}
	for name, value := range hostile(t, good) {
		plain, err := jwe.Decrypt([]byte(value), jwe.WithKey(jwa.DIRECT(), secret('1')))
		if err == nil && !strict[name] {
			t.Errorf("%s: jwx opens %q", name, plain)
		}
	}
}

// A change of any one character of a sealed value is noticed.
func TestEveryByteCounts(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/a"}, Open: []string{"/a"}})
	good := []byte(sealedAt(t, seal(t, f, `{"a":"DE89370400440532013000"}`, encrypt.Binding{}), "a"))
	for i := range good {
		bad := bytes.Clone(good)
		if bad[i] == '.' {
			bad[i] = 'A'
		} else {
			bad[i] = flip(bad[i])
		}
		if _, err := f.OpenJSON(context.Background(), nil, fmt.Appendf(nil, `{"a":"%s"}`, bad), encrypt.Binding{}); !errors.Is(err, encrypt.ErrOpen) {
			t.Fatalf("character %d: %v", i, err)
		}
	}
}
