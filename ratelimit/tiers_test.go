package ratelimit_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

func tierOf(r *http.Request) (string, error) { return r.Header.Get("Tier"), nil }

// L14: limits by plan, replaced while the service runs; what did not change keeps its counts.
func TestTiers(t *testing.T) {
	t.Run("L14", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tin, gold := limit("", 1, time.Hour), limit("", 3, time.Hour)
			tiers, err := ratelimit.NewTiers(map[string][]ratelimit.Limit{"tin": {tin}, "gold": {gold}})
			if err != nil {
				t.Fatal(err)
			}
			l := limiter(t, ratelimit.Config{Store: memory(t, 100), Name: "client", Key: byHeader, LimitsOf: tiers.Of(tierOf)})
			passes := func(client, tier string) (n int) {
				for range 10 {
					r := requestOf(client)
					r.Header.Set("Tier", tier)
					if _, reached := serve(l.Wrap, r); reached {
						n++
					}
				}
				return n
			}
			if a, b := passes("a", "tin"), passes("b", "gold"); a != 1 || b != 3 {
				t.Errorf("tin %d, gold %d", a, b)
			}
			given := map[string][]ratelimit.Limit{"tin": {tin}, "gold": {limit("", 5, time.Hour)}}
			if err := tiers.Replace(given); err != nil {
				t.Fatal(err)
			}
			given["tin"][0].Count = 1000 // the caller's map is his
			delete(given, "gold")
			if a, b, c := passes("a", "tin"), passes("b", "gold"), passes("c", "tin"); a != 0 || b != 5 || c != 1 {
				t.Errorf("after the replacement: tin %d, gold %d, a new one in tin %d", a, b, c)
			}
			r := requestOf("d")
			r.Header.Set("Tier", "platinum")
			_, err = l.Take(r)
			refusal(t, err, ratelimit.ErrLimits, http.StatusInternalServerError)
		})
	})
	t.Run("a bad replacement", func(t *testing.T) {
		good := map[string][]ratelimit.Limit{"tin": {limit("", 1, time.Hour)}}
		tiers, _ := ratelimit.NewTiers(good)
		many := map[string][]ratelimit.Limit{}
		for i := range 65 {
			many[strconv.Itoa(i)] = good["tin"]
		}
		for name, c := range map[string]struct {
			tiers map[string][]ratelimit.Limit
			wrong int
		}{
			"none":     {nil, 1},
			"too many": {many, 1},
			"two bad":  {map[string][]ratelimit.Limit{"tin": {limit("", 5, time.Hour)}, "x": {}, "y": {limit("", 0, time.Hour)}}, 2},
		} {
			if err := tiers.Replace(c.tiers); err == nil || strings.Count(err.Error(), "\n")+1 != c.wrong {
				t.Errorf("%s: %v", name, err)
			}
		}
		l := limiter(t, ratelimit.Config{Store: memory(t, 100), Name: "client", Key: one, LimitsOf: tiers.Of(func(*http.Request) (string, error) { return "tin", nil })})
		if res, err := l.Take(request()); err != nil || res.Limit.Count != 1 {
			t.Errorf("the old ones must hold: %+v, %v", res, err)
		}
		if tiers, err := ratelimit.NewTiers(nil); tiers != nil || err == nil {
			t.Error("no tiers were taken")
		}
	})
}

// Replaced again and again under load: every request is decided by one of the two lists as a
// whole, and no more passes than both together allow.
func TestTiersUnderLoad(t *testing.T) {
	a := []ratelimit.Limit{limit("x", 100, time.Hour), limit("y", 150, time.Hour)}
	b := []ratelimit.Limit{limit("x", 70, time.Hour), limit("y", 60, time.Hour)}
	tiers, _ := ratelimit.NewTiers(map[string][]ratelimit.Limit{"": a})
	l := limiter(t, ratelimit.Config{Store: memory(t, 100), Name: "client", Key: one, LimitsOf: tiers.Of(tierOf)})
	stop := make(chan struct{})
	var reload, callers sync.WaitGroup
	reload.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := tiers.Replace(map[string][]ratelimit.Limit{"": [][]ratelimit.Limit{a, b}[i%2]}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	var mu sync.Mutex
	passed := 0
	for range 4 {
		callers.Go(func() {
			for range 2000 {
				if res, err := l.Take(request()); err == nil && res.OK {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			}
		})
	}
	callers.Wait()
	close(stop)
	reload.Wait()
	if passed > 160 || passed < 60 {
		t.Errorf("%d passed, want at most 100+60", passed)
	}
}

// L15: one limiter of two is only watched, by its name; the other one refuses, and outages of
// the watched one do not.
func TestReportOnlyOne(t *testing.T) {
	t.Run("L15", func(t *testing.T) {
		store := &away{Store: memory(t, 100)}
		watched := limiter(t, ratelimit.Config{Store: store, Name: "new", Key: one, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}})
		strict := limiter(t, ratelimit.Config{Store: memory(t, 100), Name: "old", Key: one, Limits: []ratelimit.Limit{limit("", 4, time.Hour)}})
		h, record := logged(t, func(next http.Handler) http.Handler { return watched.Wrap(strict.Wrap(next)) },
			func(_ *http.Request, f *audit.Refusal) bool { return ratelimit.RefusedBy(f) == "new" })
		for i, want := range []string{"allow", "would_deny", "would_deny", "would_deny", "deny"} {
			if i == 3 {
				store.off()
			}
			w, reached := serve(h, request())
			got := record()
			if got["decision"] != want || reached == (want == "deny") {
				t.Errorf("request %d: reached %t, %v", i, reached, got)
			}
			if i == 4 && (w.Code != http.StatusTooManyRequests || got["reason"] != string(ratelimit.ErrExceeded)) {
				t.Errorf("%d %v", w.Code, got)
			}
		}
	})
	if got := ratelimit.RefusedBy(nil) + ratelimit.RefusedBy(&audit.Refusal{Reason: "test: other"}); got != "" {
		t.Errorf("refused by %q", got)
	}
}
