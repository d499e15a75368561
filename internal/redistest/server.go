// Package redistest starts real redis-servers for the tests of this module and hurts them.
package redistest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// patience bounds how long a server may take to answer its first PING or to end.
const patience = 10 * time.Second

// Server is one redis-server on a free loopback port. It has no persistence unless it is started
// with options that say so; those include a "--dir" of the caller's, if what is stored shall
// outlive Kill and Restart.
// Its methods fail the test they were started by; they may be called from any goroutine
// that may call FailNow.
type Server struct {
	tb   testing.TB
	path string
	addr string
	args func(host, port string) []string

	mu   sync.Mutex
	proc *process // nil while it is down
}

// process is one life of the server.
type process struct {
	os   *os.Process
	gone chan struct{} // closed once it has been waited for
}

// Start starts a redis-server from PATH and stops it when the test ends. The arguments are
// options of redis-server, for example "--requirepass", "secret".
//
// Without a redis-server the test is skipped; with TEGATA_REQUIRE_REDIS=1 it fails.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return launch(tb, func(host, port string) []string {
		return append([]string{
			"--bind", host, "--port", port, "--dir", tb.TempDir(),
			"--save", "", "--appendonly", "no", "--loglevel", "warning",
			"--repl-diskless-sync-delay", "0", // replicas need not wait for each other
		}, args...)
	})
}

// launch starts a redis-server with a command line that may depend on where it listens.
func launch(tb testing.TB, args func(host, port string) []string) *Server {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("TEGATA_REQUIRE_REDIS") == "1" {
			tb.Fatal("redistest: no redis-server in PATH, and TEGATA_REQUIRE_REDIS=1")
		}
		tb.Skip("redistest: no redis-server in PATH")
	}
	s := &Server{tb: tb, path: path, args: args}
	tb.Cleanup(s.Kill)
	// Another process can take the free port between our look and the server's bind.
	for range 5 {
		s.addr = freeAddr(tb)
		if err = s.start(); err == nil {
			return s
		}
	}
	tb.Fatalf("redistest: redis-server does not start: %v", err)
	return nil
}

// Addr is the server's host:port. It stays the same over Kill and Restart.
func (s *Server) Addr() string { return s.addr }

// Kill ends the server at once (SIGKILL) and waits until it is gone. What it held is lost, unless
// it was started with persistence.
// A server that is already down stays down.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return
	}
	_ = s.proc.os.Kill() // already gone is as good
	select {
	case <-s.proc.gone:
		s.proc = nil
	case <-time.After(patience):
		s.tb.Errorf("redistest: server %s does not end", s.addr)
	}
}

// Restart starts the server again at the same address.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.tb.Fatalf("redistest: redis-server does not start again: %v", err)
	}
}

// start begins one life of the server and waits for its first answer.
func (s *Server) start() error {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	cmd := exec.Command(s.path, s.args(host, port)...)
	cmd.SysProcAttr = dieWithParent()
	proc := &process{gone: make(chan struct{})}
	begun := make(chan error, 1)
	go func() {
		// The kernel ends the server when the thread that started it ends: keep that thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(proc.gone)
		err := cmd.Start()
		proc.os = cmd.Process
		begun <- err
		if err == nil {
			_ = cmd.Wait() // killed is how it is meant to end
		}
	}()
	if err := <-begun; err != nil {
		return err
	}
	if err := s.await(proc); err != nil {
		_ = proc.os.Kill()
		<-proc.gone
		return err
	}
	s.mu.Lock()
	s.proc = proc
	s.mu.Unlock()
	return nil
}

// await returns once the server answers PING, whatever it answers.
func (s *Server) await(proc *process) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case <-proc.gone:
			return fmt.Errorf("it ended at once")
		default:
		}
		if _, err := Command(s.addr, "PING"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no answer within %v", patience)
}

// freeAddr is a loopback address nobody listens on.
func freeAddr(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
