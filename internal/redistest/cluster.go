package redistest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// slots of a Redis Cluster.
const slots = 16384

// StartCluster starts a Redis Cluster of one node that owns every slot: hash slots, MOVED and
// CROSSSLOT are enforced as in a cluster of many.
func StartCluster(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return StartClusterOf(tb, 1, args...).Masters[0]
}

// Cluster is a Redis Cluster.
type Cluster struct {
	Masters  []*Server // each with its share of the slots, in order
	Replicas []*Server // of the masters, in order; empty until AddReplicas
	tb       testing.TB
}

// StartClusterOf starts a Redis Cluster of n masters without replicas.
func StartClusterOf(tb testing.TB, n int, args ...string) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	for i := range n {
		s := c.node(args)
		c.Masters = append(c.Masters, s)
		must(tb, s.addr, fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", i*slots/n, (i+1)*slots/n-1), "+OK")
		must(tb, s.addr, fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1), "+OK")
		if i > 0 {
			c.meet(s)
		}
	}
	c.await(n)
	return c
}

// AddReplicas gives every master a replica and waits until they are in sync.
func (c *Cluster) AddReplicas(args ...string) {
	c.tb.Helper()
	for range c.Masters {
		s := c.node(args)
		c.Replicas = append(c.Replicas, s)
		c.meet(s)
	}
	c.await(2 * len(c.Masters))
	for i, s := range c.Replicas {
		must(c.tb, s.addr, "CLUSTER REPLICATE "+c.id(c.Masters[i]), "+OK")
		s.AwaitSync()
	}
	// What is not known everywhere cannot be promoted.
	for _, s := range slices.Concat(c.Masters, c.Replicas) {
		await(c.tb, "replicas that are known", func() bool {
			text, err := Text(s.addr, "CLUSTER NODES")
			return err == nil && strings.Count(text, "slave") == len(c.Replicas)
		})
	}
}

// MoveSlot moves a slot between masters step by step, as a resharding does. between is called
// while the slot is on its way.
func (c *Cluster) MoveSlot(slot int, from, to *Server, between func()) {
	c.tb.Helper()
	fromID, toID := c.id(from), c.id(to)
	host, port, _ := net.SplitHostPort(to.addr)
	must(c.tb, to.addr, fmt.Sprintf("CLUSTER SETSLOT %d IMPORTING %s", slot, fromID), "+OK")
	must(c.tb, from.addr, fmt.Sprintf("CLUSTER SETSLOT %d MIGRATING %s", slot, toID), "+OK")
	between()
	for {
		keys, err := Strings(from.addr, fmt.Sprintf("CLUSTER GETKEYSINSLOT %d 100", slot))
		if err != nil {
			c.tb.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		for _, key := range keys {
			must(c.tb, from.addr, fmt.Sprintf("MIGRATE %s %s %s 0 5000", host, port, key), "+")
		}
	}
	for _, s := range slices.Concat([]*Server{to, from}, c.Masters) {
		must(c.tb, s.addr, fmt.Sprintf("CLUSTER SETSLOT %d NODE %s", slot, toID), "+OK")
	}
}

// node starts a node that knows of no other, and after a restart who it was.
func (c *Cluster) node(args []string) *Server {
	_, bus, err := net.SplitHostPort(freeAddr(c.tb))
	if err != nil {
		c.tb.Fatal(err)
	}
	return Start(c.tb, append([]string{"--cluster-enabled", "yes", "--cluster-port", bus, "--dir", c.tb.TempDir(),
		"--cluster-announce-ip", "127.0.0.1", "--cluster-node-timeout", "1000"}, args...)...)
}

// meet makes the cluster known to a node.
func (c *Cluster) meet(s *Server) {
	first := c.Masters[0].addr
	host, port, _ := net.SplitHostPort(first)
	line, err := Text(first, "CLUSTER NODES")
	if err != nil {
		c.tb.Fatal(err)
	}
	// <id> <ip:port@bus[,hostname]> ... of the node itself
	for node := range strings.Lines(line) {
		if fields := strings.Fields(node); len(fields) > 2 && strings.Contains(fields[2], "myself") {
			_, bus, _ := strings.Cut(fields[1], "@")
			bus, _, _ = strings.Cut(bus, ",")
			must(c.tb, s.addr, fmt.Sprintf("CLUSTER MEET %s %s %s", host, port, bus), "+OK")
		}
	}
}

// await waits until n nodes know each other and all slots are served.
func (c *Cluster) await(n int) {
	c.tb.Helper()
	for _, s := range slices.Concat(c.Masters, c.Replicas) {
		await(c.tb, "a cluster that is up", func() bool {
			return says(s.addr, "CLUSTER INFO", "cluster_state:ok") &&
				says(s.addr, "CLUSTER INFO", fmt.Sprintf("cluster_known_nodes:%d", n))
		})
	}
}

// id is a node's name.
func (c *Cluster) id(s *Server) string {
	c.tb.Helper()
	id, err := Text(s.addr, "CLUSTER MYID")
	if err != nil {
		c.tb.Fatal(err)
	}
	return id
}
