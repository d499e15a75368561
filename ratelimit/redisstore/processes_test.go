package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/ratelimittest"
	"github.com/tegata-go/tegata/ratelimit/redisstore"
)

// child is the environment variable that makes the test binary a second process.
const child = "TEGATA_RATELIMIT_CHILD"

func TestMain(m *testing.M) {
	if addr := os.Getenv(child); addr != "" {
		hammer(addr)
		return
	}
	os.Exit(m.Run())
}

var (
	whole  = limit("whole", 100, time.Hour) // nothing comes back while the test runs
	steady = ratelimit.Limit{Name: "steady", Count: 200, Period: time.Second, Burst: 5}

	// These are taken through leases.
	leased = limit("leased", 1000, time.Hour)
	rented = ratelimit.Limit{Name: "rented", Count: 500, Period: time.Second, Burst: 100}
)

// hammer takes from all limits as fast as it can and prints what it was given: under which limit,
// and between which moments of the clock that it shares with Redis.
func hammer(addr string) {
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = c.Close() }()
	s, err := redisstore.New(c, redisstore.Config{Timeout: 10 * time.Second})
	if err != nil {
		panic(err)
	}
	leases, err := ratelimit.NewLeases(ratelimit.LeasesConfig{Store: s})
	if err != nil {
		panic(err)
	}
	from := map[ratelimit.Limit]ratelimit.Store{whole: s, steady: s, leased: leases, rented: leases}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n, end := 0, time.Now().Add(500*time.Millisecond); n < 100 || time.Now().Before(end); n++ {
				for l, s := range from {
					began := time.Now().UnixNano()
					r, err := s.Take(context.Background(), "caller", 1, []ratelimit.Limit{l})
					if err != nil {
						panic(err)
					}
					if r.OK {
						mu.Lock()
						fmt.Println(l.Name, began, time.Now().UnixNano())
						mu.Unlock()
					}
				}
			}
		})
	}
	wg.Wait()
}

// pitfall-90, pitfall-89: two processes together are admitted what one would be, over every
// window, with leases and without.
func TestTwoProcesses(t *testing.T) {
	server := redistest.Start(t)
	var out [2]strings.Builder
	var procs [2]*exec.Cmd
	for i := range procs {
		procs[i] = exec.Command(os.Args[0])
		procs[i].Env = append(os.Environ(), child+"="+server.Addr())
		procs[i].Stdout, procs[i].Stderr = &out[i], os.Stderr
		if err := procs[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	admitted := map[string][]ratelimittest.Admission{}
	for i, p := range procs {
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out[i].String()) {
			var name string
			var began, ended int64
			if _, err := fmt.Sscan(line, &name, &began, &ended); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			admitted[name] = append(admitted[name], ratelimittest.Admission{Began: time.Unix(0, began), Ended: time.Unix(0, ended), Cost: 1})
		}
	}
	for l, want := range map[ratelimit.Limit]struct{ least, most int }{
		whole:  {100, 100},
		steady: {5, 1 << 20},
		leased: {50, 1000},
		rented: {50, 1 << 20},
	} {
		got := admitted[l.Name]
		t.Logf("%s: %d admitted", l.Name, len(got))
		if len(got) < want.least || len(got) > want.most {
			t.Errorf("%s: %d admitted, want %d to %d", l.Name, len(got), want.least, want.most)
		}
		if err := ratelimittest.Law(l, got, time.Millisecond); err != nil { // Redis's clock has microseconds
			t.Errorf("%s: %v", l.Name, err)
		}
	}
}
