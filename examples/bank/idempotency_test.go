package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/internal/redistest"
)

// payWith is a payment with an idempotency key; an empty key is none.
func payWith(key, payment string) call {
	h := http.Header{"Content-Type": {"application/json"}}
	if key != "" {
		h["Idempotency-Key"] = []string{key}
	}
	return call{method: "POST", path: "/payments", body: strings.NewReader(payment), header: h}
}

var anotherPayment = strings.Replace(goodPayment, `"reference":"`, `"reference":"another `, 1)

// A payment is made once for its key, whichever process is asked.
func TestIdempotency(t *testing.T) {
	server := redistest.Start(t)
	for name, flags := range map[string][]string{
		"memory": {"-idempotency"}, "redis": {"-idempotency", "-redis", "redis://" + server.Addr() + "/0"},
	} {
		t.Run("R15 "+name, func(t *testing.T) {
			s := newStage(t)
			b := s.start(flags...)
			next := b
			if name == "redis" {
				next = s.start(flags...)
			}
			b.wants(t, b.do(payWith("", goodPayment)), 400, "", "replay: no idempotency key")
			b.wants(t, b.do(payWith("k", goodPayment)), 400, "", "replay: malformed idempotency key")
			first := b.do(payWith(`"k"`, goodPayment))
			b.wants(t, first, 201, "", "")
			again := next.do(payWith(`"k"`, goodPayment))
			next.wants(t, again, 201, "", "")
			if again.text != first.text || again.Header.Get("Location") != first.Header.Get("Location") {
				t.Errorf("%s and then %s", first.text, again.text)
			}
			next.wants(t, next.do(payWith(`"k"`, anotherPayment)), 422, "", "replay: idempotency key of another request")
			other := payWith(`"k"`, goodPayment)
			other.claims = actors.Claims{"sub": "customer-2"}
			if a := next.do(other); a.StatusCode != 201 || a.text == first.text {
				t.Errorf("another customer: %d %s", a.StatusCode, a.text)
			}
			b.wants(t, b.do(payWith(`"refused"`, "{")), 400, "", "bank: body is not one JSON text")
			b.wants(t, b.do(payWith(`"refused"`, goodPayment)), 201, "", "")
			b.wants(t, b.do(call{}), 200, "", "")
		})
	}
}

// What one process takes back, the other refuses, and both refuse everything when they cannot know.
func TestSharedRevocation(t *testing.T) {
	server := redistest.Start(t)
	s := newStage(t)
	adminOne, adminTwo := freeAddr(t), freeAddr(t)
	one := s.start("-redis", "redis://"+server.Addr()+"/0", "-admin", adminOne)
	two := s.start("-redis", "redis://"+server.Addr()+"/0", "-admin", adminTwo)
	c := call{token: s.issuer.Token(merge(actors.BoundTo(s.x5t(), ""), actors.Claims{"jti": "one"}))}
	two.wants(t, two.do(c), 200, "", "")
	resp, err := http.Post("http://"+adminOne+"/revocations", "application/json", strings.NewReader(`{"jti":"one"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 204 {
		t.Fatal(resp.StatusCode)
	}
	one.wants(t, one.do(c), 401, "invalid_token", "replay: revoked")
	two.until(401, 10*time.Second, func() call { return c })
	two.wants(t, two.do(c), 401, "invalid_token", "replay: revoked")
	two.wants(t, two.do(call{}), 200, "", "")
	server.Kill()
	two.until(503, 10*time.Second, func() call { return call{} })
	two.wants(t, two.do(c), 401, "invalid_token", "replay: revoked")
	resp, err = http.Post("http://"+adminTwo+"/revocations", "application/json", strings.NewReader(`{"jti":"two"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" { // the order is right: it is ours to do
		t.Errorf("an order while Redis is away: %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	server.Restart() // empty: the processes know, and write it again
	two.until(200, 10*time.Second, func() call { return call{} })
	two.wants(t, two.do(c), 401, "invalid_token", "replay: revoked")
}
