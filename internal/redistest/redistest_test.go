package redistest_test

import (
	"testing"

	"github.com/tegata-go/tegata/internal/redistest"
)

func command(t *testing.T, addr, line, want string) {
	t.Helper()
	if got, err := redistest.Command(addr, line); err != nil || got != want+"\r\n" {
		t.Fatalf("%s: got %q, %v; want %q", line, got, err, want)
	}
}

func TestServerLives(t *testing.T) {
	s := redistest.Start(t)
	command(t, s.Addr(), "SET a 1", "+OK")

	s.Pause()
	if got, err := redistest.Command(s.Addr(), "PING"); err == nil {
		t.Errorf("a paused server answered %q", got)
	}
	s.Continue()
	command(t, s.Addr(), "EXISTS a", ":1")

	s.Kill()
	s.Kill() // harmless
	if got, err := redistest.Command(s.Addr(), "PING"); err == nil {
		t.Errorf("a killed server answered %q", got)
	}
	s.Restart()
	command(t, s.Addr(), "EXISTS a", ":0")
}

func TestServerTakesOptions(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "secret")
	command(t, s.Addr(), "GET a", "-NOAUTH Authentication required.")
}

func TestClusterEnforcesSlots(t *testing.T) {
	s := redistest.StartCluster(t)
	command(t, s.Addr(), "SET {a}b 1", "+OK")
	command(t, s.Addr(), "MSET a 1 b 2", "-CROSSSLOT Keys in request don't hash to the same slot")
}

func TestProxyLosesOneReply(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	command(t, p.Addr(), "SET a 1", "+OK")

	p.LoseReplyTo("incr")
	command(t, p.Addr(), "GET b", "$-1")
	if got, err := redistest.Command(p.Addr(), "INCR a"); err == nil {
		t.Fatalf("the reply was not lost: %q", got)
	}
	command(t, p.Addr(), "INCR a", ":3")
	if p.Lost() != 1 {
		t.Errorf("lost %d replies, want 1", p.Lost())
	}
}
