package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

// left is what a limiter has left for r.
func left(t *testing.T, s ratelimit.Store, key string, l ratelimit.Limit) int64 {
	t.Helper()
	return take(t, s, key, 0, l).Remaining
}

// L10: more is taken once the cost is known, from every limit, at most all there is.
func TestCharge(t *testing.T) {
	t.Run("L10", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := memory(t, 100)
			minute, day := limit("minute", 10, time.Minute), limit("day", 100, 24*time.Hour)
			l := limiter(t, ratelimit.Config{Store: m, Name: "client", Key: one, Limits: []ratelimit.Limit{minute, day}})
			minute.Name, day.Name = "client/minute", "client/day"
			for _, c := range []struct{ cost, minute, day int64 }{
				{4, 6, 96},
				{6, 0, 90},
				{5, 0, 85}, // the minute has nothing left, the day has
				{80, 0, 5},
				{math.MaxInt64, 0, 0},
				{1, 0, 0},
			} {
				if err := l.Charge(request(), c.cost); err != nil {
					t.Fatal(err)
				}
				if a, b := left(t, m, "one", minute), left(t, m, "one", day); a != c.minute || b != c.day {
					t.Errorf("after %d: %d and %d left, want %d and %d", c.cost, a, b, c.minute, c.day)
				}
			}
			w, reached := serve(l.Wrap, request())
			if reached || w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "864" {
				t.Errorf("reached %t, %d %v", reached, w.Code, w.Header())
			}
		})
	})
	t.Run("never a refund", func(t *testing.T) {
		m, l := memory(t, 10), limit("client", 10, time.Hour)
		charged := limiter(t, ratelimit.Config{Store: m, Name: "client", Key: one, Limits: []ratelimit.Limit{l}})
		l.Name = "client/client"
		take(t, m, "one", 10, l)
		for _, cost := range []int64{0, -1, math.MinInt64} {
			refusal(t, charged.Charge(request(), cost), ratelimit.ErrCost, http.StatusInternalServerError)
		}
		if n := left(t, m, "one", l); n != 0 {
			t.Errorf("%d left", n)
		}
	})
	t.Run("hanging up", func(t *testing.T) {
		m, l := memory(t, 10), limit("client", 10, time.Hour)
		listens := ratelimit.StoreFunc(func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if ctx.Err() != nil {
				return ratelimit.Result{}, ctx.Err()
			}
			return m.Take(ctx, k, c, l)
		})
		charged := limiter(t, ratelimit.Config{Store: listens, Name: "client", Key: one, Limits: []ratelimit.Limit{l}})
		l.Name = "client/client"
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := charged.Charge(request().WithContext(ctx), 3); err != nil || left(t, m, "one", l) != 7 {
			t.Errorf("%v, %d left", err, left(t, m, "one", l))
		}
	})
	t.Run("an outage", func(t *testing.T) {
		charged := limiter(t, ratelimit.Config{Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 1, time.Hour)},
			Store: ratelimit.StoreFunc(func(context.Context, string, int64, []ratelimit.Limit) (ratelimit.Result, error) {
				return ratelimit.Result{}, errors.New("secret")
			})})
		refusal(t, charged.Charge(request(), 1), ratelimit.ErrUnavailable, http.StatusServiceUnavailable)
	})
}

const errForged = audit.Reason("test: forged")

// bank is a chain of a peer limiter with a penalty, a login that reads header fields, and a
// handler.
func bank(t *testing.T, store ratelimit.Store, key func(*http.Request) (string, error)) func(http.Handler) http.Handler {
	peer := limiter(t, ratelimit.Config{Store: store, Name: "peer", Key: key, NoFields: true,
		Limits: []ratelimit.Limit{limit("", 1000, time.Minute)},
		Penalty: func(reason audit.Reason) int64 {
			if reason == errForged {
				return 99
			}
			return 0
		}})
	log, err := audit.New(audit.Config{Handler: &sink{}, Step: ratelimit.Penalize})
	if err != nil {
		t.Fatal(err)
	}
	login := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reason := audit.Reason(r.Header.Get("Fails"))
			audit.Step(r.Context(), "login", time.Now(), reason)
			if reason != "" {
				audit.Refused(w, r, &audit.Refusal{Reason: reason, Status: http.StatusUnauthorized})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	return func(next http.Handler) http.Handler { return log.Wrap(peer.Wrap(login(next))) }
}

func from(addr, client string, fails audit.Reason) *http.Request {
	r := requestOf(client)
	r.RemoteAddr = addr
	r.Header.Set("Fails", string(fails))
	return r
}

// pitfall-91, L13: who forges is held back after ten, wherever the victim he names is; and the
// victim, and everybody else, notices nothing.
func TestPenalty(t *testing.T) {
	t.Run("pitfall-91", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h, reachedLogin := bank(t, memory(t, 1000), ratelimit.PeerAddress), 0
			for range 5000 {
				w, reached := serve(h, from("192.0.2.66:1", "victim", errForged))
				if reached {
					t.Fatal("a forgery came through")
				}
				if w.Code == http.StatusUnauthorized {
					reachedLogin++
				}
			}
			if reachedLogin != 10 {
				t.Errorf("%d forgeries were looked at, want 10", reachedLogin)
			}
			if w, reached := serve(h, from("192.0.2.66:1", "victim", "")); reached || w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
				t.Errorf("the forger: %d %v", w.Code, w.Header())
			}
			for i := range 900 {
				if w, reached := serve(h, from("192.0.2.7:1", "victim", "")); !reached {
					t.Fatalf("the victim's request %d got %d", i, w.Code)
				}
			}
			time.Sleep(time.Minute)
			if _, reached := serve(h, from("192.0.2.66:1", "x", "")); !reached {
				t.Error("still shut after a minute")
			}
		})
	})
	t.Run("what is no attack", func(t *testing.T) {
		h := bank(t, memory(t, 1000), ratelimit.PeerAddress)
		for i := range 900 {
			if w, _ := serve(h, from("192.0.2.7:1", "c", "test: expired")); w.Code != http.StatusUnauthorized {
				t.Fatalf("request %d got %d", i, w.Code)
			}
		}
	})
	t.Run("two limiters", func(t *testing.T) {
		m, l := memory(t, 100), limit("", 100, time.Hour)
		of := func(n int64) func(audit.Reason) int64 {
			return func(reason audit.Reason) int64 {
				if reason == errForged {
					return n
				}
				return -n // no refund
			}
		}
		outer := limiter(t, ratelimit.Config{Store: m, Name: "outer", Key: one, Limits: []ratelimit.Limit{l}, Penalty: of(10)})
		inner := limiter(t, ratelimit.Config{Store: m, Name: "inner", Key: one, Limits: []ratelimit.Limit{l}, Penalty: of(0)})
		var ctx context.Context
		outer.Wrap(inner.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx = r.Context()
			ratelimit.Penalize(ctx, "login", 0, errForged)
			ratelimit.Penalize(ctx, "login", 0, "test: other")
			ratelimit.Penalize(ctx, "login", 0, "") // passed: costs nothing
		}))).ServeHTTP(nil2{}, request())
		outerLeft, innerLeft := left(t, m, "one", limit("outer", 100, time.Hour)), left(t, m, "one", limit("inner", 100, time.Hour))
		if outerLeft != 89 || innerLeft != 99 {
			t.Errorf("%d and %d left, want 89 and 99", outerLeft, innerLeft)
		}
		ratelimit.Penalize(context.Background(), "login", 0, errForged) // no limiter outside: harmless
	})
	t.Run("a panic further in", func(t *testing.T) {
		m := memory(t, 100)
		l := limiter(t, ratelimit.Config{Store: m, Name: "peer", Key: one, Limits: []ratelimit.Limit{limit("", 100, time.Hour)}, Penalty: func(audit.Reason) int64 { return 10 }})
		func() {
			defer func() { _ = recover() }()
			l.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ratelimit.Penalize(r.Context(), "login", 0, errForged)
				panic(http.ErrAbortHandler)
			})).ServeHTTP(nil2{}, request())
		}()
		if n := left(t, m, "one", limit("peer", 100, time.Hour)); n != 89 {
			t.Errorf("%d left", n)
		}
	})
}

// nil2 is a writer that takes what a limiter sets.
type nil2 struct{}

func (nil2) Header() http.Header       { return http.Header{} }
func (nil2) Write([]byte) (int, error) { return 0, nil }
func (nil2) WriteHeader(int)           {}

// Behind one address, a proved certificate tells the victim from the forger.
func TestPenaltyBehindOneAddress(t *testing.T) {
	h := bank(t, memory(t, 1000), ratelimit.ByCertificate(certificateOf))
	for range 100 {
		serve(h, from("192.0.2.66:1", "victim", errForged)) // no certificate
		bad := from("192.0.2.66:1", "victim", errForged)
		bad.Header.Set("Cert", "rejected") // one that is not accepted makes no new caller
		serve(h, bad)
	}
	if w, _ := serve(h, from("192.0.2.66:1", "victim", "")); w.Code != http.StatusTooManyRequests {
		t.Errorf("the forger got %d", w.Code)
	}
	good := from("192.0.2.66:1", "victim", "")
	good.Header.Set("Cert", "victim's")
	if w, reached := serve(h, good); !reached {
		t.Errorf("the victim got %d", w.Code)
	}
}

// OPS-audit-1: what a charge could not be written to is told as a step.
func TestChargeStep(t *testing.T) {
	var steps []string
	log, err := audit.New(audit.Config{Handler: &sink{}, Step: func(_ context.Context, control string, _ time.Duration, reason audit.Reason) {
		steps = append(steps, control+" "+string(reason))
	}})
	if err != nil {
		t.Fatal(err)
	}
	l := limiter(t, ratelimit.Config{Store: memory(t, 10), Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 5, time.Hour)}})
	log.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, cost := range []int64{3, 0} {
			_ = l.Charge(r, cost)
		}
	})).ServeHTTP(nil2{}, request())
	if want := "[ratelimit:client:charge  ratelimit:client:charge ratelimit: no cost]"; fmt.Sprint(steps) != want {
		t.Errorf("steps %v, want %s", steps, want)
	}
}

// A charge while others take at the same time takes all there is in the end.
func TestChargeConcurrent(t *testing.T) {
	m := memory(t, 100)
	l := limiter(t, ratelimit.Config{Store: m, Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 1000, time.Hour)}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 300 {
			_, _ = l.Take(request())
		}
	}()
	for i := range 100 {
		if err := l.Charge(request(), int64(i+1)); err != nil {
			t.Error(err)
		}
	}
	<-done
	if n := left(t, m, "one", limit("client", 1000, time.Hour)); n != 0 {
		t.Errorf("%s left", strconv.FormatInt(n, 10))
	}
}
