package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/redisstore"
)

// Budget 9: a decision against the round trip of a PING on the same connection.
func BenchmarkTake(b *testing.B) {
	c := connect(b, redistest.Start(b).Addr())
	ctx := context.Background()
	for name, limits := range map[string][]ratelimit.Limit{
		"1 limit":  {limit("second", 1e9, time.Second)},
		"3 limits": {limit("second", 1e9, time.Second), limit("minute", 1e10, time.Minute), limit("day", 1e11, 24*time.Hour)},
	} {
		b.Run(name, func(b *testing.B) {
			s := store(b, c, redisstore.Config{Prefix: name[:1] + ":"})
			take(b, s, "warm", 1, limits...)
			var ours, floor time.Duration
			for b.Loop() {
				began := time.Now()
				if _, err := s.Take(ctx, "caller", 1, limits); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if err := c.Ping(ctx).Err(); err != nil {
					b.Fatal(err)
				}
				ours, floor = ours+middle.Sub(began), floor+time.Since(middle)
			}
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ours-ns")
			b.ReportMetric(float64(ours)/float64(floor), "x-PING")
			b.ReportMetric(0, "ns/op")
		})
	}
}
