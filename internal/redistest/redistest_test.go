package redistest_test

import (
	"testing"
	"time"

	"github.com/tegata-go/tegata/internal/redistest"
)

func command(t *testing.T, addr, line, want string) {
	t.Helper()
	if got, err := redistest.Command(addr, line); err != nil || got != want+"\r\n" {
		t.Fatalf("%s: got %q, %v; want %q", line, got, err, want)
	}
}

// awaitCommand waits for what one server has of another.
func awaitCommand(t *testing.T, addr, line, want string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got, err := redistest.Command(addr, line)
		if err == nil && got == want+"\r\n" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: got %q, %v; want %q", line, got, err, want)
		}
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

func TestProxyCutsInside(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	p.CutInside("incr")
	if got, err := redistest.Command(p.Addr(), "INCR a"); err == nil {
		t.Fatalf("the connection was not cut: %q", got)
	}
	command(t, p.Addr(), "INCR a", ":1") // only half of the first one came
	if p.Lost() != 1 {
		t.Errorf("lost %d commands, want 1", p.Lost())
	}
}

func TestProxyIsLate(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	p.SetLatency(1200 * time.Millisecond)
	if got, err := redistest.Command(p.Addr(), "PING"); err == nil {
		t.Errorf("answered %q in time", got)
	}
	p.SetLatency(0)
	command(t, p.Addr(), "PING", "+PONG")
}

func TestReplicaIsPromoted(t *testing.T) {
	master := redistest.Start(t)
	replica := redistest.StartReplica(t, master)
	command(t, master.Addr(), "SET a 1", "+OK")
	awaitCommand(t, replica.Addr(), "GET a", "$1")
	command(t, replica.Addr(), "SET a 1 NX", "-READONLY You can't write against a read only replica.")
	master.Kill()
	replica.Promote()
	command(t, replica.Addr(), "SET a 1 NX", "$-1")
}

func TestSlotMoves(t *testing.T) {
	c := redistest.StartClusterOf(t, 3)
	from, to := c.Masters[2], c.Masters[0] // slot 15495 is that of "a"
	command(t, from.Addr(), "SET a 1", "+OK")
	c.MoveSlot(15495, from, to, func() {
		command(t, from.Addr(), "GET a", "$1")
		command(t, from.Addr(), "GET {a}b", "-ASK 15495 "+to.Addr())
	})
	command(t, to.Addr(), "GET a", "$1")
	command(t, from.Addr(), "GET a", "-MOVED 15495 "+to.Addr())
}

func TestClusterPromotes(t *testing.T) {
	c := redistest.StartClusterOf(t, 3)
	c.AddReplicas()
	command(t, c.Masters[2].Addr(), "SET a 1", "+OK")
	awaitCommand(t, c.Replicas[2].Addr(), "DBSIZE", ":1")
	c.Masters[2].Kill()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if got, err := redistest.Command(c.Replicas[2].Addr(), "GET a"); err == nil && got == "$1\r\n" {
			break
		} else if time.Now().After(end) {
			t.Fatalf("not promoted: %q, %v", got, err)
		}
	}
}

func TestSentinelsPromote(t *testing.T) {
	master := redistest.Start(t)
	replica := redistest.StartReplica(t, master)
	sentinels := redistest.StartSentinels(t, "bank", master, 1, 500*time.Millisecond)
	if len(sentinels) != 3 {
		t.Fatalf("%d Sentinels", len(sentinels))
	}
	master.Kill()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if got, err := redistest.Command(replica.Addr(), "SET a 1"); err == nil && got == "+OK\r\n" {
			break
		} else if time.Now().After(end) {
			t.Fatalf("not promoted: %q, %v", got, err)
		}
	}
}
