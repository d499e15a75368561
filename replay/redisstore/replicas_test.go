package redisstore_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// TestReplicasAcknowledge holds that a use is believed when the replicas have it, and not before.
func TestReplicasAcknowledge(t *testing.T) {
	c := redisstore.Config{Replicas: 1, Timeout: 2 * time.Second}
	for name, start := range map[string]func(t *testing.T) (client redis.UniversalClient, replicas []*redistest.Server){
		"single": func(t *testing.T) (redis.UniversalClient, []*redistest.Server) {
			master := redistest.Start(t)
			return redis.NewClient(&redis.Options{Addr: master.Addr()}), []*redistest.Server{redistest.StartReplica(t, master)}
		},
		"cluster": func(t *testing.T) (redis.UniversalClient, []*redistest.Server) {
			cluster := redistest.StartClusterOf(t, 3)
			cluster.AddReplicas()
			return clusterClients(cluster)(), cluster.Replicas
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, replicas := start(t)
			t.Cleanup(func() { _ = client.Close() })
			s := newStore(t, client, c)
			for i := range 20 {
				u := use(strconv.Itoa(i), time.Minute)
				want(t, s, u, nil)
				found := int64(0)
				for _, r := range replicas {
					own := newClient(t, redis.Options{Addr: r.Addr()})
					for _, key := range own.Keys(context.Background(), "*").Val() { // EXISTS would be redirected
						if key == keyOf(u) {
							found++
						}
					}
				}
				if found != 1 {
					t.Fatalf("%d replicas have what was believed", found)
				}
				want(t, s, u, replay.ErrUsed)
			}
			for _, r := range replicas {
				r.Pause()
			}
			err := s.Use(context.Background(), use("unheard", time.Minute))
			if !errors.Is(err, replay.ErrUnavailable) || !strings.Contains(everything(err), "too few replicas") {
				t.Errorf("got %q", everything(err))
			}
			for _, r := range replicas {
				r.Continue()
			}
			eventually(t, "served again", func() bool {
				return s.Use(context.Background(), use(strconv.FormatInt(time.Now().UnixNano(), 10), time.Minute)) == nil
			})
			want(t, s, use("unheard", time.Minute), replay.ErrUsed) // spent, although refused
		})
	}
	t.Run("none there", func(t *testing.T) {
		s := newStore(t, newClient(t, redis.Options{Addr: redistest.Start(t).Addr()}), c)
		want(t, s, use("1", time.Minute), replay.ErrUnavailable)
	})
	t.Run("a reply that was lost", func(t *testing.T) {
		// WAIT over the second connection says nothing of what the first one wrote.
		master := redistest.Start(t)
		redistest.StartReplica(t, master)
		proxy := redistest.NewProxy(t, master.Addr())
		s := newStore(t, newClient(t, redis.Options{Addr: proxy.Addr()}), c)
		want(t, s, use("0", time.Minute), nil)
		proxy.LoseReplyTo("pxat")
		want(t, s, use("1", time.Minute), replay.ErrUnavailable)
		want(t, s, use("1", time.Minute), replay.ErrUsed)
	})
}

func TestCheck(t *testing.T) {
	good := redistest.Start(t)
	evicts := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	cluster := redistest.StartClusterOf(t, 3)
	if got, err := redistest.Command(cluster.Masters[1].Addr(), "CONFIG SET maxmemory-policy volatile-ttl"); err != nil || got != "+OK\r\n" {
		t.Fatal(got, err)
	}
	gone := redistest.Start(t)
	gone.Kill()
	for _, test := range []struct {
		name   string
		client redis.UniversalClient
		c      redisstore.Config
		words  []string
	}{
		{"good", newClient(t, redis.Options{Addr: good.Addr()}), redisstore.Config{}, nil},
		{"pitfall-60", newClient(t, redis.Options{Addr: evicts.Addr()}), redisstore.Config{Replicas: 1}, []string{"noeviction", "1 replicas"}},
		{"one master of three", clusterClients(cluster)(), redisstore.Config{}, []string{"noeviction"}},
		{"gone", newClient(t, redis.Options{Addr: gone.Addr(), MaxRetries: -1, DialerRetries: 1}), redisstore.Config{}, []string{"unavailable"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer func() { _ = test.client.Close() }()
			err := newStore(t, test.client, test.c).Check(context.Background())
			if (err == nil) != (test.words == nil) {
				t.Fatalf("got %v", err)
			}
			for _, word := range test.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("no word of %s in %q", word, err)
				}
			}
		})
	}
	t.Run("clock", func(t *testing.T) {
		client := newClient(t, redis.Options{Addr: good.Addr()})
		client.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			err := next(ctx, cmd)
			if c, ok := cmd.(*redis.TimeCmd); ok {
				c.SetVal(c.Val().Add(-5 * time.Minute))
			}
			return err
		}})
		if err := newStore(t, client, redisstore.Config{}).Check(context.Background()); !errors.Is(err, replay.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}
