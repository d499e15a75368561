package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/internal/redistest"
)

func TestRedis(t *testing.T) {
	server := redistest.Start(t, "--requirepass", secret)
	s := newStage(t)
	const public = "https://api.bank.example"
	flags := []string{"-redis", "redis://:" + secret + "@" + server.Addr() + "/1", "-public-url", public}
	one := s.start(flags...)
	two := s.start(flags[0], flags[1], "-public-url", "https://API.bank.example:443/") // the same, written otherwise
	fresh := func() call {
		return call{dpop: true, changes: map[string]any{"htu": public + "/accounts"}}
	}

	t.Run("shared by two processes", func(t *testing.T) {
		a := one.do(fresh())
		one.wants(t, a, 200, "", "")
		two.wants(t, two.do(call{dpop: true, token: a.token, proof: a.proof}), 401, "invalid_dpop_proof", "replay: used")
	})
	t.Run("hangs", func(t *testing.T) {
		server.Pause()
		one.lacksRedis(t, fresh())
		server.Continue()
		one.until(200, 10*time.Second, fresh)
	})
	t.Run("gone", func(t *testing.T) {
		server.Kill()
		one.lacksRedis(t, fresh())
		server.Restart()
		one.until(200, 10*time.Second, fresh)
	})
	t.Run("used before a restart of the service", func(t *testing.T) {
		a := one.do(fresh())
		one.wants(t, a, 200, "", "")
		if _, err := one.stop(); err != nil {
			t.Error(err)
		}
		again := s.start(flags...)
		again.wants(t, again.do(call{dpop: true, token: a.token, proof: a.proof}), 401, "invalid_dpop_proof", "replay: used")
	})
	t.Run("not there at the start", func(t *testing.T) {
		server.Kill()
		late := s.start(flags...)
		late.wants(t, late.do(fresh()), 503, "", "replay: store unavailable")
		server.Restart()
		late.until(200, 10*time.Second, fresh)
	})
	for _, b := range []*bank{one, two} {
		if text := b.stdout.String() + b.stderr.String(); strings.Contains(text, secret) {
			t.Error("the password is in the output")
		}
		records(t, b.stderr.String())
	}
}

// lacksRedis checks one call while Redis is away, and one that does not need it.
func (b *bank) lacksRedis(t *testing.T, c call) {
	t.Helper()
	began := time.Now()
	a := b.do(c)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the answer took %v", took)
	}
	b.wants(t, a, 503, "", "replay: store unavailable")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.wants(t, b.do(call{}), 200, "", "")
}
