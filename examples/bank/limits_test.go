package main_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
)

// OPS-thr-order: the address is counted before anything is verified, whoever it claims to be; the client's own
// limit is not touched by it.
func TestRatePeer(t *testing.T) {
	t.Parallel()
	b := newStage(t).start("-rate-peer", "5-M", "-rate", "3-M")
	for range 3 {
		b.wants(t, b.do(call{token: "forged"}), 401, "invalid_token", "token: malformed")
	}
	for range 2 {
		b.wants(t, b.do(call{}), 200, "", "")
	}
	for _, c := range []call{{}, {token: "forged"}, {claims: actors.Claims{"client_id": "app-2"}}} {
		a := b.do(c)
		b.wants(t, a, 429, "", "ratelimit: exceeded")
		if got := a.Header.Get("Retry-After"); got == "" || got == "0" || a.Header.Get("RateLimit") != "" {
			t.Errorf("Retry-After %q, RateLimit %q", got, a.Header.Get("RateLimit"))
		}
	}
}

// L11: a client with one request inside gets no second one; another client does.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	b := newStage(t).start("-concurrency", "1")
	body := &slow{end: make(chan struct{})}
	var a answer
	for i := range 20 {
		go func() {
			_, _ = b.try(call{method: "POST", path: "/echo", body: io.MultiReader(strings.NewReader("x"), body)})
		}()
		time.Sleep(time.Duration(i+1) * 50 * time.Millisecond) // let it arrive while nobody else is inside
		if a = b.do(call{}); a.StatusCode != 200 {
			break
		}
	}
	b.wants(t, a, 429, "", "ratelimit: too many in flight")
	if a.Header.Get("Retry-After") != "1" || !strings.Contains(a.Header.Get("RateLimit-Policy"), "concurrent-requests") {
		t.Errorf("%v", a.Header)
	}
	b.wants(t, b.do(call{claims: actors.Claims{"client_id": "app-2"}}), 200, "", "")
	close(body.end)
	for range 100 { // until the first is gone
		if a = b.do(call{}); a.StatusCode == 200 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.wants(t, a, 200, "", "")
}

func TestLimitFlags(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, flags := range map[string][]string{
		"peer, no period": {"-rate-peer", "5"}, "peer of days": {"-rate-peer", "5-D"}, "peer, empty": {"-rate-peer", ""},
		"nobody": {"-concurrency", "0"}, "less": {"-concurrency", "-1"}, "no number": {"-concurrency", "x"},
	} {
		b := s.process(append(s.flags("127.0.0.1:0"), flags...)...)
		if err := <-b.gone; err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}
