package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

const (
	firstIBAN  = "DE89370400440532013000"
	payeesIBAN = "DE02120300000000202051"
)

// secretOf is a key of 32 equal bytes.
func secretOf(b byte) []byte { return []byte(strings.Repeat(string(rune(b)), 32)) }

func keySet(secrets map[string][]byte, order ...string) []byte {
	var keys []any
	for _, kid := range order {
		keys = append(keys, map[string]string{"kty": "oct", "kid": kid, "alg": "A256GCM", "k": base64.RawURLEncoding.EncodeToString(secrets[kid])})
	}
	text, _ := json.Marshal(map[string]any{"keys": keys})
	return text
}

// members gives the sealed fields of an answer: of an account, or of the first in a list.
func members(t *testing.T, text string) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(text, err)
	}
	if list, ok := all["accounts"].([]any); ok {
		all, _ = list[0].(map[string]any)
	}
	if list, ok := all["transactions"].([]any); ok {
		one, _ := list[0].(map[string]any)
		all, _ = one["counterparty"].(map[string]any)
	}
	return all
}

// A client that knows this contract and JOSE opens what the bank answers, and seals what it orders.
func TestSealKeyring(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	secrets := map[string][]byte{"k1": secretOf('1'), "k2": secretOf('2'), "k3": secretOf('3')}
	b := s.start("-seal", "keyring:"+s.file("ring.json", keySet(secrets, "k2", "k1")))
	open := func(value any) string {
		compact, _ := value.(string)
		plain, err := jwe.Decrypt([]byte(compact), jwe.WithKey(jwa.DIRECT(), secrets["k2"]))
		if err != nil {
			t.Fatal(value, err)
		}
		return string(plain)
	}
	for path, fields := range map[string]map[string]string{
		"/accounts":                       {"iban": firstIBAN, "owner": "Mio Tanaka"},
		"/accounts/acc-1001":              {"iban": firstIBAN, "owner": "Mio Tanaka"},
		"/accounts/acc-1001/transactions": {"iban": "FR1420041010050500013M02606"},
	} {
		a := b.do(call{path: path})
		b.wants(t, a, 200, "", "")
		for name, plain := range fields {
			if got := open(members(t, a.text)[name]); got != `"`+plain+`"` {
				t.Errorf("%s %s: %s", path, name, got)
			}
		}
	}
	seal := func(kid, plain string) string {
		h := jwe.NewHeaders()
		_ = h.Set("kid", kid)
		out, err := jwe.Encrypt([]byte(plain), jwe.WithKey(jwa.DIRECT(), secrets[kid]), jwe.WithContentEncryption(jwa.A256GCM()), jwe.WithProtectedHeaders(h))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	moved, _ := members(t, b.do(call{}).text)["iban"].(string)
	for name, c := range map[string]struct {
		value, reason string
		status        int
	}{
		"first key":          {seal("k2", `"`+payeesIBAN+`"`), "", 201},
		"second key":         {seal("k1", `"`+payeesIBAN+`"`), "", 201},
		"pitfall-99 moved":   {moved, "encrypt: not opened", 400},
		"FLE-kid unknown":    {seal("k3", `"`+payeesIBAN+`"`), "encrypt: not opened", 400},
		"in clear":           {payeesIBAN, "encrypt: not opened", 400},
		"not JSON inside":    {seal("k2", payeesIBAN), "encrypt: not opened", 400},
		"no IBAN inside":     {seal("k2", `"x"`), "bank: not a payment order", 422},
		"pitfall-101 cut":    {seal("k2", `"`+payeesIBAN+`"`)[:100], "encrypt: not opened", 400},
		"members after that": {seal("k2", `"`+payeesIBAN+`","amount":"1"`), "encrypt: not opened", 400},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(goodPayment, payeesIBAN, c.value, 1)
			b.wants(t, b.do(call{method: "POST", path: "/payments", body: strings.NewReader(body), header: jsonType}), c.status, "", c.reason)
		})
	}
	// What a token approves is compared with the order as it was opened.
	detail := func(iban string) actors.Claims {
		return actors.Claims{"authorization_details": []any{map[string]any{"type": "payment_initiation",
			"instructedAmount": map[string]string{"amount": "12.50", "currency": "EUR"}, "creditorAccount": map[string]string{"iban": iban}}}}
	}
	pay := func(claims actors.Claims) answer {
		body := strings.Replace(goodPayment, payeesIBAN, seal("k2", `"`+payeesIBAN+`"`), 1)
		return b.do(call{method: "POST", path: "/payments", body: strings.NewReader(body), header: jsonType, claims: claims})
	}
	b.wants(t, pay(detail(payeesIBAN)), 201, "", "")
	if a := pay(detail(firstIBAN)); a.StatusCode != 403 {
		t.Error("paid somebody else:", a.StatusCode, a.text)
	}
	// Everything else is as ever.
	echoed := b.do(call{method: "POST", path: "/echo", body: strings.NewReader(firstIBAN), header: http.Header{"Content-Type": {"text/plain"}}})
	if echoed.text != firstIBAN {
		t.Error(echoed.text)
	}
	b.wants(t, b.do(call{path: "/accounts/acc-9"}), 404, "", "bank: no such account")
}

// Each client reads what is its own, and who has no key gets nothing.
func TestSealClient(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := func(private any) any {
		k, err := jwk.Import(private)
		if err != nil {
			t.Fatal(err)
		}
		public, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		_ = public.Set("use", "enc")
		return map[string]any{"keys": []any{public}}
	}
	file, _ := json.Marshal(map[string]any{"app-1": set(ec), "app-2": set(rs)})
	b := s.start("-seal", "client", "-clients", s.file("clients.json", file))
	for client, key := range map[string]jwe.EncryptDecryptOption{
		"app-1": jwe.WithKey(jwa.ECDH_ES_A256KW(), ec), "app-2": jwe.WithKey(jwa.RSA_OAEP_256(), rs),
	} {
		a := b.do(call{claims: actors.Claims{"client_id": client}})
		b.wants(t, a, 200, "", "")
		compact, _ := members(t, a.text)["iban"].(string)
		if plain, err := jwe.Decrypt([]byte(compact), key); err != nil || string(plain) != `"`+firstIBAN+`"` {
			t.Errorf("%s: %s, %v", client, plain, err)
		}
		for other, wrong := range map[string]jwe.EncryptDecryptOption{
			"app-1": jwe.WithKey(jwa.ECDH_ES_A256KW(), ec), "app-2": jwe.WithKey(jwa.RSA_OAEP_256(), rs),
		} {
			if _, err := jwe.Decrypt([]byte(compact), wrong); other != client && err == nil {
				t.Errorf("%s reads what is for %s", other, client)
			}
		}
	}
	b.wants(t, b.do(call{claims: actors.Claims{"client_id": "app-3"}}), 403, "", "encrypt: no key to seal to")
	b.wants(t, b.do(call{method: "POST", path: "/payments", body: strings.NewReader(goodPayment), header: jsonType}), 201, "", "")
}

func TestSealFlags(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ring := s.file("ring.json", keySet(map[string][]byte{"k1": secretOf('1')}, "k1"))
	for name, c := range map[string]struct {
		flags []string
		code  int
	}{
		"unknown kind":          {[]string{"-seal", "x"}, 2},
		"no file":               {[]string{"-seal", "keyring:"}, 2},
		"client without a file": {[]string{"-seal", "client"}, 2},
		"clients alone":         {[]string{"-clients", ring}, 2},
		"both":                  {[]string{"-seal", "keyring:" + ring, "-clients", ring}, 2},
		"absent file":           {[]string{"-seal", "keyring:" + ring + "x"}, 1},
		"not a key set":         {[]string{"-seal", "keyring:" + s.file("bad.json", []byte(`{"keys":[{"kty":"oct"}]}`))}, 1},
		"no client":             {[]string{"-seal", "client", "-clients", s.file("none.json", []byte(`{}`))}, 1},
		"client without a key":  {[]string{"-seal", "client", "-clients", s.file("client.json", []byte(`{"app-1":{"keys":[]}}`))}, 1},
	} {
		b := s.process(append(s.flags(freeAddr(t)), c.flags...)...)
		<-b.gone
		if code := b.cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, c.code, b.stdout.String(), b.stderr.String())
		}
	}
}
