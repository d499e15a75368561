package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

func unattended(t testing.TB, s ratelimit.Store) *ratelimit.Limiter {
	t.Helper()
	field := func(name string) func(*http.Request) (string, error) {
		return func(r *http.Request) (string, error) { return r.Header.Get(name), nil }
	}
	l, err := ratelimit.NewUnattended(ratelimit.UnattendedConfig{Store: s, Name: "psd2", Location: place(t, "Europe/Berlin"),
		Attended: ratelimit.CustomerPresent, Consent: field("Consent"), Account: field("Account")})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The rule of PSD2: four a day per account and consent while the customer is away.
func TestUnattended(t *testing.T) {
	t.Run("PSD2 four a day", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := unattended(t, memory(t, 1000))
			read := func(consent, account, ip string) int {
				r := request()
				r.Header.Set("Consent", consent)
				r.Header.Set("Account", account)
				if ip != "" {
					r.Header.Set("X-Fapi-Customer-Ip-Address", ip)
				}
				w, _ := serve(l.Wrap, r)
				return w.Code
			}
			for day := range 3 {
				for i, want := range []int{204, 204, 204, 204, 429, 429} {
					if got := read("c1", "a1", ""); got != want {
						t.Errorf("day %d, call %d: %d", day, i+1, got)
					}
				}
				if a, b := read("c1", "a2", ""), read("c2", "a1", ""); a != 204 || b != 204 {
					t.Errorf("another account %d, another consent %d", a, b)
				}
				if got := read("c1", "a1", "198.51.100.7"); got != 204 {
					t.Errorf("with the customer: %d", got)
				}
				if got := read("c1", "a1", "no address"); got != 429 {
					t.Errorf("with nonsense: %d", got)
				}
				if day == 0 {
					time.Sleep(22*time.Hour + 59*time.Minute)
					if got := read("c1", "a1", ""); got != 429 {
						t.Errorf("before midnight in Berlin: %d", got)
					}
					time.Sleep(time.Minute)
				} else {
					time.Sleep(24 * time.Hour)
				}
			}
			if got := read("", "a1", ""); got != 500 {
				t.Errorf("no consent: %d", got)
			}
		})
	})
	t.Run("several accounts in one call", severalAccounts)
	t.Run("config", func(t *testing.T) {
		_, err := ratelimit.NewUnattended(ratelimit.UnattendedConfig{})
		if err == nil || len(strings.Split(err.Error(), "\n")) != 6 {
			t.Errorf("six mistakes: %v", err)
		}
		_, err = ratelimit.NewUnattended(ratelimit.UnattendedConfig{
			Store: memory(t, 10), Name: "n", Location: time.UTC, Attended: ratelimit.CustomerPresent, Consent: one, Account: one,
			Accounts: func(*http.Request) ([]string, error) { return nil, nil },
		})
		if err == nil || !strings.Contains(err.Error(), "exclude") {
			t.Errorf("both: %v", err)
		}
	})
}

// A call that reads several accounts counts for each of them, or is refused and counts for none.
func severalAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{Store: memory(t, 1000)}
		config := ratelimit.UnattendedConfig{
			Store: store, Name: "psd2", Location: time.UTC, Attended: ratelimit.CustomerPresent, Consent: one,
			Accounts: func(r *http.Request) ([]string, error) {
				if r.Header["Accounts"] == nil {
					return nil, errors.New("no body")
				}
				return r.Header["Accounts"], nil
			},
		}
		l, err := ratelimit.NewUnattended(config)
		if err != nil {
			t.Fatal(err)
		}
		reading := func(accounts ...string) *http.Request {
			r := request()
			r.Header["Accounts"] = accounts
			return r
		}
		read := func(want bool, left int64, accounts ...string) {
			t.Helper()
			res, err := l.Take(reading(accounts...))
			if res.OK != want || (err == nil) != want || res.Remaining != left {
				t.Errorf("%q: %+v, %v", accounts, res, err)
			}
			if !want {
				f := refusal(t, err, ratelimit.ErrExceeded, http.StatusTooManyRequests)
				if f.Header.Get("Retry-After") != "86400" || res.Retry != 24*time.Hour {
					t.Errorf("%q: %v", accounts, f.Header)
				}
			}
		}
		read(true, 3, "z", "b")
		read(true, 2, "b", "z", "b") // twice in one call is once
		read(true, 3, "c")
		read(true, 1, "z", "c")
		read(true, 0, "z")
		for range 5 {
			read(false, 0, "z", "b", "c")
			read(false, 0, "c", "z")
		}
		read(true, 1, "b", "c") // refused calls took nothing

		// The single form counts the same.
		config.Accounts, config.Account = nil, func(*http.Request) (string, error) { return "b", nil }
		single, err := ratelimit.NewUnattended(config)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []bool{true, false} {
			if res, _ := single.Take(request()); res.OK != want {
				t.Errorf("the same account, call %d: %+v", i, res)
			}
		}
		if err := l.Charge(reading("c", "d"), 2); err != nil {
			t.Error(err)
		}
		read(true, 1, "d")
		read(false, 0, "c")

		for _, bad := range [][]string{nil, {}, {"d", ""}, make([]string, 65), {strings.Repeat("d", ratelimit.MaxKey)}} {
			_, err := l.Take(reading(bad...))
			refusal(t, err, ratelimit.ErrKey, http.StatusInternalServerError)
			refusal(t, l.Charge(reading(bad...), 1), ratelimit.ErrKey, http.StatusInternalServerError)
		}
		store.off()
		_, err = l.Take(reading("d"))
		refusal(t, err, ratelimit.ErrUnavailable, http.StatusServiceUnavailable)
		time.Sleep(24 * time.Hour)
	})
}

// Whoever else takes between the look and the count makes it refuse, never pass.
func TestSeveralAccountsAtOnce(t *testing.T) {
	m, looked := memory(t, 1000), false
	l, err := ratelimit.NewUnattended(ratelimit.UnattendedConfig{
		Name: "psd2", Location: time.UTC, Attended: ratelimit.CustomerPresent, Consent: one,
		Accounts: func(*http.Request) ([]string, error) { return []string{"a", "b"}, nil },
		Store: ratelimit.StoreFunc(func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
			if c > 0 && !looked {
				looked = true
				take(t, m, ratelimit.Key("one", "b"), 4, l...)
			}
			return m.Take(ctx, k, c, l)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Take(request())
	refusal(t, err, ratelimit.ErrExceeded, http.StatusTooManyRequests)
}

func TestCustomerPresent(t *testing.T) {
	for _, c := range []struct {
		fapi, psu []string
		want      bool
	}{
		{nil, nil, false},
		{[]string{"198.51.100.7"}, nil, true},
		{nil, []string{"2001:db8::1"}, true},
		{[]string{""}, nil, false},
		{[]string{"198.51.100.7, 198.51.100.8"}, nil, false},
		{[]string{"198.51.100.7", "198.51.100.7"}, nil, false},
		{[]string{"198.51.100.7"}, []string{"198.51.100.7"}, false},
		{[]string{"2001:db8::"}, []string{"1"}, false},
		{[]string{"true"}, nil, false},
	} {
		r := request()
		r.Header["X-Fapi-Customer-Ip-Address"], r.Header["Psu-Ip-Address"] = c.fapi, c.psu
		if got, err := ratelimit.CustomerPresent(r); got != c.want || err != nil {
			t.Errorf("%q %q: %t, %v", c.fapi, c.psu, got, err)
		}
	}
}
