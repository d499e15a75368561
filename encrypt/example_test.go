package encrypt_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tegata-go/tegata/encrypt"
)

func ExampleFields_Wrap() {
	secret := make([]byte, 32) // from a key management service, the same in every replica
	_, _ = rand.Read(secret)
	ring, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "2026-01", Secret: secret}}})
	if err != nil {
		panic(err)
	}
	fields, err := encrypt.New(encrypt.Config{
		Keyring: ring,
		Seal:    []string{"/accounts/*/iban"},
		Open:    []string{"/creditorAccount"},
	})
	if err != nil {
		panic(err)
	}

	handler := fields.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"accounts":[{"id":"1","iban":"DE89370400440532013000","balance":0.10}]}`)
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/accounts", nil))
	sealed := w.Body.String()
	fmt.Println("IBAN in clear:", strings.Contains(sealed, "DE89"))
	fmt.Println("balance as written:", strings.HasSuffix(sealed, `,"balance":0.10}]}`))

	// What a client sends in clear where the rules want it sealed does not reach the handler.
	r := httptest.NewRequest("POST", "/payments", strings.NewReader(`{"creditorAccount":"DE89370400440532013000"}`))
	r.Header.Set("Content-Type", "application/json")
	_, err = fields.OpenBody(r)
	fmt.Println(err)
	// Output:
	// IBAN in clear: false
	// balance as written: true
	// encrypt: not opened
}

func ExampleParseKeys() {
	keys, err := encrypt.ParseKeys([]byte(`{"keys":[
		{"kty":"oct","kid":"2026-01","alg":"A256GCM","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}`))
	fmt.Println(keys[0], err)
	// Output: {2026-01 [redacted]} <nil>
}
