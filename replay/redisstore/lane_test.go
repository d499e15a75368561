package redisstore_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// uses lets n values be used at once, and gives the answers.
func uses(s replay.Store, n int, name func(i int) string) []error {
	answers := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		u := use(name(i), time.Minute)
		wg.Go(func() { answers[i] = s.Use(context.Background(), u) })
	}
	wg.Wait()
	return answers
}

// TestCoalesces holds that what comes while an answer is awaited goes together.
func TestCoalesces(t *testing.T) {
	for _, test := range []struct{ uses, batches, largest int }{{1, 1, 1}, {60, 2, 59}, {1000, 9, redisstore.MaxBatch}} {
		t.Run(strconv.Itoa(test.uses), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, s := newEngine(t, redisstore.Config{}, func(int) error { time.Sleep(10 * time.Millisecond); return nil })
				for i, err := range uses(s, test.uses, strconv.Itoa) {
					if err != nil {
						t.Fatalf("%d: %v", i, err)
					}
				}
				if n, largest := e.asked(); n != test.batches || largest != test.largest {
					t.Errorf("%d round trips, the largest for %d, want %d and %d", n, largest, test.batches, test.largest)
				}
				for i, err := range uses(s, test.uses, strconv.Itoa) {
					if !errors.Is(err, replay.ErrUsed) {
						t.Fatalf("%d: %v", i, err)
					}
				}
			})
		})
	}
	t.Run("pitfall-66", func(t *testing.T) { // one proof a hundred times in one batch
		synctest.Test(t, func(t *testing.T) {
			_, s := newEngine(t, redisstore.Config{}, func(int) error { time.Sleep(time.Millisecond); return nil })
			accepted := 0
			for _, err := range uses(s, 100, func(int) string { return "same" }) {
				if err == nil {
					accepted++
				} else if !errors.Is(err, replay.ErrUsed) {
					t.Fatal(err)
				}
			}
			if accepted != 1 {
				t.Errorf("%d were accepted", accepted)
			}
		})
	})
}

// TestGivenUpIsNotSent holds that a value whose request ended while it waited is not spent.
func TestGivenUpIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := newEngine(t, redisstore.Config{}, func(int) error { time.Sleep(100 * time.Millisecond); return nil })
		go func() { _ = s.Use(context.Background(), use("first", time.Minute)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		if err := s.Use(ctx, use("second", time.Minute)); !errors.Is(err, replay.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(time.Second)
		want(t, s, use("first", time.Minute), replay.ErrUsed)
		want(t, s, use("second", time.Minute), nil)
	})
}

// TestBreaker follows the breaker through an outage in which Redis does not answer.
func TestBreaker(t *testing.T) {
	for _, id := range []string{"OPS-fail-closed", "pitfall-87"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var hangs atomic.Bool
				hangs.Store(true)
				e, s := newEngine(t, redisstore.Config{}, func(int) error {
					if hangs.Load() {
						time.Sleep(3 * time.Second)
						return io.EOF
					}
					return nil
				})
				began := time.Now()
				for i, err := range uses(s, 100, strconv.Itoa) {
					if !errors.Is(err, replay.ErrUnavailable) {
						t.Fatalf("%d: %v", i, err)
					}
				}
				if took := time.Since(began); took != redisstore.DefaultTimeout {
					t.Errorf("refused after %v", took)
				}
				// From now on nobody waits, but for those that probe.
				waited, probes := time.Duration(0), 0
				for i := range 10_000 { // 10 s
					began := time.Now()
					want(t, s, use("again"+strconv.Itoa(i), time.Minute), replay.ErrUnavailable)
					if took := time.Since(began); took > 0 {
						waited, probes = waited+took, probes+1
					}
					time.Sleep(time.Millisecond)
				}
				if n, _ := e.asked(); n != 1+probes || probes < 5 || probes > 15 || waited != time.Duration(probes)*redisstore.DefaultTimeout {
					t.Errorf("%d round trips, %d waited, for %v", n, probes, waited)
				}
				hangs.Store(false)
				began = time.Now()
				for n := 0; s.Use(context.Background(), use("back"+strconv.Itoa(n), time.Minute)) != nil; n++ {
					time.Sleep(time.Millisecond)
				}
				if took := time.Since(began); took > 1100*time.Millisecond {
					t.Errorf("served again after %v", took)
				}
				for i, err := range uses(s, 100, func(i int) string { return "all" + strconv.Itoa(i) }) {
					if err != nil {
						t.Fatalf("%d: %v", i, err)
					}
				}
				time.Sleep(5 * time.Second) // what hung ends in the bubble
			})
		})
	}
	t.Run("errors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, s := newEngine(t, redisstore.Config{}, func(n int) error {
				if n == 1 || n == 2 || n >= 4 {
					return io.EOF
				}
				return nil
			})
			for i, answer := range []error{nil, replay.ErrUnavailable, replay.ErrUnavailable, nil, // two in a row do not open it
				replay.ErrUnavailable, replay.ErrUnavailable, replay.ErrUnavailable} {
				want(t, s, use(strconv.Itoa(i), time.Minute), answer)
			}
			want(t, s, use("open", time.Minute), replay.ErrUnavailable)
			if n, _ := e.asked(); n != 7 {
				t.Errorf("%d round trips", n)
			}
		})
	})
	t.Run("one probes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, s := newEngine(t, redisstore.Config{}, func(n int) error {
				time.Sleep(400 * time.Millisecond)
				if n < 3 {
					return io.EOF
				}
				return nil
			})
			for i := range 3 {
				want(t, s, use(strconv.Itoa(i), time.Minute), replay.ErrUnavailable)
			}
			time.Sleep(time.Second)
			accepted := 0
			for _, err := range uses(s, 100, func(i int) string { return "probe" + strconv.Itoa(i) }) {
				if err == nil {
					accepted++
				}
			}
			if n, _ := e.asked(); n != 4 || accepted != 1 {
				t.Errorf("%d round trips, %d accepted", n, accepted)
			}
			want(t, s, use("closed", time.Minute), nil)
		})
	})
}

// TestLateBatchHoldsNobodyUp: while a batch is late, which Use no longer awaits, others go on.
func TestLateBatchHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := newEngine(t, redisstore.Config{}, func(n int) error {
			if n == 0 {
				time.Sleep(time.Hour)
			}
			return nil
		})
		want(t, s, use("0", time.Minute), replay.ErrUnavailable)
		time.Sleep(time.Second)
		for i := range 10 {
			want(t, s, use("again"+strconv.Itoa(i), time.Minute), nil)
		}
		time.Sleep(time.Hour)
		want(t, s, use("after", time.Minute), nil)
	})
}

// TestReplyOfBatchLost cuts the connection under a batch, on its way there and back.
func TestReplyOfBatchLost(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	for name, cut := range map[string]func(string){"reply": proxy.LoseReplyTo, "command": proxy.CutInside} {
		t.Run(name, func(t *testing.T) {
			lost := proxy.Lost()
			client := newClient(t, redis.Options{Addr: proxy.Addr()})
			var first atomic.Bool
			client.AddHook(hook{pipeline: func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error {
				if first.CompareAndSwap(false, true) {
					time.Sleep(100 * time.Millisecond) // for the others to gather
				} else if len(cmds) > 2 {
					cut("pxat")
				}
				return next(ctx, cmds)
			}})
			s := newStore(t, client, redisstore.Config{Timeout: unlikely})
			for i, err := range uses(s, 50, func(i int) string { return name + strconv.Itoa(i) }) {
				if err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
			if proxy.Lost() == lost {
				t.Error("nothing was lost: the test is blind")
			}
			for i, err := range uses(s, 50, func(i int) string { return name + strconv.Itoa(i) }) {
				if !errors.Is(err, replay.ErrUsed) {
					t.Errorf("%d again: %v", i, err)
				}
			}
		})
	}
}

func TestSlotOf(t *testing.T) {
	// The first is of the specification of Redis Cluster.
	for tag, slot := range map[string]int{"123456789": 0x31c3, "": 0, "a": 15495, "foo": 12182} {
		if got := redisstore.SlotOf(tag); got != slot {
			t.Errorf("%q: %d, want %d", tag, got, slot)
		}
	}
}
