package ratelimit_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

// sink keeps the records of an audit.Log as text.
type sink struct {
	slog.Handler
	mu    sync.Mutex
	lines []map[string]string
}

func (s *sink) Enabled(context.Context, slog.Level) bool { return true }
func (s *sink) Handle(_ context.Context, r slog.Record) error {
	l := map[string]string{}
	r.Attrs(func(a slog.Attr) bool { l[a.Key] = a.Value.String(); return true })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, l)
	return nil
}

// logged runs the limiter inside an audit.Log and gives the one record of the request.
func logged(t testing.TB, h func(http.Handler) http.Handler, waive func(*http.Request, *audit.Refusal) bool) (func(http.Handler) http.Handler, func() map[string]string) {
	s := &sink{}
	log, err := audit.New(audit.Config{Handler: s, Waive: waive})
	if err != nil {
		t.Fatal(err)
	}
	return func(next http.Handler) http.Handler { return log.Wrap(h(next)) }, func() map[string]string {
		t.Helper()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.lines) != 1 {
			t.Fatalf("%d records, want one: %v", len(s.lines), s.lines)
		}
		l := s.lines[0]
		s.lines = nil
		return l
	}
}

func TestConfigIsClosed(t *testing.T) {
	for _, c := range []any{ratelimit.Config{}, ratelimit.MemoryConfig{}, ratelimit.SlotsConfig{}, ratelimit.ConcurrencyConfig{}, ratelimit.GuardConfig{},
		ratelimit.OutageConfig{}, ratelimit.LeasesConfig{}, ratelimit.UnattendedConfig{}} {
		if f := reflect.TypeOf(c).Field(0); f.Name != "_" || f.Type != reflect.TypeFor[[0]func()]() {
			t.Errorf("%T can be written without field names or compared", c)
		}
	}
}

func TestNewReportsAllMistakes(t *testing.T) {
	fixed := []ratelimit.Limit{limit("", 1, time.Second)}
	for _, c := range []struct {
		name   string
		config ratelimit.Config
		want   []string
	}{
		{"nothing", ratelimit.Config{}, []string{"Store is missing", "Name must", "Key is missing", "Limits or Config.LimitsOf is missing"}},
		{"both", ratelimit.Config{Store: memory(t, 1), Name: "n", Key: one, Limits: fixed, Cost: 1,
			LimitsOf: func(*http.Request) ([]ratelimit.Limit, error) { return nil, nil }, CostOf: func(*http.Request) (int64, error) { return 1, nil }},
			[]string{"Limits and Config.LimitsOf exclude", "Cost and Config.CostOf exclude"}},
		{"name with slash", ratelimit.Config{Store: memory(t, 1), Name: "a/b", Key: one, Limits: fixed}, []string{"Name must"}},
		{"name with quote", ratelimit.Config{Store: memory(t, 1), Name: `a"b`, Key: one, Limits: fixed}, []string{"Name must"}},
		{"name too long", ratelimit.Config{Store: memory(t, 1), Name: strings.Repeat("n", 31), Key: one, Limits: fixed}, []string{"Name must"}},
		{"negative cost", ratelimit.Config{Store: memory(t, 1), Name: "n", Key: one, Limits: fixed, Cost: -1}, []string{"Cost is negative"}},
		{"cost above burst", ratelimit.Config{Store: memory(t, 1), Name: "n", Key: one, Limits: fixed, Cost: 2}, []string{"no request could pass"}},
		{"a bad limit", ratelimit.Config{Store: memory(t, 1), Name: "n", Key: one, Limits: []ratelimit.Limit{{}}}, []string{"1 to 8 limits"}},
		{"two of one name", ratelimit.Config{Store: memory(t, 1), Name: "n", Key: one, Limits: append(fixed, fixed...)}, []string{"different names"}},
		{"limit with slash", ratelimit.Config{Store: memory(t, 1), Name: "n", Key: one, Limits: []ratelimit.Limit{limit("a/b", 1, time.Second)}}, []string{"slash"}},
		{"a store that says no", ratelimit.Config{Store: picky{memory(t, 1)}, Name: "n", Key: one, Limits: fixed}, []string{"picky"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := ratelimit.New(c.config)
			if l != nil || err == nil {
				t.Fatal("was taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if n := strings.Count(err.Error(), "\n") + 1; n != len(c.want) {
				t.Errorf("%d mistakes, want %d: %v", n, len(c.want), err)
			}
		})
	}
}

type picky struct{ ratelimit.Store }

func (picky) Check([]ratelimit.Limit) error { return errors.New("picky") }

// A caller under the limit passes with the fields; the one beyond gets the whole answer.
func TestWrap(t *testing.T) {
	for _, id := range []string{"RFC6585-4", "UK-429", "pitfall-88"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limiter(t, ratelimit.Config{Store: memory(t, 10), Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 2, 5*time.Second)}})
				h, record := logged(t, l.Wrap, nil)
				for left := 1; left >= 0; left-- {
					w, reached := serve(h, request())
					if !reached || w.Code != http.StatusNoContent || w.Header().Get("Retry-After") != "" ||
						w.Header().Get("RateLimit") != `"client";r=`+strconv.Itoa(left)+`;t=3` || w.Header().Get("RateLimit-Policy") != `"client";q=2;w=5` {
						t.Fatalf("%d %v", w.Code, w.Header())
					}
					if got := record(); got["decision"] != "allow" || got["limit"] != "" {
						t.Errorf("record %v", got)
					}
				}
				time.Sleep(400 * time.Millisecond) // 2.1 s are left of the 2.5 s that one unit takes
				w, reached := serve(h, request())
				if reached || w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "3" ||
					w.Header().Get("RateLimit") != `"client";r=0;t=3` || w.Header().Get("RateLimit-Policy") != `"client";q=2;w=5` {
					t.Fatalf("reached %t, %d %v", reached, w.Code, w.Header())
				}
				if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/problem+json" ||
					w.Header().Get("X-Fapi-Interaction-Id") == "" || !strings.Contains(w.Body.String(), "too many requests") {
					t.Errorf("%v %s", w.Header(), w.Body)
				}
				if got := record(); got["decision"] != "deny" || got["reason"] != string(ratelimit.ErrExceeded) || got["limit"] != "client" || got["status"] != "429" {
					t.Errorf("record %v", got)
				}
				time.Sleep(2100*time.Millisecond - 1)
				if w, reached := serve(h, request()); reached || w.Header().Get("Retry-After") != "1" {
					t.Errorf("1 ns early: %d %v", w.Code, w.Header())
				}
				time.Sleep(time.Nanosecond)
				if w, reached := serve(h, request()); !reached {
					t.Errorf("at the time that was told: %d", w.Code)
				}
			})
		})
	}
}

func TestSeveralLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, ratelimit.Config{Store: memory(t, 10), Name: "client", Key: one, Cost: 2,
			Limits: []ratelimit.Limit{limit("second", 4, time.Second), limit("day", 6, 24*time.Hour)}})
		const policy = `"client/second";q=4;w=1, "client/day";q=6;w=86400`
		for _, want := range []string{`"client/second";r=2;t=1`, `"client/second";r=0;t=1`} {
			if w, _ := serve(l.Wrap, request()); w.Header().Get("RateLimit") != want || w.Header().Get("RateLimit-Policy") != policy {
				t.Errorf("%v, want %s", w.Header(), want)
			}
		}
		time.Sleep(time.Second)
		serve(l.Wrap, request())
		time.Sleep(time.Second)
		w, reached := serve(l.Wrap, request())
		if reached || w.Header().Get("RateLimit") != `"client/day";r=0;t=14398` || w.Header().Get("RateLimit-Policy") != policy || w.Header().Get("Retry-After") != "28798" {
			t.Errorf("the day decides: %d %v", w.Code, w.Header())
		}
	})
}

func TestNoFields(t *testing.T) {
	l := limiter(t, ratelimit.Config{Store: memory(t, 10), Name: "peer", Key: one, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}, NoFields: true})
	for _, want := range []int{http.StatusNoContent, http.StatusTooManyRequests} {
		w, _ := serve(l.Wrap, request())
		if w.Code != want || w.Header().Get("RateLimit") != "" || w.Header().Get("RateLimit-Policy") != "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if want == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "3600" {
			t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
	}
}

// Tiers and limits that change: L14's shape.
func TestLimitsOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tiers := map[string][]ratelimit.Limit{"gold": {limit("", 3, time.Hour)}, "tin": {limit("", 1, time.Hour)}}
		l := limiter(t, ratelimit.Config{Store: memory(t, 1000), Name: "client",
			Key:      func(r *http.Request) (string, error) { return r.Header.Get("Client"), nil },
			LimitsOf: func(r *http.Request) ([]ratelimit.Limit, error) { return tiers[r.Header.Get("Tier")], nil }})
		passes := func(client, tier string) (n int) {
			for range 10 {
				r := request()
				r.Header.Set("Client", client)
				r.Header.Set("Tier", tier)
				if _, reached := serve(l.Wrap, r); reached {
					n++
				}
			}
			return n
		}
		if g, b := passes("a", "gold"), passes("b", "tin"); g != 3 || b != 1 {
			t.Errorf("gold %d, tin %d", g, b)
		}
		tiers["tin"][0].Count = 2 // changed in place: another limit from the next request on
		if n := passes("b", "tin"); n != 2 {
			t.Errorf("after the change %d", n)
		}
		for i := range int64(200) { // more lists than are remembered
			tiers["many"] = []ratelimit.Limit{limit("", 1+i%100, time.Hour)}
			if n := passes("c"+strconv.FormatInt(i, 10), "many"); n != int(min(10, 1+i%100)) {
				t.Fatalf("list %d: %d", i, n)
			}
		}
	})
}

// pitfall-111: what is only watched changes nothing in the answer.
func TestReportOnly(t *testing.T) {
	l := limiter(t, ratelimit.Config{Store: memory(t, 10), Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}})
	h, record := logged(t, l.Wrap, func(*http.Request, *audit.Refusal) bool { return true })
	serve(h, request())
	record()
	w, reached := serve(h, request())
	if !reached || w.Code != http.StatusNoContent || w.Header().Get("RateLimit") != "" || w.Header().Get("Retry-After") != "" {
		t.Errorf("reached %t, %d %v", reached, w.Code, w.Header())
	}
	if got := record(); got["decision"] != "would_deny" || !strings.Contains(got["waived"], string(ratelimit.ErrExceeded)) {
		t.Errorf("record %v", got)
	}
}

// Every decision reports itself once.
func TestStep(t *testing.T) {
	var steps []string
	log, err := audit.New(audit.Config{Handler: &sink{}, Step: func(_ context.Context, control string, _ time.Duration, reason audit.Reason) {
		steps = append(steps, control+" "+string(reason))
	}})
	if err != nil {
		t.Fatal(err)
	}
	l := limiter(t, ratelimit.Config{Store: memory(t, 10), Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}})
	for range 2 {
		serve(func(next http.Handler) http.Handler { return log.Wrap(l.Wrap(next)) }, request())
	}
	if want := []string{"ratelimit:client ", "ratelimit:client ratelimit: exceeded"}; !reflect.DeepEqual(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
}

func TestLimiterAllocs(t *testing.T) {
	fixed := []ratelimit.Limit{limit("", 1e9, time.Second)}
	for name, c := range map[string]ratelimit.Config{
		"Limits":   {Limits: fixed},
		"LimitsOf": {LimitsOf: func(*http.Request) ([]ratelimit.Limit, error) { return fixed, nil }},
		"peer":     {Limits: fixed, Key: ratelimit.PeerAddress},
	} {
		t.Run(name, func(t *testing.T) {
			if c.Store, c.Name = memory(t, 10), "client"; c.Key == nil {
				c.Key = one
			}
			l, r := limiter(t, c), request()
			allocs(t, 0, func() { _, _ = l.Take(r) })
		})
	}
}
