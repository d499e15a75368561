package redisstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

var soak = flag.Duration("soak", 0, "soak for so long, a minute at least")

// sample is the state of a soak at a moment.
type sample struct {
	heap       uint64 // in bytes
	goroutines int
	redis      int64 // bytes
	keys       int64
}

// TestSoak lets two stores work at full speed, each on what the other has just accepted too:
//
//	go test -run TestSoak -v ./replay/redisstore -soak 10m
//
// Values live for 20 s, so that what Redis holds is level after the first half minute.
func TestSoak(t *testing.T) {
	if *soak < time.Minute {
		t.Skip("with -soak 10m")
	}
	server := redistest.Start(t)
	stores := pair(t, redisstore.Config{Timeout: unlikely, MaxSkew: unlikely}, single(server.Addr()))
	admin := newClient(t, redis.Options{Addr: server.Addr()})

	var accepted, twice, refused atomic.Int64
	var over atomic.Bool
	var wg sync.WaitGroup
	start := take(t, admin)
	t.Logf("start: heap %6d KiB, %3d goroutines; Redis %6d KiB", start.heap>>10, start.goroutines, start.redis>>10)
	for w := range 32 {
		wg.Go(func() {
			for n := 0; !over.Load(); n++ {
				u := use(fmt.Sprint("soak", w, "-", n), 20*time.Second)
				switch err := stores[n%2].Use(context.Background(), u); {
				case err != nil:
					refused.Add(1)
					continue
				default:
					accepted.Add(1)
				}
				for _, s := range stores {
					switch err := s.Use(context.Background(), u); {
					case err == nil:
						twice.Add(1)
					case !errors.Is(err, replay.ErrUsed):
						refused.Add(1)
					}
				}
			}
		})
	}
	began := time.Now()
	var samples []sample
	for i := range 10 {
		time.Sleep(time.Until(began.Add(*soak * time.Duration(i+1) / 10)))
		s := take(t, admin)
		samples = append(samples, s)
		t.Logf("%5s: %9d accepted, %d twice, %d refused; heap %6d KiB, %3d goroutines; Redis %6d KiB, %d keys",
			time.Since(began).Round(time.Second), accepted.Load(), twice.Load(), refused.Load(), s.heap>>10, s.goroutines, s.redis>>10, s.keys)
	}
	over.Store(true)
	wg.Wait()
	end := take(t, admin)
	t.Logf("end:   heap %6d KiB, %3d goroutines; Redis %6d KiB", end.heap>>10, end.goroutines, end.redis>>10)

	if twice.Load() != 0 {
		t.Errorf("%d values were accepted twice", twice.Load())
	}
	if refused.Load() > accepted.Load()/1000 {
		t.Errorf("%d good requests were refused", refused.Load())
	}
	// After the middle nothing grows.
	middle, last := samples[4], samples[9]
	for _, s := range samples[5:7] {
		middle.heap, middle.redis = max(middle.heap, s.heap), max(middle.redis, s.redis)
	}
	if last.heap > middle.heap+middle.heap/2+1<<20 {
		t.Errorf("the heap grew from %d to %d", middle.heap, last.heap)
	}
	if last.goroutines > middle.goroutines+8 {
		t.Errorf("goroutines grew from %d to %d", middle.goroutines, last.goroutines)
	}
	if last.redis > middle.redis+middle.redis/2 {
		t.Errorf("Redis grew from %d to %d", middle.redis, last.redis)
	}
}

func take(t *testing.T, admin *redis.Client) (s sample) {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.heap, s.goroutines = m.HeapAlloc, runtime.NumGoroutine()
	s.keys = admin.DBSize(context.Background()).Val()
	for line := range strings.Lines(admin.Info(context.Background(), "memory").Val()) {
		if value, ok := strings.CutPrefix(line, "used_memory:"); ok {
			s.redis, _ = strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	if s.redis == 0 {
		t.Error("Redis does not say how much memory it uses")
	}
	return s
}
