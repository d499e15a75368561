package ratelimit_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

// A store may allow less at one moment than the limit says, as Leases do: what a charge cannot take whole it
// takes as far as it goes. Otherwise the greatest penalty would be none.
func TestChargeOverLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leases(t, ratelimit.LeasesConfig{Store: memory(t, 100)})
		for _, cost := range []int64{100, 1000, ratelimit.MaxCount} {
			l := limiter(t, ratelimit.Config{Store: s, Name: "peer", Key: one, Limits: []ratelimit.Limit{limit("", 100, time.Minute)},
				Penalty: func(audit.Reason) int64 { return cost }})
			l.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ratelimit.Penalize(r.Context(), "login", 0, errForged)
			})).ServeHTTP(nil2{}, request())
			if n := left(t, s, "one", limit("peer", 100, time.Minute)); n != 0 {
				t.Errorf("%d left after a penalty of %d", n, cost)
			}
			time.Sleep(2 * time.Minute)
		}
	})
}

// A cost that can never pass is answered so, and nobody else's is: what waits is told to wait.
func TestLeasesNeverIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{Store: memory(t, 100)}
		s, l := leases(t, ratelimit.LeasesConfig{Store: store}), limit("never", 10, time.Hour)
		for take(t, s, "caller", 1, l).OK {
		}
		want := take(t, s, "caller", 1, l)
		if want.OK || want.Never || want.Retry <= 0 {
			t.Fatalf("%+v", want)
		}
		if r := take(t, s, "caller", 11, l); !r.Never {
			t.Fatalf("%+v", r)
		}
		before := store.asked.Load()
		if got := take(t, s, "caller", 1, l); got != want || store.asked.Load() != before {
			t.Errorf("got %+v after %d calls, want %+v", got, store.asked.Load()-before, want)
		}
	})
}

// What is exempt is not charged afterwards either.
func TestExemptIsNotCharged(t *testing.T) {
	m := memory(t, 10)
	l := limiter(t, ratelimit.Config{Store: m, Name: "n", Key: one, Limits: []ratelimit.Limit{limit("", 10, time.Hour)},
		Exempt:  func(r *http.Request) (bool, error) { return r.Header.Get("Exempt") != "", nil },
		Penalty: func(audit.Reason) int64 { return 3 }})
	r := request()
	r.Header.Set("Exempt", "1")
	l.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ratelimit.Penalize(r.Context(), "login", 0, errForged)
	})).ServeHTTP(nil2{}, r)
	if err := l.Charge(r, 1); err != nil {
		t.Error(err)
	}
	if n := left(t, m, "one", limit("n", 10, time.Hour)); n != 10 {
		t.Errorf("%d left", n)
	}
	unknown := limiter(t, ratelimit.Config{Store: m, Name: "n", Key: one, Limits: []ratelimit.Limit{limit("", 10, time.Hour)},
		Exempt: func(*http.Request) (bool, error) { return false, errors.New("who knows") }})
	refusal(t, unknown.Charge(request(), 1), ratelimit.ErrKey, http.StatusInternalServerError)
}

// Penalties so great that their sum has no number are not forgotten for it.
func TestPenaltiesDoNotOverflow(t *testing.T) {
	m := memory(t, 10)
	l := limiter(t, ratelimit.Config{Store: m, Name: "n", Key: one, Limits: []ratelimit.Limit{limit("", 10, time.Hour)},
		Penalty: func(audit.Reason) int64 { return math.MaxInt64 }})
	l.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 2 {
			ratelimit.Penalize(r.Context(), "login", 0, errForged)
		}
	})).ServeHTTP(nil2{}, request())
	if n := left(t, m, "one", limit("n", 10, time.Hour)); n != 0 {
		t.Errorf("%d left", n)
	}
}

// During an outage that is to let everything pass, calls about several accounts pass too.
func TestUnattendedAccountsFailOpen(t *testing.T) {
	open, err := ratelimit.DangerouslyFailOpen(ratelimit.OutageConfig{Report: func(error) {},
		Store: ratelimit.StoreFunc(func(context.Context, string, int64, []ratelimit.Limit) (ratelimit.Result, error) {
			return ratelimit.Result{}, errors.New("down")
		})})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ratelimit.NewUnattended(ratelimit.UnattendedConfig{Store: open, Name: "n", Location: time.UTC,
		Attended: func(*http.Request) (bool, error) { return false, nil }, Consent: one,
		Accounts: func(*http.Request) ([]string, error) { return []string{"a", "b"}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if w, reached := serve(l.Wrap, request()); !reached {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
