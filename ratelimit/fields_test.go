package ratelimit_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// L5, UK-429: draft-ietf-httpapi-ratelimit-headers-11 §3 and §4.
func TestSetHeader(t *testing.T) {
	minute := limit("client", 100, time.Minute)
	for _, c := range []struct {
		name          string
		result        ratelimit.Result
		limit, policy string
	}{
		{"some left", ratelimit.Result{OK: true, Limit: minute, Remaining: 42, Next: 600 * time.Millisecond}, `"client";r=42;t=1`, `"client";q=100;w=60`},
		{"rounded up", ratelimit.Result{Limit: minute, Next: 29*time.Second + 1}, `"client";r=0;t=30`, `"client";q=100;w=60`},
		{"whole seconds", ratelimit.Result{Limit: minute, Next: 29 * time.Second}, `"client";r=0;t=29`, `"client";q=100;w=60`},
		{"nothing owed", ratelimit.Result{OK: true, Limit: minute, Remaining: 100}, `"client";r=100`, `"client";q=100;w=60`},
		{"a burst above the quota", ratelimit.Result{OK: true, Limit: ratelimit.Limit{Name: "b", Count: 10, Period: time.Hour, Burst: 50}, Remaining: 49, Next: 1}, `"b";r=10;t=1`, `"b";q=10;w=3600`},
		{"no whole seconds", ratelimit.Result{OK: true, Limit: limit("ms", 5, 1500*time.Millisecond), Remaining: 4, Next: 1}, `"ms";r=4;t=1`, `"ms";q=5`},
		{"a name with blanks", ratelimit.Result{OK: true, Limit: limit("per client; a=1, b", 5, time.Second), Remaining: 4}, `"per client; a=1, b";r=4`, `"per client; a=1, b";q=5;w=1`},
		{"the greatest", ratelimit.Result{Limit: limit(strings.Repeat("n", ratelimit.MaxName), ratelimit.MaxCount, ratelimit.MaxPeriod), Remaining: ratelimit.MaxCount, Next: ratelimit.MaxPeriod},
			`"` + strings.Repeat("n", 64) + `";r=1000000000000;t=31622400`, `"` + strings.Repeat("n", 64) + `";q=1000000000000;w=31622400`},
		{"a store that counts below nothing", ratelimit.Result{Limit: minute, Remaining: -3, Next: 1<<63 - 1}, `"client";r=0;t=9223372037`, `"client";q=100;w=60`},
		{"no limit", ratelimit.Result{}, "", ""},
		{"never", ratelimit.Result{Never: true, Limit: minute}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			c.result.SetHeader(h)
			if h.Get("RateLimit") != c.limit || h.Get("RateLimit-Policy") != c.policy {
				t.Errorf("%v, want %s and %s", h, c.limit, c.policy)
			}
		})
	}
}

// Two responses share nothing, and an outer limiter's line stays.
func TestSetHeaderShares(t *testing.T) {
	r := ratelimit.Result{OK: true, Limit: limit("client", 100, time.Minute), Remaining: 42}
	a, b := http.Header{}, http.Header{}
	r.SetHeader(a)
	r.SetHeader(b)
	for _, name := range []string{"Ratelimit", "Ratelimit-Policy"} {
		was := b.Get(name)
		a[name][0] = "changed"
		a.Add(name, "added")
		if b.Get(name) != was || len(b[name]) != 1 || cap(b[name]) != 1 {
			t.Errorf("%s is shared: %v", name, b[name])
		}
	}
	inner := ratelimit.Result{OK: true, Limit: limit("inner", 1, time.Minute)}
	inner.SetHeader(b)
	if got := strings.Join(b["Ratelimit"], ", "); got != `"client";r=42, "inner";r=0` {
		t.Errorf("both limits should stand: %s", got)
	}
	if got := strings.Join(b["Ratelimit-Policy"], ", "); got != `"client";q=100;w=60, "inner";q=1;w=60` {
		t.Errorf("both policies should stand: %s", got)
	}
}

func TestSetHeaderAllocs(t *testing.T) {
	l := limiter(t, ratelimit.Config{Store: memory(t, 10), Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 1e9, time.Second)}})
	req, h := request(), http.Header{}
	allocs(t, 1, func() {
		res, err := l.Take(req)
		if err != nil {
			t.Fatal(err)
		}
		clear(h)
		res.SetHeader(h)
	})
}
