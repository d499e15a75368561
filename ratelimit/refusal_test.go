package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

// Whatever goes wrong inside is not the caller's fault and never a pass.
func TestFailsClosed(t *testing.T) {
	down := errors.New("dial tcp 10.1.2.3:6379: secret")
	theirs := &audit.Refusal{Reason: "token: expired", Status: http.StatusUnauthorized}
	limits := []ratelimit.Limit{limit("", 5, time.Hour)}
	key := func(k string, err error) func(*http.Request) (string, error) {
		return func(*http.Request) (string, error) { return k, err }
	}
	for _, c := range []struct {
		name   string
		config ratelimit.Config
		status int
		reason audit.Reason
		retry  string
	}{
		{"OPS-fail-closed", ratelimit.Config{Key: one, Limits: limits, Store: ratelimit.StoreFunc(
			func(context.Context, string, int64, []ratelimit.Limit) (ratelimit.Result, error) {
				return ratelimit.Result{OK: true}, down // an error outweighs OK
			})}, 503, ratelimit.ErrUnavailable, "1"},
		{"a store that says nothing", ratelimit.Config{Key: one, Limits: limits, Store: ratelimit.StoreFunc(
			func(context.Context, string, int64, []ratelimit.Limit) (ratelimit.Result, error) {
				return ratelimit.Result{}, nil
			})}, 429, ratelimit.ErrExceeded, "1"},
		{"empty key", ratelimit.Config{Key: key("", nil), Limits: limits}, 500, ratelimit.ErrKey, ""},
		{"key too long", ratelimit.Config{Key: key(strings.Repeat("k", ratelimit.MaxKey+1), nil), Limits: limits}, 500, ratelimit.ErrKey, ""},
		{"key error", ratelimit.Config{Key: key("k", down), Limits: limits}, 500, ratelimit.ErrKey, ""},
		{"key refusal", ratelimit.Config{Key: key("", theirs), Limits: limits}, 401, theirs.Reason, ""},
		{"no limits for this caller", ratelimit.Config{Key: one, LimitsOf: func(*http.Request) ([]ratelimit.Limit, error) { return nil, nil }}, 500, ratelimit.ErrLimits, ""},
		{"limits out of bounds", ratelimit.Config{Key: one, LimitsOf: func(*http.Request) ([]ratelimit.Limit, error) { return []ratelimit.Limit{{}}, nil }}, 500, ratelimit.ErrLimits, ""},
		{"limits error", ratelimit.Config{Key: one, LimitsOf: func(*http.Request) ([]ratelimit.Limit, error) { return limits, down }}, 500, ratelimit.ErrLimits, ""},
		{"limits refusal", ratelimit.Config{Key: one, LimitsOf: func(*http.Request) ([]ratelimit.Limit, error) { return limits, theirs }}, 401, theirs.Reason, ""},
		{"cost of nothing", ratelimit.Config{Key: one, Limits: limits, CostOf: func(*http.Request) (int64, error) { return 0, nil }}, 500, ratelimit.ErrCost, ""},
		{"cost error", ratelimit.Config{Key: one, Limits: limits, CostOf: func(*http.Request) (int64, error) { return 1, down }}, 500, ratelimit.ErrCost, ""},
		{"cost above burst", ratelimit.Config{Key: one, Limits: limits, CostOf: func(*http.Request) (int64, error) { return 6, nil }}, 403, ratelimit.ErrNever, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.config.Store == nil {
				c.config.Store = memory(t, 10)
			}
			c.config.Name = "client"
			l := limiter(t, c.config)
			h, record := logged(t, l.Wrap, nil)
			w, reached := serve(h, request())
			if reached || w.Code != c.status || w.Header().Get("Retry-After") != c.retry {
				t.Errorf("reached %t, %d %v", reached, w.Code, w.Header())
			}
			if got := record(); got["reason"] != string(c.reason) || got["decision"] != "deny" {
				t.Errorf("record %v", got)
			}
			if all := w.Body.String(); strings.Contains(all, "secret") || strings.Contains(all, "10.1.2.3") {
				t.Errorf("the answer tells of the inside: %s", all)
			}
			_, err := l.Take(request())
			refusal(t, err, c.reason, c.status)
		})
	}
}

// OPS-thr-key, pitfall-82: what a caller writes into headers does not make him another.
func TestHeadersAreNoKey(t *testing.T) {
	t.Run("OPS-thr-key", func(t *testing.T) {
		l := limiter(t, ratelimit.Config{Store: memory(t, 10), Name: "peer", Key: ratelimit.PeerAddress, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}})
		for i, want := range []bool{true, false, false, false} {
			r := request()
			for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip", "X-Fapi-Customer-Ip-Address"} {
				r.Header.Set(name, "198.51.100."+strconv.Itoa(i))
			}
			if _, reached := serve(l.Wrap, r); reached != want {
				t.Errorf("request %d: reached %t", i, reached)
			}
		}
	})
}

// L2, OPS-thr-order: a flood from one peer stays outside; another peer's client is not touched,
// although both limiters share a store and the flood names that client.
func TestTwoStages(t *testing.T) {
	t.Run("L2 OPS-thr-order", func(t *testing.T) {
		store, checked := memory(t, 100), 0
		peer := limiter(t, ratelimit.Config{Store: store, Name: "peer", Key: ratelimit.PeerAddress, Limits: []ratelimit.Limit{limit("", 10, time.Hour)}, NoFields: true})
		client := limiter(t, ratelimit.Config{Store: store, Name: "client", Limits: []ratelimit.Limit{limit("", 10, time.Hour)},
			Key: func(r *http.Request) (string, error) { return r.Header.Get("Client"), nil }})
		login := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if checked++; r.Header.Get("Proof") != "good" {
					audit.Refused(w, r, &audit.Refusal{Reason: "test: bad proof", Status: http.StatusUnauthorized})
					return
				}
				next.ServeHTTP(w, r)
			})
		}
		h := func(next http.Handler) http.Handler { return peer.Wrap(login(client.Wrap(next))) }
		from := func(addr, proof string) *http.Request {
			r := request()
			r.RemoteAddr = addr
			r.Header.Set("Client", "192.0.2.66") // as if a client id were the flood's address
			r.Header.Set("Proof", proof)
			return r
		}
		for range 1000 {
			if _, reached := serve(h, from("192.0.2.66:1", "bad")); reached {
				t.Fatal("a bad proof came through")
			}
		}
		if checked != 10 {
			t.Errorf("%d proofs of the flood were checked, want 10", checked)
		}
		for range 10 {
			if w, reached := serve(h, from("192.0.2.7:1", "good")); !reached || w.Header()["Ratelimit"] == nil || len(w.Header()["Ratelimit"]) != 1 {
				t.Fatalf("the good client got %d %v", w.Code, w.Header())
			}
		}
	})
}

// OPS-thr-order: a flood from more addresses than the peers' store holds leaves the clients behind
// it theirs, each on his own, because they are counted in another.
func TestTwoStores(t *testing.T) {
	t.Run("OPS-thr-order", func(t *testing.T) {
		const keys = 1 << 10
		peers, clients := memory(t, keys), memory(t, keys)
		peer := limiter(t, ratelimit.Config{Store: peers, Name: "peer", Key: ratelimit.PeerAddress, Limits: []ratelimit.Limit{limit("", 1000, time.Hour)}, NoFields: true})
		client := limiter(t, ratelimit.Config{Store: clients, Name: "client", Key: byHeader, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}})
		from := func(i int) string {
			return "10." + strconv.Itoa(i>>16) + "." + strconv.Itoa(i>>8&255) + "." + strconv.Itoa(i&255) + ":1"
		}
		flood := request()
		for i := range 2 * keys {
			flood.RemoteAddr = from(i)
			_, _ = peer.Take(flood)
		}
		if peers.Shared() == 0 {
			t.Fatal("the flood does not fill the store")
		}
		for i := range 100 {
			r := requestOf("client" + strconv.Itoa(i))
			r.RemoteAddr = from(i)
			if w, reached := serve(func(next http.Handler) http.Handler { return peer.Wrap(client.Wrap(next)) }, r); !reached {
				t.Fatalf("client %d: %d", i, w.Code)
			}
		}
		if clients.Shared() != 0 {
			t.Error("clients share buckets")
		}
	})
}
