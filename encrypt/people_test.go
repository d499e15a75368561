package encrypt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/tegata-go/tegata/encrypt"
)

// person holds a key pair, as its private and its public JWK set.
type person struct {
	alg             string
	raw             any
	private, public string
}

// people are one of each kind.
func people(t testing.TB) []person {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return []person{somebody(t, "ECDH-ES+A256KW", ec), somebody(t, "RSA-OAEP-256", rs), somebody(t, "ECDH-ES", ec)}
}

func somebody(t testing.TB, alg string, raw any) person {
	t.Helper()
	k, err := jwk.Import(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"kid": "enc-1", "use": "enc", "alg": alg} {
		if err := k.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	public, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	set := func(k jwk.Key) string {
		text, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		return `{"keys":[` + string(text) + `]}`
	}
	return person{alg: alg, raw: raw, private: set(k), public: set(public)}
}

func (p person) recipient(t testing.TB) *encrypt.Recipient {
	t.Helper()
	r, err := encrypt.NewRecipient([]byte(p.public))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (p person) keys(t testing.TB) *encrypt.PrivateKeys {
	t.Helper()
	k, err := encrypt.ParsePrivateKeys([]byte(p.private))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// opensAlone opens one compact JWE with jwx and the private key.
func (p person) opensAlone(t testing.TB, value string) string {
	t.Helper()
	alg, _ := jwa.LookupKeyEncryptionAlgorithm(p.alg)
	plain, err := jwe.Decrypt([]byte(value), jwe.WithKey(alg, p.raw))
	if err != nil {
		t.Fatalf("%s: %v", p.alg, err)
	}
	return string(plain)
}

// sealAlone makes one compact JWE with jwx, as a client that knows nothing of this package.
func (p person) sealAlone(t testing.TB, plain string) string {
	t.Helper()
	alg, _ := jwa.LookupKeyEncryptionAlgorithm(p.alg)
	public, err := jwk.PublicRawKeyOf(p.raw)
	if err != nil {
		t.Fatal(err)
	}
	headers := jwe.NewHeaders()
	if err := headers.Set("kid", "enc-1"); err != nil {
		t.Fatal(err)
	}
	out, err := jwe.Encrypt([]byte(plain), jwe.WithKey(alg, public), jwe.WithContentEncryption(jwa.A256GCM()), jwe.WithProtectedHeaders(headers))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
