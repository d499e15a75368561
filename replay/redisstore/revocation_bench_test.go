package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// BenchmarkRevocationReaches measures how long after Revoke has returned on one replica another still
// lets pass (I8), with the default bound of 1 s: undisturbed, and when the way from the
// other to Redis has stalled or was cut just before.
func BenchmarkRevocationReaches(b *testing.B) {
	for _, way := range []struct {
		name       string
		count      int
		hurt, mend func(*line)
	}{
		{"open", 500, func(*line) {}, func(*line) {}},
		{"stalled", 10, (*line).stall, (*line).resume},
		{"cut", 10, func(l *line) { l.setCut(true) }, func(l *line) { l.setCut(false) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			server := redistest.Start(b)
			first := replica(b, server.Addr(), redisstore.RevocationsConfig{})
			l := newLine()
			client := newClient(b, redis.Options{Addr: server.Addr(), Dialer: l.dial})
			other := running(b, newList(b, client, redisstore.RevocationsConfig{}))
			var took, back []time.Duration
			run := 0
			for b.Loop() {
				run++
				for i := range way.count {
					s := fmt.Sprint("reaches", run, "-", i)
					until(func() bool { return ask(other, s) == nil })
					way.hurt(l)
					revoke(b, first, s)
					began := time.Now()
					var last time.Duration // when it last let pass
					until(func() bool {
						passes := ask(other, s) == nil
						if passes {
							last = time.Since(began)
						}
						return !passes
					})
					took = append(took, last)
					way.mend(l)
					began = time.Now()
					until(func() bool { return ask(other, "nobody") == nil })
					back = append(back, time.Since(began))
				}
			}
			report(b, "passes-", took)
			report(b, "recovery-", back)
		})
	}
}

func until(f func() bool) {
	for !f() {
		time.Sleep(20 * time.Microsecond)
	}
}

func report(b *testing.B, what string, d []time.Duration) {
	slices.Sort(d)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(d[len(d)/2]), what+"median-ms")
	b.ReportMetric(ms(d[len(d)*99/100]), what+"p99-ms")
	b.ReportMetric(ms(d[len(d)-1]), what+"max-ms")
}

// BenchmarkRevisionOfReplicas is what every request pays.
func BenchmarkRevisionOfReplicas(b *testing.B) {
	server := redistest.Start(b)
	r := replica(b, server.Addr(), redisstore.RevocationsConfig{})
	until(func() bool { return ask(r, "1") == nil })
	b.ReportAllocs()
	for b.Loop() {
		r.Revision()
	}
}
