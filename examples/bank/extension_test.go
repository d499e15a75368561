package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

// Several issuers, each with its own keys.
func TestSeveralIssuers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	second := actors.NewIssuer("https://second.example", audience)
	b := s.start("-issuer", second.URL, "-jwks", s.file("second.json", second.KeySet()))
	b.wants(t, b.do(call{}), 200, "", "")
	b.wants(t, b.do(call{token: second.Token(actors.BoundTo(b.x5t(), ""))}), 200, "", "")
	crossed := actors.BoundTo(b.x5t(), "")
	crossed["iss"] = second.URL
	b.wants(t, b.do(call{token: b.issuer.Token(crossed)}), 401, "invalid_token", "token: bad signature")
	crossed["iss"] = "https://third.example"
	b.wants(t, b.do(call{token: b.issuer.Token(crossed)}), 401, "invalid_token", "token: unknown issuer")
}

// Encrypted tokens around signed ones.
func TestTokenKeys(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k, err := jwk.Import(private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"keys": []any{k}})
	if err != nil {
		t.Fatal(err)
	}
	b := s.start("-token-keys", s.file("token-keys.json", text))
	seal := func(inner string) string {
		h := jwe.NewHeaders()
		_ = h.Set("cty", "JWT")
		out, err := jwe.Encrypt([]byte(inner), jwe.WithKey(jwa.RSA_OAEP_256(), &private.PublicKey), jwe.WithContentEncryption(jwa.A256GCM()), jwe.WithProtectedHeaders(h))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	b.wants(t, b.do(call{token: seal(b.issuer.Token(actors.BoundTo(b.x5t(), "")))}), 200, "", "")
	b.wants(t, b.do(call{}), 200, "", "")
	b.wants(t, b.do(call{token: seal(`{"iss":"x"}`)}), 401, "invalid_token", "token: malformed")
	b.wants(t, b.do(call{token: seal("x.y.z")[:200]}), 401, "invalid_token", "token: malformed")
}

// Opaque tokens: active, inactive, bound to another, and an outage that is none of the client's.
func TestIntrospect(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var broken, takenBack atomic.Bool
	var asked atomic.Int64
	now := time.Now().Unix()
	s.issuer.Serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jwks" {
			_, _ = w.Write(s.issuer.KeySet())
			return
		}
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		switch raw := r.FormValue("token"); {
		case broken.Load():
			w.WriteHeader(http.StatusInternalServerError)
		case raw == "good" && !takenBack.Load():
			fmt.Fprintf(w, `{"active":true,"sub":"u","client_id":"c","scope":"accounts","exp":%d,"cnf":{"x5t#S256":%q}}`, now+300, s.x5t())
		case raw == "unbound":
			fmt.Fprintf(w, `{"active":true,"sub":"u","client_id":"c","scope":"accounts","exp":%d}`, now+300)
		default:
			_, _ = io.WriteString(w, `{"active":false}`)
		}
	})
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwk.Import(private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	b := s.start("-introspect", s.jwks.URL+"/introspect", "-introspect-client", "rs", "-introspect-key", s.file("rs.json", text))
	b.wants(t, b.do(call{token: "good"}), 200, "", "")
	b.wants(t, b.do(call{token: "good", noCert: true}), 401, "invalid_token", "token: no client certificate")
	b.wants(t, b.do(call{token: "unbound"}), 401, "invalid_token", "token: not sender-constrained")
	b.wants(t, b.do(call{token: "unknown"}), 401, "invalid_token", "token: inactive")
	if n := asked.Load(); n < 3 || n > 4 { // once more when these calls took seconds
		t.Errorf("asked %d times for three tokens", n)
	}
	b.wants(t, b.do(call{}), 200, "", "")
	broken.Store(true)
	a := b.do(call{token: "another"})
	b.wants(t, a, 503, "", "token: dependency unavailable")
	broken.Store(false)
	t.Run("FAPI2-SP-5.3.4-3", func(t *testing.T) {
		takenBack.Store(true)
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			a := b.do(call{token: "good"})
			if a.StatusCode == 401 {
				b.wants(t, a, 401, "invalid_token", "token: inactive")
				return
			}
			if time.Now().After(end) {
				t.Fatal("it goes on")
			}
		}
	})
}

// The administration takes tokens back and keeps consents.
func TestAdmin(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	admin := freeAddr(t)
	b := s.start("-admin", admin)
	send := func(method, path, body string) int {
		r, err := http.NewRequest(method, "http://"+admin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	token := func(claims actors.Claims) call {
		return call{token: b.issuer.Token(merge(actors.BoundTo(b.x5t(), ""), claims))}
	}
	for name, c := range map[string]struct {
		claims actors.Claims
		order  string
	}{
		"jti":       {actors.Claims{"jti": "one"}, `{"jti":"one"}`},
		"sub":       {actors.Claims{"sub": "customer-9"}, `{"sub":"customer-9"}`},
		"client_id": {actors.Claims{"client_id": "app-9"}, `{"client_id":"app-9"}`},
	} {
		t.Run("I6 "+name, func(t *testing.T) {
			c9 := token(c.claims)
			b.wants(t, b.do(c9), 200, "", "")
			if status := send("POST", "/revocations", c.order); status != 204 {
				t.Fatal(status)
			}
			b.wants(t, b.do(c9), 401, "invalid_token", "replay: revoked")
			b.wants(t, b.do(call{}), 200, "", "")
		})
	}
	for _, bad := range []string{``, `{}`, `{"sid":"a"}`, `{"jti":"a","sid":"b"}`, `{"jti":"a","jti":"b"}`, `{"x5t":"00ff"}`, `{"jti":"a"}{}`, `{"jti":"a","sub":"b"}`, `{"jti":"a","issuer":"https://other.example"}`, `[]`, `{"issued_before":"yesterday"}`} {
		if status := send("POST", "/revocations", bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	page, err := http.NewRequest("POST", "http://"+admin+"/revocations", strings.NewReader(`{"sub":"u"}`))
	if err != nil {
		t.Fatal(err)
	}
	page.Header.Set("Origin", "https://news.example")
	if resp, err := http.DefaultClient.Do(page); err != nil || resp.StatusCode != 403 {
		t.Errorf("a page was served: %v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status := send("GET", path, ""); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	t.Run("Z5 consents", func(t *testing.T) {
		one := token(actors.Claims{"consent_id": "c-1"})
		one.path = "/accounts/acc-1001"
		two := one
		two.path = "/accounts/acc-1002"
		const code = "insufficient_scope"
		b.wants(t, b.do(one), 403, code, "token: unknown consent")
		echo := one
		echo.method, echo.path = "POST", "/echo"
		b.wants(t, b.do(echo), 403, code, "token: unknown consent")
		consent := func(status string, accounts string) string {
			return fmt.Sprintf(`{"status":%q,"permissions":["accounts"],"accounts":[%s],"expires":%q}`, status, accounts, time.Now().Add(time.Hour).Format(time.RFC3339))
		}
		if status := send("PUT", "/consents/c-1", consent("active", `"acc-1001"`)); status != 204 {
			t.Fatal(status)
		}
		b.wants(t, b.do(one), 200, "", "")
		b.wants(t, b.do(echo), 200, "", "")
		b.wants(t, b.do(two), 403, code, "token: account not in the consent")
		list := one
		list.path = "/accounts"
		if a := b.do(list); a.StatusCode != 200 || strings.Contains(a.text, "acc-1002") || !strings.Contains(a.text, "acc-1001") {
			t.Error(a.StatusCode, a.text)
		}
		pay := payOrder(one)
		b.wants(t, b.do(pay), 403, code, "token: permission not in the consent")
		send("PUT", "/consents/c-1", consent("withdrawn", `"acc-1001"`))
		b.wants(t, b.do(one), 403, code, "token: consent not active")
		b.wants(t, b.do(echo), 403, code, "token: consent not active")
	})
	t.Run("issued_before", func(t *testing.T) {
		old := token(actors.Claims{"iat": time.Now().Unix() - 30})
		b.wants(t, b.do(old), 200, "", "")
		if status := send("POST", "/revocations", fmt.Sprintf(`{"issued_before":%d}`, time.Now().Unix()-10)); status != 204 {
			t.Fatal(status)
		}
		b.wants(t, b.do(old), 401, "invalid_token", "replay: revoked")
		b.wants(t, b.do(call{}), 200, "", "")
	})
}

func merge(claims, changes actors.Claims) actors.Claims {
	for name, value := range changes {
		claims[name] = value
	}
	return claims
}

func payOrder(c call) call {
	c.method, c.path, c.header = "POST", "/payments", http.Header{"Content-Type": {"application/json"}}
	c.body = bytes.NewReader([]byte(`{"debtorAccount":"acc-1001","creditorAccount":"DE02120300000000202051","creditorName":"Corner Books","amount":"12.50","currency":"EUR","reference":"x"}`))
	return c
}

// Payments as approved, and large ones with strong authentication.
func TestApprovals(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	detail := func(change func(map[string]any)) actors.Claims {
		d := map[string]any{"type": "payment_initiation", "creditorAccount": "DE02120300000000202051",
			"instructedAmount": map[string]any{"amount": "12.5", "currency": "EUR"}}
		change(d)
		return actors.Claims{"authorization_details": []any{d}}
	}
	for name, c := range map[string]struct {
		claims actors.Claims
		status int
		reason string
	}{
		"Z4 as approved":          {detail(func(map[string]any) {}), 201, ""},
		"none":                    {nil, 201, ""},
		"Z7 another amount":       {detail(func(d map[string]any) { d["instructedAmount"] = map[string]any{"amount": "12.49", "currency": "EUR"} }), 403, "token: payment differs from authorization details"},
		"Z7 another currency":     {detail(func(d map[string]any) { d["instructedAmount"] = map[string]any{"amount": "12.50", "currency": "USD"} }), 403, "token: payment differs from authorization details"},
		"Z7 another payee":        {detail(func(d map[string]any) { d["creditorAccount"] = "GB29NWBK60161331926819" }), 403, "token: payment differs from authorization details"},
		"this service":            {detail(func(d map[string]any) { d["locations"] = []string{"https://other.example", b.url} }), 201, ""},
		"this resource":           {detail(func(d map[string]any) { d["locations"] = []string{b.url + "/payments"} }), 201, ""},
		"another service":         {detail(func(d map[string]any) { d["locations"] = []string{"https://other.example/payments"} }), 403, "token: payment differs from authorization details"},
		"another type, no effect": {detail(func(d map[string]any) { d["type"] = "account_information" }), 201, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code := ""
			if c.status == 403 {
				code = "insufficient_scope"
			}
			b.wants(t, b.do(payOrder(call{claims: c.claims})), c.status, code, c.reason)
		})
	}
	high := func(claims actors.Claims) answer {
		c := payOrder(call{claims: claims})
		c.path = "/payments/high-value"
		return b.do(c)
	}
	const code = "insufficient_user_authentication"
	now := time.Now().Unix()
	b.wants(t, high(actors.Claims{"acr": "urn:bank:acr:sca", "auth_time": now - 10}), 201, "", "")
	a := high(actors.Claims{"acr": "urn:bank:acr:sca", "auth_time": now - 400})
	b.wants(t, a, 401, code, "token: authentication too long ago")
	if challenge := a.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, `acr_values="urn:bank:acr:sca"`) || !strings.Contains(challenge, `max_age="300"`) {
		t.Error("RFC9470-3-3:", challenge)
	}
	b.wants(t, high(nil), 401, code, "token: authentication too weak")
}

// The document of RFC 9728 is for everybody, and challenges name it.
func TestResourceMetadata(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	resp, err := b.client(nil).Get(b.url + "/.well-known/oauth-protected-resource")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var d map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil || resp.StatusCode != 200 || d["resource"] != b.url || resp.Header.Get("X-Fapi-Interaction-Id") == "" {
		t.Fatal(resp.Status, d, err)
	}
	a := b.do(call{noCert: true})
	if !strings.Contains(a.Header.Get("WWW-Authenticate"), `resource_metadata="`+b.url+`/.well-known/oauth-protected-resource"`) {
		t.Error(a.Header)
	}
}

// Profiles and nonce policies choose what is asked for.
func TestProfileAndNonce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	t.Run("fapi1-advanced knows no DPoP", func(t *testing.T) {
		b := s.start("-profile", "fapi1-advanced")
		b.wants(t, b.do(call{}), 200, "", "")
		a := b.do(call{dpop: true})
		b.wants(t, a, 401, "", "token: unknown scheme")
		if strings.Contains(strings.Join(a.Header.Values("WWW-Authenticate"), " "), "DPoP") {
			t.Error(a.Header)
		}
	})
	t.Run("skewed", func(t *testing.T) {
		b := s.start("-nonce", "skewed")
		b.wants(t, b.do(call{dpop: true}), 200, "", "")
		off := actors.Claims{"iat": time.Now().Unix() - 4000}
		a := b.do(call{dpop: true, changes: off})
		b.wants(t, a, 401, "use_dpop_nonce", "token: no DPoP nonce")
		off["nonce"] = a.Header.Get("DPoP-Nonce")
		b.wants(t, b.do(call{dpop: true, changes: off}), 200, "", "")
	})
	for _, bad := range [][]string{{"-nonce", "maybe"}, {"-nonce", "never", "-require-nonce"}, {"-profile", "x"}, {"-issuer", "https://x.example"}, {"-introspect", "http://x"}, {"-introspect-signed"}, {"-admin", "0.0.0.0:1"}} {
		p := s.process(append(s.flags(freeAddr(t)), bad...)...)
		if err := <-p.gone; err == nil {
			t.Error(bad, "accepted")
		}
	}
}
