package main_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

const goodPayment = `{"debtorAccount":"acc-1001","creditorAccount":"DE02120300000000202051",` +
	`"creditorName":"Corner Books","amount":"12.50","currency":"EUR","reference":"invoice 78"}`

var jsonType = http.Header{"Content-Type": {"application/json"}}

func TestRoutes(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	for name, c := range map[string]struct {
		call
		status       int
		code, reason string
	}{
		"certificate":            {call{}, 200, "", ""},
		"dpop":                   {call{dpop: true}, 200, "", ""},
		"head":                   {call{method: "HEAD"}, 200, "", ""},
		"one":                    {call{path: "/accounts/acc-1001"}, 200, "", ""},
		"query ignored":          {call{path: "/accounts/acc-1001?x=%zz&y=1"}, 200, "", ""},
		"dpop, query ignored":    {call{path: "/accounts/acc-1001?x=1", dpop: true}, 200, "", ""},
		"transactions":           {call{path: "/accounts/acc-1002/transactions"}, 200, "", ""},
		"no such account":        {call{path: "/accounts/acc-9"}, 404, "", "bank: no such account"},
		"no such transactions":   {call{path: "/accounts/acc-9/transactions"}, 404, "", "bank: no such account"},
		"unknown path":           {call{path: "/nowhere"}, 404, "", "audit: not found"},
		"unclean path":           {call{path: "/accounts//acc-1001"}, 404, "", "audit: not found"},
		"unknown path, no token": {call{path: "/nowhere", header: http.Header{"Authorization": nil}}, 401, "", "token: missing"},
		"method":                 {call{method: "DELETE"}, 405, "", "audit: method not allowed"},
		"method, no token":       {call{method: "DELETE", header: http.Header{"Authorization": nil}}, 401, "", "token: missing"},
		"client credentials":     {call{claims: actors.Claims{"sub": "app-1"}}, 200, "", ""},
		"payment":                {call{method: "POST", path: "/payments", body: strings.NewReader(goodPayment), header: jsonType}, 201, "", ""},
		"payment, dpop":          {call{method: "POST", path: "/payments", body: strings.NewReader(goodPayment), header: jsonType, dpop: true}, 201, "", ""},
		"scope of another":       {call{claims: actors.Claims{"scope": "payments"}}, 403, "insufficient_scope", "token: insufficient scope"},
		"scope as a prefix":      {call{claims: actors.Claims{"scope": "accounts-read account"}}, 403, "insufficient_scope", "token: insufficient scope"},
		"scope absent":           {call{claims: actors.Claims{"scope": nil}}, 403, "insufficient_scope", "token: insufficient scope"},
		"scope empty":            {call{claims: actors.Claims{"scope": ""}}, 403, "insufficient_scope", "token: insufficient scope"},
		"scope no string":        {call{claims: actors.Claims{"scope": []string{"accounts"}}}, 401, "invalid_token", "token: claim missing or of the wrong type"},
		"scope before media type": {call{method: "POST", path: "/payments", body: strings.NewReader("x"), claims: actors.Claims{"scope": "accounts"}},
			403, "insufficient_scope", "token: insufficient scope"},
		"echo without scope": {call{method: "POST", path: "/echo", body: strings.NewReader("x"), claims: actors.Claims{"scope": nil}}, 200, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.do(c.call)
			b.wants(t, a, c.status, c.code, c.reason)
			if c.status == 405 && a.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow %q", a.Header.Get("Allow"))
			}
			if c.status == 403 && !strings.Contains(strings.Join(a.Header.Values("WWW-Authenticate"), ""), `scope="`) {
				t.Error("no scope in the challenge")
			}
			if got := a.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
		})
	}
}

func TestAccountsFirstID(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	a := b.do(call{})
	_, rest, _ := strings.Cut(a.text, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	one := b.do(call{path: "/accounts/" + id, dpop: true})
	var account struct{ ID, IBAN, Owner string }
	if err := json.Unmarshal([]byte(one.text), &account); err != nil || one.StatusCode != 200 || account.ID != id || account.IBAN == "" || account.Owner == "" {
		t.Errorf("account %q: %d %s", id, one.StatusCode, one.text)
	}
	if a.Header.Get("Content-Type") != "application/json" {
		t.Error("accounts are not JSON by their media type")
	}
}

func TestPaymentBody(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	with := func(old, now string) string { return strings.Replace(goodPayment, old, now, 1) }
	for name, c := range map[string]struct {
		body   string
		header http.Header
		status int
		reason string
	}{
		"charset":            {goodPayment, http.Header{"Content-Type": {"Application/JSON; charset=UTF-8"}}, 201, ""},
		"no media type":      {goodPayment, nil, 415, "bank: body is not JSON by its media type"},
		"form":               {"a=b", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 415, "bank: body is not JSON by its media type"},
		"other charset":      {goodPayment, http.Header{"Content-Type": {"application/json; charset=utf-16"}}, 415, "bank: body is not JSON by its media type"},
		"two media types":    {goodPayment, http.Header{"Content-Type": {"application/json", "application/json"}}, 415, "bank: body is not JSON by its media type"},
		"coded":              {goodPayment, http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, 415, "bank: body has a content coding"},
		"empty":              {"", jsonType, 400, "bank: body is not one JSON text"},
		"cut":                {goodPayment[:40], jsonType, 400, "bank: body is not one JSON text"},
		"two texts":          {goodPayment + "{}", jsonType, 400, "bank: body is not one JSON text"},
		"duplicate":          {with(`"currency"`, `"amount":"1.00","currency"`), jsonType, 400, "bank: body is not one JSON text"},
		"duplicate, escaped": {with(`"currency"`, `"\u0061mount":"1.00","currency"`), jsonType, 400, "bank: body is not one JSON text"},
		"invalid UTF-8":      {with("Corner", "\xff"), jsonType, 400, "bank: body is not one JSON text"},
		"half surrogate":     {with("Corner", `\ud800`), jsonType, 422, "bank: not a payment order"},
		"array":              {"[" + goodPayment + "]", jsonType, 422, "bank: not a payment order"},
		"null":               {"null", jsonType, 422, "bank: not a payment order"},
		"unknown member":     {with(`{`, `{"more":"x",`), jsonType, 422, "bank: not a payment order"},
		"other case":         {with(`"amount"`, `"Amount"`), jsonType, 422, "bank: not a payment order"},
		"missing member":     {with(`,"reference":"invoice 78"`, ``), jsonType, 422, "bank: not a payment order"},
		"amount as number":   {with(`"12.50"`, `12.50`), jsonType, 422, "bank: not a payment order"},
		"amount of zero":     {with("12.50", "0.00"), jsonType, 422, "bank: not a payment order"},
		"negative amount":    {with("12.50", "-1.00"), jsonType, 422, "bank: not a payment order"},
		"three decimals":     {with("12.50", "1.005"), jsonType, 422, "bank: not a payment order"},
		"exponent":           {with("12.50", "1e3"), jsonType, 422, "bank: not a payment order"},
		"line after amount":  {with("12.50", `12.50\n`), jsonType, 422, "bank: not a payment order"},
		"small currency":     {with("EUR", "eur"), jsonType, 422, "bank: not a payment order"},
		"no IBAN":            {with("DE02", "DEXX"), jsonType, 422, "bank: not a payment order"},
		"no such debtor":     {with("acc-1001", "acc-9"), jsonType, 422, "bank: no such debtor account"},
		"too large":          {goodPayment + strings.Repeat(" ", 64<<10), jsonType, 413, "bank: body too large"},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.do(call{method: "POST", path: "/payments", body: strings.NewReader(c.body), header: c.header})
			b.wants(t, a, c.status, "", c.reason)
			if location := a.Header.Get("Location"); (location != "") != (c.status == 201) {
				t.Errorf("Location %q", location)
			}
		})
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	mebibyte := bytes.Repeat([]byte("0123456789abcde\x00"), 1<<16)
	chunked := func(body []byte) *chunks { return &chunks{bytes.NewReader(body)} }
	for _, protocol := range []string{"HTTP/2.0", "HTTP/1.1"} {
		client := b.client(&b.cert)
		if protocol == "HTTP/1.1" {
			client = http1(client)
		}
		t.Run(protocol, func(t *testing.T) {
			for name, body := range map[string][]byte{"empty": nil, "html": []byte("<script>1</script>"), "1 MiB": mebibyte} {
				for _, length := range []string{"declared", "chunked"} {
					for _, kind := range []string{"", "text/html", `application/x; a="b"`} {
						c := call{method: "POST", path: "/echo", body: bytes.NewReader(body), client: client, header: http.Header{"Content-Type": {kind}}}
						if kind == "" {
							c.header = nil
						}
						if length == "chunked" {
							c.body = chunked(body)
						}
						a := b.do(c)
						if a.StatusCode != 200 || a.text != string(body) || a.Proto != protocol {
							t.Errorf("%s, %s, %q: %d with %d bytes over %s", name, length, kind, a.StatusCode, len(a.text), a.Proto)
						}
						if got := a.Header.Get("Content-Type"); got != kind || a.Header.Get("X-Content-Type-Options") != "nosniff" {
							t.Errorf("%s, %s: Content-Type %q, want %q", name, length, got, kind)
						}
					}
				}
			}
			for _, size := range []int{1, 3 << 20} {
				long := append(bytes.Clone(mebibyte), make([]byte, size)...)
				b.wants(t, b.do(call{method: "POST", path: "/echo", body: bytes.NewReader(long), client: client}), 413, "", "bank: body too large")
				b.wants(t, b.do(call{method: "POST", path: "/echo", body: chunked(long), client: client}), 413, "", "bank: body too large")
				b.wants(t, b.do(call{method: "POST", path: "/echo", body: bytes.NewReader(long), client: client,
					header: http.Header{"Expect": {"100-continue"}}}), 413, "", "bank: body too large")
			}
		})
	}
}

// A client that reads only after it has sent everything sees the refusal, too.
func TestEchoTooLargeIsAnswered(t *testing.T) {
	t.Parallel()
	b := newStage(t).start()
	for range 3 {
		conn, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: b.authority.Pool(), Certificates: []tls.Certificate{b.cert}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		const size = 8 << 20
		fmt.Fprintf(conn, "POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
			b.issuer.Token(actors.BoundTo(b.x5t(), "")), size)
		for range size / (1 << 16) {
			if _, err := conn.Write(make([]byte, 1<<16)); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != 413 {
			t.Errorf("%v %v", answer, err)
		}
	}
}

// chunks hides the length of a body, so that it is sent chunked.
type chunks struct{ r *bytes.Reader }

func (c *chunks) Read(p []byte) (int, error) { return c.r.Read(p) }
