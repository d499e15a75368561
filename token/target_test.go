package token_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/token"
)

func TestTarget(t *testing.T) {
	k := newRig(t)
	raw := k.dpop()
	for _, c := range []struct {
		id, path, htu string
		ok            bool
	}{
		{"D8, RFC9449-4.3-9, pitfall-50", "/accounts", "https://api.bank.example/accounts?a=b", true},
		{"RFC9449-4.3-9, pitfall-50", "/accounts", "https://api.bank.example/accounts#f", true},
		{"RFC9449-4.3-9, pitfall-50", "/accounts", "https://api.bank.example/accounts?a=b#f", true},
		{"RFC9449-4.3-9, pitfall-50", "/accounts?from=2026-01-01&q=%2F", "https://api.bank.example/accounts", true},
		{"D8, RFC9449-4.3-9, pitfall-50", "/accounts?a=b", "https://api.bank.example/accounts?a=c#d", true},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example/accountsohnonotagain", false},
		{"D10, RFC9449-4.3-9, pitfall-51", "/accounts", "https://evil.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example.evil.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example./accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example:8443/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example:80/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "http://api.bank.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "http://api.bank.example:443/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example/accounts/", false},
		{"RFC9449-4.3-9", "/accounts/7", "https://api.bank.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example/", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example", false},
		{"RFC9449-4.3-9", "/accounts", "https://user@api.bank.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example@evil.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "//api.bank.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https:/api.bank.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https:///accounts", false},
		{"RFC9449-4.3-9", "/accounts", " https://api.bank.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example/accounts\n", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example\\@evil.example/accounts", false},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example/" + strings.Repeat("../", 300) + "accounts", true},
		{"RFC9449-4.3-9", "/accounts", "https://api.bank.example/" + strings.Repeat("../", 1400) + "accounts", false},
		{"D9, RFC9449-4.3-9n, pitfall-57", "/accounts", "HTTPS://API.Bank.Example/accounts", true},
		{"D9, RFC9449-4.3-9n, pitfall-57", "/accounts", "https://api.bank.example:443/accounts", true},
		{"D9, RFC9449-4.3-9n", "/accounts", "https://api.bank.example:/accounts", true},
		{"D9, RFC9449-4.3-9n", "/~user", "https://api.bank.example/%7Euser", true},
		{"D9, RFC9449-4.3-9n", "/%7euser", "https://api.bank.example/~user", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/a%2fb", "https://api.bank.example/a%2Fb", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/a%2Fb", "https://api.bank.example/a%2fb", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/a%2Fb", "https://api.bank.example/a/b", false},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/a/b", "https://api.bank.example/a%2Fb", false},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/a%20b", "https://api.bank.example/a%20b", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/%C3%A9", "https://api.bank.example/%c3%a9", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/accounts", "https://api.bank.example/x/../accounts", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/accounts", "https://api.bank.example/./accounts", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/accounts", "https://api.bank.example/%2e/accounts", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/accounts", "https://api.bank.example/x/%2e%2E/accounts", true},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/accounts", "https://api.bank.example/accounts%2F..%2Faccounts", false},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/accounts", "https://api.bank.example//accounts", false},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/accounts", "https://api.bank.example/accounts%", false},
		{"D9, RFC9449-4.3-9n, pitfall-53", "/accounts", "https://api.bank.example/accounts%4", false},
		{"D9, RFC9449-4.3-9n", "/accounts", "https://api.bank.example/Accounts", false},
		{"D9, RFC9449-4.3-9n", "/", "https://api.bank.example", true},
		{"D9, RFC9449-4.3-9n", "/", "https://api.bank.example?a", true},
		{"D9, RFC9449-4.3-9n", "/", "https://api.bank.example//", false},
	} {
		t.Run(c.id+" "+c.path+" "+fmt.Sprintf("%.80s", c.htu), func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://internal"+c.path, nil)
			before := *r.URL
			r.Header["Authorization"], r.Header["Dpop"] = []string{"DPoP " + raw}, []string{k.proof(raw, claim("htu", quote(c.htu)))}
			a := k.call(r)
			if *r.URL != before {
				t.Errorf("pitfall-54: the URL became %v", r.URL)
			}
			if c.ok {
				a.ok(t)
				return
			}
			a.is(t, eIDP, token.ErrProofTarget)
		})
	}
}

// TestTargetOverTheWire writes request heads that Go's client would not send.
func TestTargetOverTheWire(t *testing.T) {
	k := newRig(t)
	server := httptest.NewServer(k.chain)
	t.Cleanup(server.Close)
	raw := k.dpop()
	send := func(t *testing.T, line, host, htu string, more ...string) (status int, reason any) {
		t.Helper()
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		must(err)
		defer c.Close() //nolint:errcheck // only a test's client
		n := k.records.len()
		head := line + "\r\nHost: " + host + "\r\nAuthorization: DPoP " + raw + "\r\nDPoP: " + k.proof(raw, claim("htu", quote(htu))) + "\r\nConnection: close\r\n"
		for _, field := range more {
			head += field + "\r\n"
		}
		_, err = c.Write([]byte(head + "\r\n"))
		must(err)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(err)
		defer resp.Body.Close() //nolint:errcheck // only a test's client
		if list := k.records.since(n); len(list) == 1 {
			reason = list[0]["reason"]
		}
		return resp.StatusCode, reason
	}
	const ours, evil = rigOrigin + "/accounts", "https://evil.example/accounts"
	t.Run("RFC9449-4.3-9p: our origin, whatever Host says", func(t *testing.T) {
		for _, host := range []string{"api.bank.example", "10.0.0.7:8080", "evil.example", ""} {
			if status, reason := send(t, "GET /accounts HTTP/1.1", host, ours); status != 200 {
				t.Errorf("Host %q: %d, %v", host, status, reason)
			}
		}
	})
	for _, c := range []struct{ name, line, host, htu, field string }{
		{"Host", "GET /accounts HTTP/1.1", "evil.example", evil, "X: y"},
		{"pitfall-52: malformed Host", "GET /accounts HTTP/1.1", "evil.example:99:88", evil, "X: y"},
		{"X-Forwarded-Host", "GET /accounts HTTP/1.1", "api.bank.example", evil, "X-Forwarded-Host: evil.example"},
		{"pitfall-52: malformed X-Forwarded-Host", "GET /accounts HTTP/1.1", "api.bank.example", evil, "X-Forwarded-Host: evil.example/accounts?"},
		{"Forwarded", "GET /accounts HTTP/1.1", "api.bank.example", evil, `Forwarded: host=evil.example;proto=https`},
		{"X-Forwarded-Proto", "GET /accounts HTTP/1.1", "api.bank.example", "http://api.bank.example/accounts", "X-Forwarded-Proto: http"},
		{"X-Forwarded-Prefix", "GET /accounts HTTP/1.1", "api.bank.example", rigOrigin + "/v1/accounts", "X-Forwarded-Prefix: /v1"},
		{"pitfall-109: X-Original-URL", "GET /accounts HTTP/1.1", "api.bank.example", rigOrigin + "/payments", "X-Original-URL: /payments"},
		{"absolute form", "GET https://evil.example/accounts HTTP/1.1", "evil.example", evil, "X: y"},
		{"absolute form, other path", "GET https://api.bank.example/payments HTTP/1.1", "api.bank.example", ours, "X: y"},
		{"pitfall-53: two slashes", "GET //evil.example/accounts HTTP/1.1", "api.bank.example", evil, "X: y"},
		{"pitfall-53: two slashes, our path", "GET //evil.example/accounts HTTP/1.1", "api.bank.example", ours, "X: y"},
	} {
		t.Run("RFC9449-4.3-9p "+c.name, func(t *testing.T) {
			ran := k.ran.Load()
			status, reason := send(t, c.line, c.host, c.htu, c.field)
			refused := status == 401 && (reason == string(token.ErrProofTarget) || reason == string(token.ErrProofMethod)) || status == 400
			if !refused || k.ran.Load() != ran {
				t.Errorf("%d, %v, handler ran %d times", status, reason, k.ran.Load()-ran)
			}
		})
	}
	t.Run("RFC9449-4.3-9p: absolute form, our path", func(t *testing.T) {
		if status, reason := send(t, "GET http://whatever.example/accounts HTTP/1.1", "whatever.example", ours); status != 200 {
			t.Errorf("%d, %v", status, reason)
		}
	})
}

func TestConfiguredTarget(t *testing.T) {
	k := newRig(t, func(k *rig) {
		k.config.Origin, k.config.Service = "", "bank"
		k.config.Target = func(r *http.Request) (string, string) { return "PUT", "https://outer.example/v1" + r.URL.EscapedPath() }
	})
	raw := k.dpop()
	put := claim("htm", `"PUT"`)
	t.Run("RFC9449-4.3-9p, pitfall-58: the outer request counts", func(t *testing.T) {
		k.withDPoP(raw, k.proof(raw, put, claim("htu", `"https://outer.example/v1/accounts"`))).ok(t)
		k.withDPoP(raw, k.proof(raw, claim("htu", `"https://outer.example/v1/accounts"`))).is(t, eIDP, token.ErrProofMethod)
		k.withDPoP(raw, k.proof(raw, put)).is(t, eIDP, token.ErrProofTarget)
	})
	t.Run("RFC9449-4.3-9n: each scheme has its own default port", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.Origin = "http://localhost" })
		raw := k.dpop()
		k.withDPoP(raw, k.proof(raw, claim("htu", `"http://localhost:80/accounts"`))).ok(t)
		k.withDPoP(raw, k.proof(raw, claim("htu", `"http://localhost:443/accounts"`))).is(t, eIDP, token.ErrProofTarget)
	})
	t.Run("a Target without an answer lets nothing pass", func(t *testing.T) {
		k := newRig(t, func(k *rig) {
			k.config.Service = "bank"
			k.config.Target = func(*http.Request) (string, string) { return "", "" }
		})
		k.withDPoP(raw, k.proof(raw)).is(t, eIDP, token.ErrProofMethod)
	})
}
