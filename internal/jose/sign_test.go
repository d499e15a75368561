package jose_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
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
