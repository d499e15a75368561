package main_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

func TestBinding(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	other := b.authority.Client("app-1")
	both := actors.BoundTo(b.x5t(), b.jkt())
	for name, c := range map[string]struct {
		call
		status       int
		code, reason string
	}{
		"no certificate":         {call{noCert: true}, 401, "invalid_token", "token: no client certificate"},
		"another certificate":    {call{client: b.client(&other)}, 401, "invalid_token", "token: bound to another certificate"},
		"bound to nothing":       {call{claims: actors.Claims{"cnf": nil}}, 401, "invalid_token", "token: not sender-constrained"},
		"cnf of another kind":    {call{claims: actors.Claims{"cnf": map[string]any{"kid": "x"}}}, 401, "invalid_token", "token: unusable confirmation"},
		"downgrade":              {call{claims: actors.BoundTo("", b.jkt())}, 401, "invalid_token", "token: bound to a DPoP key but sent as Bearer"},
		"certificate as DPoP":    {call{dpop: true, claims: actors.BoundTo(b.x5t(), "")}, 401, "invalid_token", "token: not bound to a DPoP key"},
		"both hold":              {call{dpop: true, claims: both, client: b.client(&b.cert)}, 200, "", ""},
		"both, as Bearer":        {call{claims: both}, 401, "invalid_token", "token: bound to a DPoP key but sent as Bearer"},
		"both, no certificate":   {call{dpop: true, claims: both}, 401, "invalid_token", "token: no client certificate"},
		"DPoP, any certificate":  {call{dpop: true, client: b.client(&other)}, 200, "", ""},
		"scheme in another case": {call{header: http.Header{"Authorization": {"bEARER " + b.issuer.Token(actors.BoundTo(b.x5t(), ""))}}}, 200, "", ""},
	} {
		t.Run(name, func(t *testing.T) { b.wants(t, b.do(c.call), c.status, c.code, c.reason) })
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	now := time.Now().Unix()
	valid := b.issuer.Token(actors.BoundTo(b.x5t(), ""))
	claims := b.issuer.Claims(actors.BoundTo(b.x5t(), ""))
	sign := func(header map[string]any) string { return b.issuer.Key().Sign(header, claims) }
	for name, c := range map[string]struct {
		call
		status       int
		code, reason string
	}{
		"one hour":            {call{claims: actors.Claims{"exp": now + 3600, "iat": now}}, 200, "", ""},
		"aud as array":        {call{claims: actors.Claims{"aud": []string{"x", audience}}}, 200, "", ""},
		"aud of another":      {call{claims: actors.Claims{"aud": "https://other.example"}}, 401, "invalid_token", "token: other audience"},
		"iss of another":      {call{claims: actors.Claims{"iss": "https://other.example"}}, 401, "invalid_token", "token: unknown issuer"},
		"expired":             {call{claims: actors.Claims{"exp": now - 61}}, 401, "invalid_token", "token: expired"},
		"no exp":              {call{claims: actors.Claims{"exp": nil}}, 401, "invalid_token", "token: claim missing or of the wrong type"},
		"exp as text":         {call{claims: actors.Claims{"exp": "x"}}, 401, "invalid_token", "token: claim missing or of the wrong type"},
		"EXP too":             {call{claims: actors.Claims{"EXP": now + 9999}}, 401, "invalid_token", "token: malformed"},
		"application/at+jwt":  {call{token: sign(map[string]any{"typ": "application/at+jwt", "kid": "key-1"})}, 200, "", ""},
		"typ JWT":             {call{token: sign(map[string]any{"typ": "JWT", "kid": "key-1"})}, 401, "invalid_token", "token: not an access token"},
		"crit":                {call{token: sign(map[string]any{"typ": "at+jwt", "kid": "key-1", "crit": []string{"x"}})}, 401, "invalid_token", "token: critical header"},
		"b64":                 {call{token: sign(map[string]any{"typ": "at+jwt", "kid": "key-1", "b64": false})}, 401, "invalid_token", "token: critical header"},
		"none":                {call{token: actors.Unsigned(map[string]any{"typ": "at+jwt", "alg": "none"}, claims)}, 401, "invalid_token", "token: algorithm not allowed"},
		"in the query":        {call{path: "/accounts?access_token=" + valid, header: http.Header{"Authorization": nil}}, 401, "", "token: in the query only"},
		"two":                 {call{header: http.Header{"Authorization": {"Bearer " + valid, "Bearer " + valid}}}, 400, "invalid_request", "token: several credentials"},
		"another scheme":      {call{header: http.Header{"Authorization": {"Basic eDp5"}}}, 401, "", "token: unknown scheme"},
		"16 levels of claims": {call{claims: actors.Claims{"deep": deep(14)}}, 200, "", ""},
	} {
		t.Run(name, func(t *testing.T) { b.wants(t, b.do(c.call), c.status, c.code, c.reason) })
	}
	t.Run("the query is not recorded", func(t *testing.T) {
		if text := b.stderr.String(); strings.Contains(text, "access_token=") || strings.Contains(text, valid) {
			t.Error("a query string in the audit log")
		}
	})
}

func deep(levels int) any {
	if levels == 0 {
		return "x"
	}
	return []any{deep(levels - 1)}
}

func TestProof(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	const bad = "invalid_dpop_proof"
	now := time.Now().Unix() // the first requests after the start
	for name, c := range map[string]struct {
		changes actors.Claims
		status  int
		reason  string
	}{
		"10 s old":            {actors.Claims{"iat": now - 10}, 200, ""},
		"10 s ahead":          {actors.Claims{"iat": now + 10}, 200, ""},
		"301 s old":           {actors.Claims{"iat": now - 302}, 401, "token: DPoP proof outside its time"},
		"61 s ahead":          {actors.Claims{"iat": now + 62}, 401, "token: DPoP proof outside its time"},
		"jti of 256":          {actors.Claims{"jti": strings.Repeat("é", 256)}, 200, ""},
		"jti of 257":          {actors.Claims{"jti": strings.Repeat("x", 257)}, 401, "token: DPoP proof claim missing or of the wrong type"},
		"jti of 1":            {actors.Claims{"jti": "x"}, 200, ""},
		"no jti":              {actors.Claims{"jti": nil}, 401, "token: DPoP proof claim missing or of the wrong type"},
		"no ath":              {actors.Claims{"ath": nil}, 401, "token: DPoP proof claim missing or of the wrong type"},
		"another ath":         {actors.Claims{"ath": strings.Repeat("A", 43)}, 401, "token: DPoP proof for another token"},
		"another method":      {actors.Claims{"htm": "POST"}, 401, "token: DPoP proof for another method"},
		"method in lower":     {actors.Claims{"htm": "get"}, 401, "token: DPoP proof for another method"},
		"another path":        {actors.Claims{"htu": b.url + "/payments"}, 401, "token: DPoP proof for another target"},
		"another host":        {actors.Claims{"htu": "https://evil.example/accounts"}, 401, "token: DPoP proof for another target"},
		"query and fragment":  {actors.Claims{"htu": b.url + "/accounts?x=1#y"}, 200, ""},
		"scheme and escapes":  {actors.Claims{"htu": "HTTPS" + strings.TrimPrefix(b.url, "https") + "/x/%2e%2e/%61ccounts"}, 200, ""},
		"claims nobody knows": {actors.Claims{"other": "x"}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code := ""
			if c.status != 200 {
				code = bad
			}
			b.wants(t, b.do(call{dpop: true, changes: c.changes}), c.status, code, c.reason)
		})
	}
	t.Run("used twice", func(t *testing.T) {
		a := b.do(call{dpop: true})
		b.wants(t, a, 200, "", "")
		b.wants(t, b.do(call{dpop: true, token: a.token, proof: a.proof}), 401, bad, "replay: used")
	})
	t.Run("none", func(t *testing.T) {
		b.wants(t, b.do(call{dpop: true, header: http.Header{"Dpop": nil}}), 401, bad, "token: no DPoP proof")
	})
	t.Run("of another key", func(t *testing.T) {
		token := b.issuer.Token(actors.BoundTo("", b.jkt()))
		proof := actors.NewKey("ES256", "").Proof("GET", b.url+"/accounts", token, nil)
		b.wants(t, b.do(call{dpop: true, token: token, proof: proof}), 401, "invalid_token", "token: bound to another DPoP key")
	})
}

// What a client says about the host decides nothing: the public URL does.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	b := newStage(t).start("-public-url", "https://API.bank.example:443/")
	const public = "https://api.bank.example/accounts"
	forwarded := http.Header{"X-Forwarded-Host": {b.addr}, "X-Forwarded-Proto": {"https"}, "Forwarded": {"host=" + b.addr}}
	b.wants(t, b.do(call{dpop: true, changes: actors.Claims{"htu": public}}), 200, "", "")
	b.wants(t, b.do(call{dpop: true, changes: actors.Claims{"htu": public}, header: forwarded}), 200, "", "")
	b.wants(t, b.do(call{dpop: true, header: forwarded}), 401, "invalid_dpop_proof", "token: DPoP proof for another target")

	t.Run("absolute-form", func(t *testing.T) {
		for htu, status := range map[string]int{public: 200, "https://evil.example/accounts": 401} {
			token := b.issuer.Token(actors.BoundTo("", b.jkt()))
			proof := b.proofKey.Proof("GET", htu, token, nil)
			conn, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: b.authority.Pool()})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET https://evil.example/accounts HTTP/1.1\r\nHost: evil.example\r\nAuthorization: DPoP %s\r\nDPoP: %s\r\n\r\n", token, proof)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || answer.StatusCode != status {
				t.Errorf("htu %s: %v %v", htu, answer, err)
			}
		}
	})
}

func TestNonce(t *testing.T) {
	t.Parallel()
	b := newStage(t).start("-require-nonce", "-nonce-ttl", "2s")
	b.wants(t, b.do(call{}), 200, "", "") // a certificate-bound call needs none
	challenge := b.do(call{dpop: true})
	b.wants(t, challenge, 401, "use_dpop_nonce", "token: no DPoP nonce")
	nonce := challenge.Header.Get("DPoP-Nonce")
	if nonce == "" || challenge.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("nonce %q, Cache-Control %q", nonce, challenge.Header.Get("Cache-Control"))
	}
	for range 2 {
		b.wants(t, b.do(call{dpop: true, changes: actors.Claims{"nonce": nonce}}), 200, "", "")
	}
	b.wants(t, b.do(call{dpop: true, changes: actors.Claims{"nonce": "made-up"}}), 401, "use_dpop_nonce", "token: stale or foreign DPoP nonce")
	time.Sleep(2200 * time.Millisecond)
	stale := b.do(call{dpop: true, changes: actors.Claims{"nonce": nonce}})
	b.wants(t, stale, 401, "use_dpop_nonce", "token: stale or foreign DPoP nonce")
	b.wants(t, b.do(call{dpop: true, changes: actors.Claims{"nonce": stale.Header.Get("DPoP-Nonce")}}), 200, "", "")
}
