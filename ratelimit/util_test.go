package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

func memory(t testing.TB, keys int) *ratelimit.Memory {
	t.Helper()
	m, err := ratelimit.NewMemory(ratelimit.MemoryConfig{MaxKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func limiter(t testing.TB, c ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func take(t testing.TB, s ratelimit.Store, key string, cost int64, limits ...ratelimit.Limit) ratelimit.Result {
	t.Helper()
	r, err := s.Take(context.Background(), key, cost, limits)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func limit(name string, count int64, period time.Duration) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Count: count, Period: period}
}

// one is a key function under which all callers are one.
func one(*http.Request) (string, error) { return "one", nil }

// serve sends one request through h and tells whether it came to the end of the chain.
func serve(h func(http.Handler) http.Handler, r *http.Request) (*httptest.ResponseRecorder, bool) {
	reached := false
	w := httptest.NewRecorder()
	h(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached = true
		w.WriteHeader(http.StatusNoContent)
	})).ServeHTTP(w, r)
	return w, reached
}

func request() *http.Request {
	return httptest.NewRequest(http.MethodGet, "https://bank.example/accounts", nil)
}

// refusal asserts that err is a refusal for that reason with that status.
func refusal(t testing.TB, err error, reason audit.Reason, status int) *audit.Refusal {
	t.Helper()
	var f *audit.Refusal
	if !errors.As(err, &f) || !errors.Is(err, reason) || f.Status != status {
		t.Fatalf("got %v, want %v with status %d", err, reason, status)
	}
	return f
}

// allocs fails when f allocates more often than most; the race detector allocates too.
func allocs(t *testing.T, most float64, f func()) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	if n := testing.AllocsPerRun(1000, f); n > most {
		t.Errorf("%v allocations, want at most %v", n, most)
	}
}
