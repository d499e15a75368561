package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
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

// hammer takes from both limits as fast as it can and prints what it was given.
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
	passed := map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
				for l, s := range from {
					if r, err := s.Take(context.Background(), "caller", 1, []ratelimit.Limit{l}); err != nil {
						panic(err)
					} else if r.OK {
						mu.Lock()
						passed[l.Name]++
						mu.Unlock()
					}
				}
			}
		})
	}
	wg.Wait()
	fmt.Println(passed[whole.Name], passed[steady.Name], passed[leased.Name], passed[rented.Name])
}

// pitfall-90, pitfall-89: two processes together are admitted what one would be.
func TestTwoProcesses(t *testing.T) {
	server := redistest.Start(t)
	began := time.Now()
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
	var sum [4]int
	for i, p := range procs {
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		for j, field := range strings.Fields(out[i].String()) {
			n, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			sum[j] += n
		}
	}
	took := time.Since(began) // longer than the window in which they ran
	if sum[0] != 100 {
		t.Errorf("%d passed of 100", sum[0])
	}
	if most := 5 + int(200*took/time.Second); sum[1] > most || sum[1] < 5 {
		t.Errorf("%d passed within %v, the law allows %d", sum[1], took, most)
	}
	if sum[2] > 1000 || sum[2] < 50 {
		t.Errorf("%d passed of 1000 through leases", sum[2])
	}
	if most := 100 + int(500*took/time.Second); sum[3] > most || sum[3] < 50 {
		t.Errorf("%d passed within %v through leases, the law allows %d", sum[3], took, most)
	}
	t.Logf("within %v: %v", took, sum)
}
