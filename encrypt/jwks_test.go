package encrypt_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

func TestParseKeys(t *testing.T) {
	k := func(seed byte) string { return base64.RawURLEncoding.EncodeToString(secret(seed)) }
	jwk := func(members string) string {
		return `{"keys":[{"kty":"oct","kid":"a","k":"` + k(1) + `"` + members + `}]}`
	}
	for _, c := range []struct{ name, in, want string }{
		{"bare", jwk(""), ""},
		{"full", jwk(`,"alg":"A256GCM","use":"enc","key_ops":["encrypt","decrypt"],"ext":true`), ""},
		{"set with more members", `{"version":3,` + jwk("")[1:], ""},
		{"not JSON", `{"keys":[`, "not a JWK set"},
		{"array", `[]`, "not a JWK set"},
		{"no keys", `{}`, "at least one"},
		{"empty", `{"keys":[]}`, "at least one"},
		{"case variant", `{"KEYS":[]}`, "at least one"},
		{"keys twice", `{"keys":[],` + jwk("")[1:], "not a JWK set"},
		{"key is a string", `{"keys":["x"]}`, "key 0 of the set: not an object"},
		{"RSA", `{"keys":[{"kty":"RSA","kid":"a"}]}`, "kty is not oct"},
		{"KTY", `{"keys":[{"KTY":"oct","kid":"a","k":"` + k(1) + `"}]}`, "kty is not oct"},
		{"alg", jwk(`,"alg":"A128GCM"`), "alg is not"},
		{"alg null", jwk(`,"alg":null`), "alg is not"},
		{"use", jwk(`,"use":"sig"`), "use is not"},
		{"key_ops", jwk(`,"key_ops":["decrypt"]`), "key_ops"},
		{"key_ops no list", jwk(`,"key_ops":"encrypt"`), "key_ops"},
		{"k twice", jwk(`,"k":"AA"`), "not a JWK set"},
		{"no kid", `{"keys":[{"kty":"oct","k":"` + k(1) + `"}]}`, "no kid"},
		{"kid is a number", `{"keys":[{"kty":"oct","kid":1,"k":"` + k(1) + `"}]}`, "no kid"},
		{"padded", `{"keys":[{"kty":"oct","kid":"a","k":"` + k(1) + `="}]}`, "base64url"},
		{"not canonical", `{"keys":[{"kty":"oct","kid":"a","k":"` + k(1)[:42] + string(flip(k(1)[42])) + `"}]}`, "base64url"},
		{"line end", `{"keys":[{"kty":"oct","kid":"a","k":"` + k(1) + `\n"}]}`, "base64url"},
		{"16 bytes", `{"keys":[{"kty":"oct","kid":"a","k":"` + k(1)[:22] + `"}]}`, ""},
		{"large", `{"keys":[]` + strings.Repeat(" ", 1<<20) + `}`, "more than"},
		{"all at once", `{"keys":[{"kty":"RSA"},{"kty":"oct"}]}`, "key 1 of the set: no kid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "16 bytes" {
				c.in = strings.Replace(c.in, k(1)[:22], base64.RawURLEncoding.EncodeToString(secret(1)[:16]), 1)
				c.want = "32 bytes"
			}
			keys, err := encrypt.ParseKeys([]byte(c.in))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || keys != nil {
					t.Fatalf("%v; want %q", err, c.want)
				}
				if strings.Contains(err.Error(), k(1)[:8]) {
					t.Error("the key is in the error")
				}
				return
			}
			if err != nil || len(keys) != 1 || keys[0].ID != "a" || string(keys[0].Secret) != string(secret(1)) {
				t.Fatal(keys, err)
			}
		})
	}
}
