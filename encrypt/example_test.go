package encrypt_test

import (
	"context"
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
		Keys: ring,
		Seal: []string{"/accounts/*/iban"},
		Open: []string{"/creditorAccount"},
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
	// Output: {2026-01 [redacted] A256GCM} <nil>
}

// The answer is for the client that asks, and any JOSE library of the client's opens it.
func ExampleNewRecipient() {
	clients := map[string]string{"app-1": `{"keys":[{"kty":"EC","use":"enc","kid":"app-1-enc","crv":"P-256",
		"x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0","y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"}]}`}
	keys := map[string]*encrypt.Recipient{}
	for id, set := range clients {
		r, err := encrypt.NewRecipient([]byte(set))
		if err != nil {
			panic(err)
		}
		keys[id] = r
	}
	fields, err := encrypt.New(encrypt.Config{
		// In a service: token.FromContext(r.Context()), and the client of the Grant.
		Recipient: func(r *http.Request) (*encrypt.Recipient, error) { return keys[r.Header.Get("X-Client")], nil },
		Seal:      []string{"/iban"},
		Guard:     []string{"iban"},
	})
	if err != nil {
		panic(err)
	}
	handler := fields.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"iban":"DE89370400440532013000"}`)
	}))
	for _, client := range []string{"app-1", "app-2"} {
		r := httptest.NewRequest("GET", "/account", nil)
		r.Header.Set("X-Client", client)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(client, w.Code, strings.HasPrefix(w.Body.String(), `{"iban":"eyJ`))
	}
	// Output:
	// app-1 200 true
	// app-2 403 false
}

// A column of a database, sealed, and found again by a digest.
func ExampleColumn() {
	secret := make([]byte, 32) // from a key management service
	_, _ = rand.Read(secret)
	ring, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "2026-01", Secret: secret}}})
	if err != nil {
		panic(err)
	}
	vault, err := encrypt.NewVault(encrypt.VaultConfig{Keys: ring})
	if err != nil {
		panic(err)
	}
	ibans, err := encrypt.NewColumn(vault, "accounts.iban")
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	id, iban := "acc-1", "DE89370400440532013000"
	// db.Exec("insert into accounts values ($1, $2, $3)", id, ibans.Text(ctx, "", &id, &iban), digest)
	digest := ring.Digests("accounts.iban", []byte(iban))[0]
	stored, err := ibans.Text(ctx, "", &id, &iban).Value()
	fmt.Println(len(digest), strings.HasPrefix(stored.(string), "eyJ"), err)
	// db.QueryRow("select id, iban from accounts where digest = $1", digest).Scan(&id, ibans.Text(ctx, "", &id, &back))
	var back string
	fmt.Println(ibans.Text(ctx, "", &id, &back).Scan(stored), back)
	id = "acc-2" // in another row it is refused
	fmt.Println(ibans.Text(ctx, "", &id, &back).Scan(stored))
	// Output:
	// 43 true <nil>
	// <nil> DE89370400440532013000
	// encrypt: stored value not opened
}
