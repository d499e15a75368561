package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// TestFaults drills the faults a store survives and prints what each cost:
//
//	go test -run 'TestFaults|TestRevocationFailover' -v ./replay/redisstore -long
//
// Without -long it leaves out those that take longest and shortens the others.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds for each fault")
	}
	logging.Disable() // what go-redis says of each fault
	defer logging.Enable()
	var table []string
	for _, f := range []struct {
		name string
		long bool
		make func(t *testing.T) drill
	}{
		{"killed, restarted with its data", false, func(t *testing.T) drill { return killed(t, proofs(redisstore.Config{}), true) }},
		{"killed, restarted empty", true, func(t *testing.T) drill { return killed(t, proofs(redisstore.Config{}), false) }},
		{"paused (SIGSTOP)", false, paused},
		{"slow by 100 ms", true, func(t *testing.T) drill { return slow(t, 100*time.Millisecond) }},
		{"slow by 1 s", true, func(t *testing.T) drill { return slow(t, time.Second) }},
		{"full (maxmemory, noeviction)", false, full},
		{"connections cut inside commands", false, cut},
		{"clock of one replica 5 minutes off", false, clockOff},
		{"failover by Sentinel", true, func(t *testing.T) drill { return sentinel(t, proofs(redisstore.Config{}), true) }},
		{"failover by Sentinel, Replicas 1", true, func(t *testing.T) drill { return sentinel(t, proofs(redisstore.Config{Replicas: 1}), false) }},
		{"failover to a replica that lags", true, func(t *testing.T) drill { return lagging(t, 0) }},
		{"the same, Replicas 1 of two", true, func(t *testing.T) drill { return lagging(t, 1) }},
		{"the same, Replicas 2 of two", true, func(t *testing.T) drill { return lagging(t, 2) }},
		{"master back before failover is over", true, func(t *testing.T) drill { return splitBrain(t, 0) }},
		{"master back too early, Replicas 2", true, func(t *testing.T) drill { return splitBrain(t, 2) }},
		{"Cluster: slots moved", true, func(t *testing.T) drill { return slotsMoved(t, 0) }},
		{"Cluster: slots moved, Replicas 1", true, func(t *testing.T) drill { return slotsMoved(t, 1) }},
		{"Cluster: a master killed", true, func(t *testing.T) drill { return masterKilled(t, 0) }},
		{"Cluster: a master killed, Replicas 1", true, func(t *testing.T) drill { return masterKilled(t, 1) }},
		{"runs: killed, restarted with their data", true, func(t *testing.T) drill { return killed(t, runs, true) }},
		{"runs: failover by Sentinel", true, func(t *testing.T) drill { return sentinel(t, runs, true) }},
	} {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			if f.long && !*long {
				t.Skip("with -long")
			}
			d := f.make(t)
			d.name = f.name
			o := d.run(t)
			table = append(table, o.String())
			o.judge(t)
		})
	}
	fmt.Println(heading + "\n" + strings.Join(table, "\n"))
}

// lasts is how long a fault lasts.
func lasts(full, brief time.Duration) time.Duration {
	if *long {
		return full
	}
	return brief
}

// maker makes the store of one replica.
type maker func(t *testing.T, client redis.UniversalClient) replay.Store

func proofs(c redisstore.Config) maker {
	return func(t *testing.T, client redis.UniversalClient) replay.Store { return newStore(t, client, c) }
}

// pair makes the stores of two replicas, each over a client of its own.
func pair(t *testing.T, c redisstore.Config, client func() redis.UniversalClient) (stores [2]replay.Store) {
	return two(t, proofs(c), client)
}

func two(t *testing.T, store maker, client func() redis.UniversalClient) (stores [2]replay.Store) {
	for i := range stores {
		u := client()
		t.Cleanup(func() { _ = u.Close() })
		stores[i] = store(t, u)
	}
	return stores
}

// single gives clients of one server, with the defaults of go-redis.
func single(addr string) func() redis.UniversalClient {
	return func() redis.UniversalClient { return redis.NewClient(&redis.Options{Addr: addr}) }
}

func killed(t *testing.T, store maker, keeps bool) drill {
	var options []string
	if keeps {
		options = []string{"--appendonly", "yes", "--appendfsync", "everysec", "--dir", t.TempDir()}
	}
	server := redistest.Start(t, options...)
	return drill{
		stores: two(t, store, single(server.Addr())),
		loses:  !keeps,
		fault: func() {
			server.Kill()
			time.Sleep(lasts(3*time.Second, time.Second))
			server.Restart()
		},
	}
}

func paused(t *testing.T) drill {
	server := redistest.Start(t)
	return drill{
		stores: pair(t, redisstore.Config{}, single(server.Addr())),
		fault: func() {
			server.Pause()
			time.Sleep(lasts(10*time.Second, time.Second))
			server.Continue()
		},
	}
}

func slow(t *testing.T, latency time.Duration) drill {
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	return drill{
		stores: pair(t, redisstore.Config{}, single(proxy.Addr())),
		good:   latency < redisstore.DefaultTimeout/2,
		fault: func() {
			proxy.SetLatency(latency)
			time.Sleep(5 * time.Second)
			proxy.SetLatency(0)
		},
	}
}

func full(t *testing.T) drill {
	server := redistest.Start(t)
	admin := newClient(t, redis.Options{Addr: server.Addr()})
	limit := func(bytes string) {
		if err := admin.ConfigSet(context.Background(), "maxmemory", bytes).Err(); err != nil {
			t.Error(err)
		}
	}
	return drill{
		stores: pair(t, redisstore.Config{}, single(server.Addr())),
		fault: func() {
			limit("1") // the policy is noeviction, which is the default
			time.Sleep(lasts(3*time.Second, 500*time.Millisecond))
			limit("0")
		},
	}
}

func cut(t *testing.T) drill {
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	return drill{
		stores: pair(t, redisstore.Config{}, single(proxy.Addr())),
		fault: func() {
			end := time.Now().Add(lasts(5*time.Second, time.Second))
			for n := 0; time.Now().Before(end); n++ {
				switch n % 3 {
				case 0:
					proxy.CutInside("pxat")
				case 1:
					proxy.LoseReplyTo("pxat")
				case 2:
					proxy.Cut()
				}
				time.Sleep(30 * time.Millisecond)
			}
			if proxy.Lost() < 5 {
				t.Errorf("only %d commands were lost: the drill is blind", proxy.Lost())
			}
		},
	}
}

func clockOff(t *testing.T) drill {
	server := redistest.Start(t)
	stores := pair(t, redisstore.Config{}, single(server.Addr()))
	var wrong atomic.Bool
	client := newClient(t, redis.Options{Addr: server.Addr()})
	client.AddHook(hook{pipeline: func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error {
		if wrong.Load() {
			return late(5*time.Minute)(ctx, cmds, next)
		}
		return next(ctx, cmds)
	}})
	stores[1] = newStore(t, client, redisstore.Config{})
	return drill{
		stores: stores,
		fault: func() {
			wrong.Store(true)
			time.Sleep(lasts(3*time.Second, time.Second))
			wrong.Store(false)
		},
	}
}

// sentinel lets Sentinels promote one of two replicas of a master that dies.
func sentinel(t *testing.T, store maker, loses bool) drill {
	master := redistest.Start(t)
	redistest.StartReplica(t, master)
	redistest.StartReplica(t, master)
	sentinels := redistest.StartSentinels(t, "bank", master, 2, time.Second)
	return drill{
		stores: two(t, store, failoverClients(sentinels)),
		loses:  loses,
		fault: func() {
			master.Kill()
			elsewhere(t, master, sentinels)
		},
	}
}

// lagging promotes that one of two replicas which is behind, and moves the address of the master.
func lagging(t *testing.T, replicas int) drill {
	master := redistest.Start(t)
	line := redistest.NewProxy(t, master.Addr())
	behind, other := redistest.Start(t), redistest.StartReplica(t, master)
	behind.Follow(line.Addr())
	behind.AwaitSync()
	address := redistest.NewProxy(t, master.Addr())
	return drill{
		stores: pair(t, redisstore.Config{Replicas: replicas}, single(address.Addr())),
		loses:  replicas < 2,
		fault: func() {
			line.SetLatency(time.Second)
			time.Sleep(500 * time.Millisecond)
			master.Kill()
			line.Cut()
			behind.Promote()
			other.Follow(behind.Addr())
			address.Redirect(behind.Addr())
			time.Sleep(lasts(2*time.Second, time.Second))
			master.Restart()
			master.Follow(behind.Addr())
			master.AwaitSync()
			other.AwaitSync()
		},
	}
}

func failoverClients(sentinels []*redistest.Server) func() redis.UniversalClient {
	var addrs []string
	for _, s := range sentinels {
		addrs = append(addrs, s.Addr())
	}
	return func() redis.UniversalClient {
		return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "bank", SentinelAddrs: addrs})
	}
}

// promoted waits until one of the servers is a master.
func promoted(t *testing.T, servers ...*redistest.Server) {
	eventually(t, "a replica that is promoted", func() bool {
		for _, s := range servers {
			if text, err := redistest.Text(s.Addr(), "INFO replication"); err == nil && strings.Contains(text, "role:master") {
				return true
			}
		}
		return false
	})
}

// splitBrain lets a master, which is only paused, come back when a replica was promoted and not all
// have heard of it: it believes that it still is the master.
func splitBrain(t *testing.T, replicas int) drill {
	master := redistest.Start(t)
	first, second := redistest.StartReplica(t, master), redistest.StartReplica(t, master)
	sentinels := redistest.StartSentinels(t, "bank", master, 2, time.Second)
	return drill{
		stores: pair(t, redisstore.Config{Replicas: replicas}, failoverClients(sentinels)),
		loses:  replicas == 0,
		fault: func() {
			master.Pause()
			promoted(t, first, second)
			master.Continue()
			time.Sleep(time.Second)
		},
	}
}
