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
//	go test -run TestFaults -v ./replay/redisstore -long
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
		{"killed, restarted with its data", false, func(t *testing.T) drill { return killed(t, true) }},
		{"killed, restarted empty", true, func(t *testing.T) drill { return killed(t, false) }},
		{"paused (SIGSTOP)", false, paused},
		{"slow by 100 ms", true, func(t *testing.T) drill { return slow(t, 100*time.Millisecond) }},
		{"slow by 1 s", true, func(t *testing.T) drill { return slow(t, time.Second) }},
		{"full (maxmemory, noeviction)", false, full},
		{"connections cut inside commands", false, cut},
		{"clock of one replica 5 minutes off", false, clockOff},
		{"failover by Sentinel", true, func(t *testing.T) drill { return sentinel(t, 0, 0) }},
		{"failover by Sentinel, Replicas 1", true, func(t *testing.T) drill { return sentinel(t, 1, 0) }},
		{"failover, replica 500 ms behind", true, func(t *testing.T) drill { return sentinel(t, 0, 500*time.Millisecond) }},
		{"failover, replica behind, Replicas 1", true, func(t *testing.T) drill { return sentinel(t, 1, 500*time.Millisecond) }},
		{"master replaced while paused, and back", true, func(t *testing.T) drill { return splitBrain(t, 0) }},
		{"master replaced and back, Replicas 1", true, func(t *testing.T) drill { return splitBrain(t, 1) }},
		{"Cluster: slots moved", true, func(t *testing.T) drill { return slotsMoved(t, 0) }},
		{"Cluster: slots moved, Replicas 1", true, func(t *testing.T) drill { return slotsMoved(t, 1) }},
		{"Cluster: a master killed", true, func(t *testing.T) drill { return masterKilled(t, 0) }},
		{"Cluster: a master killed, Replicas 1", true, func(t *testing.T) drill { return masterKilled(t, 1) }},
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

// pair makes the stores of two replicas, each over a client of its own.
func pair(t *testing.T, c redisstore.Config, client func() redis.UniversalClient) (stores [2]replay.Store) {
	for i := range stores {
		u := client()
		t.Cleanup(func() { _ = u.Close() })
		stores[i] = newStore(t, u, c)
	}
	return stores
}

// single gives clients of one server, with the defaults of go-redis.
func single(addr string) func() redis.UniversalClient {
	return func() redis.UniversalClient { return redis.NewClient(&redis.Options{Addr: addr}) }
}

func killed(t *testing.T, keeps bool) drill {
	var options []string
	if keeps {
		options = []string{"--appendonly", "yes", "--appendfsync", "everysec", "--dir", t.TempDir()}
	}
	server := redistest.Start(t, options...)
	return drill{
		stores: pair(t, redisstore.Config{}, single(server.Addr())),
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
			time.Sleep(lasts(10*time.Second, 1500*time.Millisecond))
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

// sentinel lets Sentinels promote the replica of a master that dies, which has not heard of it for some
// time.
func sentinel(t *testing.T, replicas int, behind time.Duration) drill {
	master := redistest.Start(t)
	replica := redistest.StartReplica(t, master)
	// A second one, so that replicas are left to acknowledge after the failover.
	second := redistest.StartReplica(t, master)
	sentinels := redistest.StartSentinels(t, "bank", master, 2, time.Second)
	return drill{
		stores: pair(t, redisstore.Config{Replicas: 2 * replicas}, failoverClients(sentinels)),
		loses:  replicas == 0,
		fault: func() {
			if behind > 0 {
				replica.Pause()
				second.Pause()
				time.Sleep(behind)
			}
			master.Kill()
			if behind > 0 {
				replica.Continue()
				second.Continue()
			}
			promoted(t, replica, second)
			master.Restart() // the Sentinels make it a replica
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

// splitBrain replaces a master that is only paused, and lets it come back in the belief that it
// still is one.
func splitBrain(t *testing.T, replicas int) drill {
	master := redistest.Start(t)
	replica := redistest.StartReplica(t, master)
	second := redistest.StartReplica(t, master)
	sentinels := redistest.StartSentinels(t, "bank", master, 2, time.Second)
	return drill{
		stores: pair(t, redisstore.Config{Replicas: 2 * replicas}, failoverClients(sentinels)),
		loses:  replicas == 0,
		fault: func() {
			master.Pause()
			promoted(t, replica, second)
			master.Continue()
			time.Sleep(time.Second)
		},
	}
}

func clusterClients(c *redistest.Cluster) func() redis.UniversalClient {
	var addrs []string
	for _, s := range c.Masters {
		addrs = append(addrs, s.Addr())
	}
	return func() redis.UniversalClient { return redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs}) }
}

// slotsMoved moves a tenth of the slots of one master to another, one by one.
func slotsMoved(t *testing.T, replicas int) drill {
	c := redistest.StartClusterOf(t, 3)
	if replicas > 0 {
		c.AddReplicas()
	}
	return drill{
		stores: pair(t, redisstore.Config{Replicas: replicas}, clusterClients(c)),
		fault: func() {
			for slot := range 300 {
				c.MoveSlot(slot, c.Masters[0], c.Masters[1], func() { time.Sleep(10 * time.Millisecond) })
			}
		},
	}
}

// masterKilled lets a Cluster promote the replica of one of three masters.
func masterKilled(t *testing.T, replicas int) drill {
	c := redistest.StartClusterOf(t, 3)
	c.AddReplicas()
	return drill{
		stores: pair(t, redisstore.Config{Replicas: replicas}, clusterClients(c)),
		loses:  replicas == 0,
		fault: func() {
			c.Masters[1].Kill()
			promoted(t, c.Replicas[1])
			c.Masters[1].Restart() // as a stranger: its configuration was lost with it
		},
	}
}
