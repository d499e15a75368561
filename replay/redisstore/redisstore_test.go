package redisstore_test

import (
	"context"
	"errors"
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
	"github.com/tegata-go/tegata/replay/replaytest"
)

// unlikely is a Timeout at which only a store that hangs fails on a loaded machine.
const unlikely = 5 * time.Second

func newClient(t testing.TB, o redis.Options) *redis.Client {
	c := redis.NewClient(&o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newStore(t testing.TB, client redis.UniversalClient, c redisstore.Config) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(client, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// patient is a store whose Timeout no load on the machine reaches.
func patient(t testing.TB, addr string) *redisstore.Store {
	return newStore(t, newClient(t, redis.Options{Addr: addr}), redisstore.Config{Timeout: unlikely})
}

func use(name string, d time.Duration) replay.Use {
	now := time.Now()
	return replay.Use{Key: replay.Digest("test", name), Made: now, Until: now.Add(d)}
}

// want fails unless the use ends as it should. One that is to be found used stays so however
// often it is tried: on a machine too slow for the store's deadline it is tried again.
func want(t *testing.T, s replay.Store, u replay.Use, reason error) {
	t.Helper()
	err := s.Use(context.Background(), u)
	for end := time.Now().Add(20 * time.Second); errors.Is(reason, replay.ErrUsed) &&
		errors.Is(err, replay.ErrUnavailable) && time.Now().Before(end); {
		err = s.Use(context.Background(), u)
	}
	if !errors.Is(err, reason) {
		t.Fatalf("got %v, want %v", err, reason)
	}
}

func TestConfigTellsEveryMistake(t *testing.T) {
	s, err := redisstore.New(nil, redisstore.Config{
		Prefix: "a{b", Timeout: time.Millisecond, MaxSkew: time.Hour, MaxInFlight: -1, Replicas: -1,
	})
	if s != nil || err == nil {
		t.Fatal("accepted")
	}
	for _, word := range []string{"client", "Prefix", "Timeout", "MaxSkew", "MaxInFlight", "Replicas"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v: no word of %s", err, word)
		}
	}
	client := newClient(t, redis.Options{})
	for _, c := range []redisstore.Config{
		{Prefix: strings.Repeat("p", 65)}, {Prefix: "a b"}, {Prefix: "}"}, {Prefix: "é"}, {Timeout: -1}, {Timeout: 6 * time.Second},
		{MaxSkew: -1}, {MaxSkew: time.Second, Timeout: 2 * time.Second}, {MaxInFlight: 1<<16 + 1}, {Replicas: 17},
	} {
		if s, err := redisstore.New(client, c); s != nil || err == nil {
			t.Errorf("%+v: accepted", c)
		}
	}
}

func TestRingIsAMistake(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer func() { _ = ring.Close() }()
	if s, err := redisstore.New(ring, redisstore.Config{}); s != nil || err == nil || !strings.Contains(err.Error(), "Ring") {
		t.Errorf("got %v", err)
	}
}

func TestKeepsTheRules(t *testing.T) {
	t.Parallel() // no rule fails because it is slow
	c := redisstore.Config{Timeout: unlikely, MaxSkew: unlikely}
	t.Run("single", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		replaytest.Run(t, func() replay.Store {
			return newStore(t, newClient(t, redis.Options{Addr: server.Addr()}), c)
		})
	})
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		master := redistest.Start(t)
		redistest.StartReplica(t, master)
		client := failoverClients(redistest.StartSentinels(t, "bank", master, 1, 30*time.Second))()
		t.Cleanup(func() { _ = client.Close() })
		withReplica := c
		withReplica.Replicas = 1
		replaytest.Run(t, func() replay.Store { return newStore(t, client, withReplica) })
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		client := clusterClients(redistest.StartClusterOf(t, 3, "--cluster-node-timeout", "30000"))()
		t.Cleanup(func() { _ = client.Close() })
		replaytest.Run(t, func() replay.Store { return newStore(t, client, c) })
	})
}

func TestSharedByReplicas(t *testing.T) {
	for _, id := range []string{"pitfall-59", "RFC9449-11.1-2"} {
		t.Run(id, func(t *testing.T) {
			server := redistest.Start(t)
			a, b := patient(t, server.Addr()), patient(t, server.Addr())
			want(t, a, use("1", time.Minute), nil)
			want(t, b, use("1", time.Minute), replay.ErrUsed)
			want(t, patient(t, server.Addr()), use("1", time.Minute), replay.ErrUsed) // after a restart of ours
			other := newStore(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.Config{Prefix: "other", Timeout: unlikely})
			want(t, other, use("1", time.Minute), nil)
		})
	}
	t.Run("pitfall-66", func(t *testing.T) {
		server := redistest.Start(t)
		stores := []*redisstore.Store{patient(t, server.Addr()), patient(t, server.Addr())}
		for round := range 10 {
			u := use(strconv.Itoa(round), time.Minute)
			var accepted, used atomic.Int64
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					switch err := stores[i%2].Use(context.Background(), u); {
					case err == nil:
						accepted.Add(1)
					case errors.Is(err, replay.ErrUsed):
						used.Add(1)
					}
				})
			}
			wg.Wait()
			if accepted.Load() != 1 || used.Load() != 99 {
				t.Fatalf("%d accepted, %d used", accepted.Load(), used.Load())
			}
		}
	})
}

// TestLayout pins what the package doc says of keys.
func TestLayout(t *testing.T) {
	t.Run("pitfall-68", func(t *testing.T) {
		server := redistest.Start(t)
		client := newClient(t, redis.Options{Addr: server.Addr()})
		s := newStore(t, client, redisstore.Config{Prefix: "bank", Timeout: unlikely, MaxSkew: 7 * time.Second})
		u := use("1", 90*time.Second)
		u.Until = u.Until.Truncate(time.Millisecond).Add(1) // rounded up
		want(t, s, u, nil)
		ctx := context.Background()
		keys := client.Keys(ctx, "*").Val()
		if len(keys) != 1 || keys[0] != "bank:replay:1:{-fPc8W5cr9xtxSvp7VlQSESRHQvqq_aQNhj4IDUibmE}" {
			t.Fatalf("keys: %q", keys)
		}
		end := client.Do(ctx, "PEXPIRETIME", keys[0]).Val()
		if want := u.Until.UnixMilli() + 1 + 7000; end != want {
			t.Errorf("expires at %v, want %d", end, want)
		}
		value := client.Get(ctx, keys[0]).Val()
		if len(value) != 16 {
			t.Errorf("the value has %d bytes", len(value))
		}
		u.Until = u.Until.Add(-time.Minute)
		want(t, s, u, replay.ErrUsed)
		if client.Do(ctx, "PEXPIRETIME", keys[0]).Val() != end || client.Get(ctx, keys[0]).Val() != value {
			t.Error("a refused use changed the key")
		}
	})
}

func TestClocksApart(t *testing.T) {
	server := redistest.Start(t)
	for _, test := range []struct {
		name string
		off  time.Duration // of our clock
		want int64
	}{
		{"none", 0, 1}, {"allowed behind", -4 * time.Second, 1}, {"allowed ahead", 4 * time.Second, 1},
		{"behind", -6 * time.Second, 4}, {"ahead", 6 * time.Second, 4}, {"five minutes", 5 * time.Minute, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := newClient(t, redis.Options{Addr: server.Addr()})
			client.AddHook(lateHook(-test.off))
			s := newStore(t, client, redisstore.Config{Timeout: unlikely})
			reason := error(nil)
			if test.want == 4 {
				reason = replay.ErrUnavailable
			}
			want(t, s, use(test.name, time.Minute), reason)
		})
	}
	t.Run("over by Redis's clock only", func(t *testing.T) {
		client := newClient(t, redis.Options{Addr: server.Addr()})
		client.AddHook(lateHook(3 * time.Second))
		s := newStore(t, client, redisstore.Config{Timeout: unlikely})
		want(t, s, use("over", 2*time.Second), replay.ErrTooOld)
		want(t, s, use("not over", 30*time.Second), nil)
	})
}

// TestOutageKit is the kit's outage, with servers that stop and go on.
func TestOutageKit(t *testing.T) {
	t.Run("single", func(t *testing.T) {
		server := redistest.Start(t)
		s := newStore(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.Config{})
		if err := replaytest.TestOutage(s, server.Pause, server.Continue); err != nil {
			t.Error(err)
		}
	})
	t.Run("cluster", func(t *testing.T) {
		cluster := redistest.StartClusterOf(t, 3, "--cluster-node-timeout", "30000")
		client := clusterClients(cluster)()
		t.Cleanup(func() { _ = client.Close() })
		s := newStore(t, client, redisstore.Config{})
		each := func(do func(*redistest.Server)) func() {
			return func() {
				for _, server := range cluster.Masters {
					do(server)
				}
			}
		}
		if err := replaytest.TestOutage(s, each((*redistest.Server).Pause), each((*redistest.Server).Continue)); err != nil {
			t.Error(err)
		}
	})
}
