package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay/redisstore"
)

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
			c.Masters[1].Restart() // as the replica of its replica
		},
	}
}
