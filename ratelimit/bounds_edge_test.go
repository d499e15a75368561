package ratelimit_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// Who waited in vain, or hung up while he waited, is nowhere any more: the room is given back.
func TestWaitersLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots(t, 2)
		c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: s, Name: "n", Key: byHeader, Max: 1, Queue: 1, Wait: time.Second})
		held, err := c.Enter(requestOf("a"))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err := c.Enter(requestOf("a"))
			refusal(t, err, ratelimit.ErrWaited, http.StatusTooManyRequests)
		}
		other, err := c.Enter(requestOf("b"))
		if err != nil {
			t.Fatalf("%v: somebody who waits no more has the room", err)
		}
		held.Leave()
		other.Leave()
		if s.InFlight() != 0 || s.Waiting() != 0 {
			t.Errorf("%d inside, %d wait", s.InFlight(), s.Waiting())
		}
	})
}

// The median decides: the bound shrinks when more than half of a window are slow, and not when fewer are.
func TestGuardMedian(t *testing.T) {
	const target = 100 * time.Millisecond
	for slow, shrinks := range map[int]bool{7: false, 9: true} {
		synctest.Test(t, func(t *testing.T) {
			g := guard(t, ratelimit.GuardConfig{Name: "n", Target: target})
			before := g.Limit()
			var wg sync.WaitGroup
			for range 2 { // one window
				for i := range 16 {
					p, err := g.Enter(request())
					if err != nil {
						t.Fatal(err)
					}
					wg.Go(func() {
						if time.Sleep(target); i < slow {
							time.Sleep(target / 2)
						}
						p.Leave()
					})
				}
				wg.Wait()
			}
			if got := g.Limit(); got == before || (got < before) != shrinks {
				t.Errorf("%d of 16 are slow: from %d to %d", slow, before, got)
			}
		})
	}
}

// A bound that nobody came near was not tried, and stays: else one quiet night would lift it to Max.
func TestGuardIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(t, ratelimit.GuardConfig{Name: "n", Target: 10 * time.Millisecond})
		before := g.Limit()
		for range 1000 {
			p, err := g.Enter(request())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			p.Leave()
		}
		if g.Limit() != before {
			t.Errorf("from %d to %d with one request at a time", before, g.Limit())
		}
	})
}

// Looking takes no room: else it would be free to fill a store.
func TestLookingHoldsNothing(t *testing.T) {
	m := memory(t, 100)
	for i := range 1000 {
		take(t, m, strconv.Itoa(i), 0, limit("n", 10, time.Hour))
	}
	if m.Len() != 0 || m.Shared() != 0 {
		t.Errorf("%d held, %d shared", m.Len(), m.Shared())
	}
}

// One call reads up to 64 accounts.
func TestUnattendedManyAccounts(t *testing.T) {
	for n, status := range map[int]int{64: http.StatusNoContent, 65: http.StatusInternalServerError} {
		l, err := ratelimit.NewUnattended(ratelimit.UnattendedConfig{Store: memory(t, 1000), Name: "n", Location: time.UTC,
			Attended: func(*http.Request) (bool, error) { return false, nil }, Consent: one,
			Accounts: func(*http.Request) (all []string, err error) {
				for i := range n {
					all = append(all, fmt.Sprint(i))
				}
				return all, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		if w, _ := serve(l.Wrap, request()); w.Code != status {
			t.Errorf("%d accounts: %d", n, w.Code)
		}
	}
}
