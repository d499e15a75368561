package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/ratelimittest"
	"github.com/tegata-go/tegata/ratelimit/redisstore"
)

// slack is more than Redis's clock and ours can differ within one check.
var conforms = ratelimittest.Options{Slack: 20 * time.Millisecond}

func TestConforms(t *testing.T) {
	t.Parallel() // it sleeps most of its time, as the next ones do
	c, n := connect(t, redistest.Start(t).Addr()), 0
	ratelimittest.Run(t, func() ratelimit.Store {
		n++
		return store(t, c, redisstore.Config{Prefix: fmt.Sprintf("check%d:", n)})
	}, conforms)
}

func TestInlineConforms(t *testing.T) {
	t.Parallel()
	c := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = c.Close() })
	n := 0
	ratelimittest.Run(t, func() ratelimit.Store {
		n++
		return store(t, c, redisstore.Config{Prefix: fmt.Sprintf("check%d:", n), Inline: true})
	}, conforms)
}

// A client that gathers the commands of many callers into one pipeline changes nothing else.
func TestCoalescedConforms(t *testing.T) {
	t.Parallel()
	c, n := coalescing(t, connect(t, redistest.Start(t).Addr())), 0
	ratelimittest.Run(t, func() ratelimit.Store {
		n++
		return store(t, c, redisstore.Config{Prefix: fmt.Sprintf("check%d:", n)})
	}, conforms)
}

func coalescing(t testing.TB, c *redis.Client) redis.UniversalClient {
	t.Helper()
	all, err := c.AutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = all.Close() })
	return all
}

// All buckets of a request lie in one slot, or the cluster would refuse the script.
func TestConformsInCluster(t *testing.T) {
	t.Parallel()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{redistest.StartCluster(t).Addr()}})
	t.Cleanup(func() { _ = c.Close() })
	n := 0
	ratelimittest.Run(t, func() ratelimit.Store {
		n++
		return store(t, c, redisstore.Config{Prefix: fmt.Sprintf("check%d:", n)})
	}, conforms)
}
