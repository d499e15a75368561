package jose_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/tegata-go/tegata/internal/jose"
)

// jwx verifies what is signed here; a key that is none, or not its own, is refused; nothing of it prints.
func TestSigner(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for alg, raw := range map[jwa.SignatureAlgorithm]any{jwa.ES256(): ec, jwa.PS256(): rs, jwa.EdDSA(): ed} {
		k, err := jwk.Import(raw)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		s, err := jose.ParseSigner(string(text))
		if err != nil {
			t.Fatal(alg, err)
		}
		compact, err := s.Sign("JWT", map[string]string{"a": "b"})
		if err != nil {
			t.Fatal(err)
		}
		public, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		if payload, err := jws.Verify([]byte(compact), jws.WithKey(alg, public)); err != nil || string(payload) != `{"a":"b"}` {
			t.Fatal(alg, err)
		}
		var m map[string]string
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		if printed := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(printed, m["d"]) {
			t.Fatal("the key prints")
		}
		m["d"] = strings.Repeat("A", 43)
		changed, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{string(changed), strings.Replace(string(text), `"d":`, `"x-d":`, 1), strings.Replace(string(text), `{`, `{"use":"enc",`, 1), strings.Replace(string(text), `{`, `{"alg":"RS256",`, 1), `{}`, ``} {
			if _, err := jose.ParseSigner(bad); err == nil {
				t.Fatal(alg, "accepted", bad[:min(20, len(bad))])
			}
		}
	}
}

// FuzzParseSigner: whatever is taken for a private key signs what its own public half verifies.
func FuzzParseSigner(f *testing.F) {
	// RFC 8037 appendix A.1 and RFC 7515 appendix A.3.1.
	const okp = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	const ec = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`
	for _, s := range []string{okp, ec, strings.Replace(ec, "jps", "jpt", 1), strings.Replace(okp, "nWG", "nWH", 1), rfc8037, `{}`, `[]`} {
		f.Add(s)
	}
	for _, good := range []string{okp, ec} {
		if _, err := jose.ParseSigner(good); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := jose.ParseSigner(text)
		if err != nil {
			return
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatalf("accepted, encoding/json says %v", err)
		}
		half := map[string]any{}
		for _, name := range []string{"kty", "crv", "x", "y", "n", "e"} {
			if v, ok := m[name]; ok {
				half[name] = v
			}
		}
		public, err := json.Marshal(half)
		if err != nil {
			t.Fatal(err)
		}
		key, err := jose.ParseKey(string(public))
		if err != nil {
			t.Fatalf("the public half is no key: %v", err)
		}
		compact, err := s.Sign("JWT", map[string]string{"a": "b"})
		if err != nil {
			t.Fatal(err)
		}
		j, err := jose.Split(compact)
		if err != nil || !slices.ContainsFunc(jose.Algorithms(), func(alg string) bool { return j.Verify(key.Public, alg) }) {
			t.Fatalf("what it signs does not verify: %v", err)
		}
	})
}
