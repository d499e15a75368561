package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// StartReplica starts a redis-server that replicates master, and waits until it does.
func StartReplica(tb testing.TB, master *Server, args ...string) *Server {
	tb.Helper()
	s := Start(tb, args...)
	s.Follow(master.addr)
	s.AwaitSync()
	return s
}

// Follow makes a replica of the server, of the master at an address.
func (s *Server) Follow(addr string) {
	s.tb.Helper()
	host, port, _ := net.SplitHostPort(addr)
	must(s.tb, s.addr, "REPLICAOF "+host+" "+port, "+OK")
}

// AwaitSync waits until the server, a replica, is connected to its master.
func (s *Server) AwaitSync() {
	s.tb.Helper()
	await(s.tb, "a replica in sync", func() bool { return says(s.addr, "INFO replication", "master_link_status:up") })
}

// Promote makes a master of a replica.
func (s *Server) Promote() {
	s.tb.Helper()
	must(s.tb, s.addr, "REPLICAOF NO ONE", "+OK")
}

// StartSentinels starts three Sentinels that watch master under a name and promote a replica when
// two of them have not heard of it for down. They are ready when they know each other and replicas
// replicas.
func StartSentinels(tb testing.TB, name string, master *Server, replicas int, down time.Duration) []*Server {
	tb.Helper()
	host, port, err := net.SplitHostPort(master.addr)
	if err != nil {
		tb.Fatal(err)
	}
	sentinels := make([]*Server, 3)
	for i := range sentinels {
		file := filepath.Join(tb.TempDir(), "sentinel.conf")
		sentinels[i] = launch(tb, func(ownHost, ownPort string) []string {
			conf := fmt.Sprintf("bind %s\nport %s\ndir %s\nloglevel warning\nsentinel monitor %s %s %s 2\n"+
				"sentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s 5000\n",
				ownHost, ownPort, filepath.Dir(file), name, host, port, name, down.Milliseconds(), name)
			if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
				tb.Error(err)
			}
			return []string{file, "--sentinel"}
		})
	}
	for _, s := range sentinels {
		await(tb, "Sentinels that know each other", func() bool {
			text, err := Text(s.addr, "INFO sentinel")
			return err == nil && strings.Contains(text, fmt.Sprintf("slaves=%d,sentinels=3", replicas)) &&
				strings.Contains(text, "status=ok")
		})
	}
	return sentinels
}
