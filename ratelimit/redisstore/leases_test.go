package redisstore_test

import (
	"testing"
	"time"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/redisstore"
)

// Budget 9: leased permits cost at most one round trip for ten requests, and refusals none.
func TestLeasedRoundTrips(t *testing.T) {
	c := connect(t, redistest.Start(t).Addr())
	leases, err := ratelimit.NewLeases(ratelimit.LeasesConfig{Store: store(t, c, redisstore.Config{}), Hold: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	l := limit("leased", 100_000, time.Hour)
	take(t, leases, "warm", 1, l)
	h := &trips{}
	c.AddHook(h)
	for range 1000 {
		if !take(t, leases, "caller", 1, l).OK {
			t.Fatal("refused")
		}
	}
	if n := h.n.Load(); n > 100 {
		t.Errorf("%d trips for 1000 requests", n)
	}
	empty := limit("empty", 2, time.Hour)
	for take(t, leases, "caller", 1, empty).OK {
	}
	before := h.n.Load()
	for range 1000 {
		if take(t, leases, "caller", 1, empty).OK {
			t.Fatal("passed")
		}
	}
	if n := h.n.Load() - before; n != 0 {
		t.Errorf("%d trips for 1000 refusals", n)
	}
}
