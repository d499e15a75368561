package redisstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/redisstore"
)

// Budget 9: a decision against the round trip of a PING on the same connection.
func BenchmarkTake(b *testing.B) {
	c := redis.NewClient(&redis.Options{Addr: redistest.Start(b).Addr(), ContextTimeoutEnabled: true})
	b.Cleanup(func() { _ = c.Close() })
	direct := store(b, c, redisstore.Config{Inline: true})
	leases, err := ratelimit.NewLeases(ratelimit.LeasesConfig{Store: direct})
	if err != nil {
		b.Fatal(err)
	}
	three := []ratelimit.Limit{limit("second", 1e9, time.Second), limit("minute", 1e10, time.Minute), limit("day", 1e11, 24*time.Hour)}
	for _, r := range []struct {
		name   string
		store  ratelimit.Store
		limits []ratelimit.Limit
	}{
		{"1 limit", store(b, c, redisstore.Config{}), three[:1]},
		{"1 limit inline", direct, three[:1]},
		{"3 limits inline", direct, three},
		{"leased", leases, []ratelimit.Limit{limit("leased", 1e9, time.Minute)}},
	} {
		b.Run(r.name, func(b *testing.B) { againstPing(b, c, r.store, r.limits) })
	}
}

// againstPing runs both in turn. The script itself is not free: a third of its time on the server
// goes into the three commands that it cannot do without, TIME, MGET and SET.
func againstPing(b *testing.B, c *redis.Client, s ratelimit.Store, limits []ratelimit.Limit) {
	ctx := context.Background()
	take(b, s, "warm", 1, limits...)
	h := &trips{}
	c.AddHook(h)
	var ours, floor time.Duration
	n := 0
	for b.Loop() {
		n++
		began := time.Now()
		if r, err := s.Take(ctx, "caller", 1, limits); err != nil || !r.OK {
			b.Fatal(r, err)
		}
		middle := time.Now()
		if err := c.Ping(ctx).Err(); err != nil {
			b.Fatal(err)
		}
		ours, floor = ours+middle.Sub(began), floor+time.Since(middle)
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(n), "ours-ns")
	b.ReportMetric(float64(ours)/float64(floor), "x-PING")
	b.ReportMetric(float64(h.n.Load()-int64(n))/float64(n), "trips/op")
	b.ReportMetric(0, "ns/op")
}

// Budget 9 under load: what many callers at once are answered in the time of as many PINGs, with a
// client that sends each alone, with one that gathers them into pipelines, and with leases.
func BenchmarkConcurrent(b *testing.B) {
	const callers = 64
	c := redis.NewClient(&redis.Options{Addr: redistest.Start(b).Addr(), ContextTimeoutEnabled: true})
	b.Cleanup(func() { _ = c.Close() })
	leases, err := ratelimit.NewLeases(ratelimit.LeasesConfig{Store: store(b, c, redisstore.Config{})})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range []struct {
		name  string
		store ratelimit.Store
	}{
		{"alone", store(b, c, redisstore.Config{})},
		{"alone inline", store(b, c, redisstore.Config{Inline: true})},
		{"coalesced", store(b, coalescing(b, c), redisstore.Config{})},
		{"leased", leases},
	} {
		b.Run(r.name, func(b *testing.B) {
			ctx, l := context.Background(), []ratelimit.Limit{limit("concurrent", 1e9, time.Minute)}
			by := func(do func() error) time.Duration {
				var wg sync.WaitGroup
				began := time.Now()
				for range callers {
					wg.Go(func() {
						for range 20 {
							if err := do(); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				return time.Since(began)
			}
			ping := func() error { return c.Ping(ctx).Err() }
			take := func() error { _, err := r.store.Take(ctx, "caller", 1, l); return err }
			by(take)
			by(ping) // warm
			var ours, floor time.Duration
			for b.Loop() {
				ours, floor = ours+by(take), floor+by(ping)
			}
			b.ReportMetric(float64(ours)/float64(floor), "x-PING")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N*callers*20), "ours-ns")
			b.ReportMetric(0, "ns/op")
		})
	}
}
