//go:build unix

package redisstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// numbered gives ever new values.
var numbered atomic.Uint64

func fresh() replay.Use {
	u := replay.Use{Until: time.Now().Add(time.Minute)}
	binary.LittleEndian.PutUint64(u.Key[:], numbered.Add(1))
	u.Key[31] = 1
	return u
}

// self is what this process has computed.
func self(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// by lets callers do n in all and gives the time for each.
func by(b testing.TB, callers, n int, do func() error) time.Duration {
	var wg sync.WaitGroup
	began := time.Now()
	for range callers {
		wg.Go(func() {
			for range max(1, n/callers) {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began) / time.Duration(max(1, n/callers)*callers)
}

// cpu is what Redis and this process have computed so far.
func cpu(b *testing.B, client redis.UniversalClient) (sum time.Duration) {
	b.Helper()
	for line := range strings.Lines(client.Info(context.Background(), "cpu").Val()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if seconds, err := strconv.ParseFloat(value, 64); err == nil && (name == "used_cpu_user" || name == "used_cpu_sys") {
			sum += time.Duration(seconds * float64(time.Second))
		}
	}
	return sum + self(b)
}

// BenchmarkUse compares with the floor, one SET NX for each use by the same client and as many
// callers, in turns. uses/floor is how many uses there are in the time of one SET NX, cpu-uses/floor
// in the processor time that one takes on both sides: the machine's other work does not count.
func BenchmarkUse(b *testing.B) {
	server := redistest.Start(b)
	client := newClient(b, redis.Options{Addr: server.Addr()})
	cluster := redistest.StartCluster(b)
	clusterClient := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{cluster.Addr()}})
	b.Cleanup(func() { _ = clusterClient.Close() })
	for _, kind := range []struct {
		name   string
		client redis.UniversalClient
	}{{"single", client}, {"cluster", clusterClient}} {
		s := newStore(b, kind.client, redisstore.Config{Timeout: unlikely})
		setNX := func() error {
			u := fresh()
			return kind.client.SetArgs(context.Background(), "floor:{"+string(u.Key[:])+"}", "0123456789abcdef",
				redis.SetArgs{Mode: "NX", TTL: time.Minute}).Err()
		}
		use := func() error { return s.Use(context.Background(), fresh()) }
		for _, callers := range []int{1, 8, 64, 256} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, callers), func(b *testing.B) {
				var floor, ours, floorCPU, oursCPU time.Duration
				rounds := 0
				for b.Loop() {
					const n = 4000
					start := cpu(b, kind.client)
					floor += by(b, callers, n, setNX)
					middle := cpu(b, kind.client)
					ours += by(b, callers, n, use)
					oursCPU += cpu(b, kind.client) - middle
					floorCPU += middle - start
					rounds++
				}
				b.ReportMetric(float64(floor)/float64(ours), "uses/floor")
				b.ReportMetric(float64(floorCPU)/float64(oursCPU), "cpu-uses/floor")
				b.ReportMetric(float64(ours)/float64(rounds), "ns/use")
				b.ReportMetric(float64(floor)/float64(rounds), "ns/floor")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
