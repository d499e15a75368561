package ratelimit_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// All callers together are bounded too; that is our want of room, not the caller's fault.
func TestSlotsFull(t *testing.T) {
	s := slots(t, 2)
	c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: s, Name: "n", Key: byHeader, Max: 5})
	for _, client := range []string{"a", "b"} {
		if _, err := c.Enter(requestOf(client)); err != nil {
			t.Fatal(err)
		}
	}
	h, record := logged(t, c.Wrap, nil)
	w, reached := serve(h, requestOf("c"))
	if reached || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("reached %t, %d %v", reached, w.Code, w.Header())
	}
	if got := record(); got["reason"] != string(ratelimit.ErrFull) {
		t.Errorf("record %v", got)
	}
}

// First come, first served; whoever gave up is passed over, wherever in the queue he stood;
// and a limit that was raised over the same Slots lets in those who wait.
func TestConcurrencyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots(t, 0)
		config := ratelimit.ConcurrencyConfig{Slots: s, Name: "n", Key: one, Max: 1, Queue: 10, Wait: time.Minute}
		c := concurrency(t, config)
		held, _ := c.Enter(request())
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		cancels := map[int]context.CancelFunc{}
		for i := range 6 {
			ctx, cancel := context.WithCancel(context.Background())
			cancels[i] = cancel
			wg.Go(func() {
				if p, err := c.Enter(request().WithContext(ctx)); err == nil {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					p.Leave()
				}
			})
			synctest.Wait()
		}
		for _, gone := range []int{0, 3, 5} { // the first, one in the middle, the last
			cancels[gone]()
			synctest.Wait()
		}
		wg.Go(func() { // behind one who stood last and is gone
			if p, err := c.Enter(request()); err == nil {
				order = append(order, 6)
				p.Leave()
			}
		})
		synctest.Wait()
		if s.Waiting() != 4 {
			t.Fatalf("%d wait", s.Waiting())
		}
		held.Leave()
		wg.Wait()
		if !slices.Equal(order, []int{1, 2, 4, 6}) {
			t.Errorf("order %v", order)
		}
		for _, cancel := range cancels {
			cancel()
		}

		b := newBusy(c.Wrap)
		for range 3 {
			b.send(&wg, request())
			synctest.Wait()
		}
		config.Max = 3
		wider := newBusy(concurrency(t, config).Wrap)
		wider.send(&wg, request())
		synctest.Wait()
		if b.now.Load() != 3 || wider.now.Load() != 0 || s.Waiting() != 1 {
			t.Errorf("%d and %d inside, %d wait", b.now.Load(), wider.now.Load(), s.Waiting())
		}
		close(b.stay)
		close(wider.stay)
		wg.Wait()
		if s.InFlight() != 0 || s.Waiting() != 0 {
			t.Errorf("%d inside, %d wait", s.InFlight(), s.Waiting())
		}
	})
}

// However requests come, wait, give up and leave, never more than the limit is inside, and in
// the end nobody is.
func TestConcurrencyRace(t *testing.T) {
	const most = 3
	s := slots(t, 0)
	c := concurrency(t, ratelimit.ConcurrencyConfig{Slots: s, Name: "n", Key: byHeader, Max: most, Queue: 8, Wait: time.Millisecond})
	var inside [2]atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 300 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(j%7)*100*time.Microsecond)
				if p, err := c.Enter(requestOf([]string{"a", "b"}[i%2]).WithContext(ctx)); err == nil {
					if n := inside[i%2].Add(1); n > most {
						t.Errorf("%d inside", n)
					}
					time.Sleep(time.Duration(j%5) * 20 * time.Microsecond)
					inside[i%2].Add(-1)
					p.Leave()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if s.InFlight() != 0 || s.Waiting() != 0 {
		t.Errorf("%d inside, %d wait", s.InFlight(), s.Waiting())
	}
}
