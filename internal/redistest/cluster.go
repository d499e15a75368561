package redistest

import (
	"net"
	"strings"
	"testing"
	"time"
)

// StartCluster starts a Redis Cluster of one node that owns every slot: hash slots, MOVED and
// CROSSSLOT are enforced as in a cluster of many.
func StartCluster(tb testing.TB, args ...string) *Server {
	tb.Helper()
	_, bus, err := net.SplitHostPort(freeAddr(tb))
	if err != nil {
		tb.Fatal(err)
	}
	s := Start(tb, append([]string{"--cluster-enabled", "yes", "--cluster-port", bus,
		"--cluster-announce-ip", "127.0.0.1"}, args...)...)
	if reply, err := Command(s.addr, "CLUSTER ADDSLOTSRANGE 0 16383"); err != nil || !strings.HasPrefix(reply, "+OK") {
		tb.Fatalf("redistest: slots not taken: %q, %v", reply, err)
	}
	// SET answers -CLUSTERDOWN until the node has counted its slots.
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if reply, err := Command(s.addr, "GET redistest"); err == nil && !strings.HasPrefix(reply, "-") {
			return s
		}
	}
	tb.Fatal("redistest: the cluster does not come up")
	return nil
}
