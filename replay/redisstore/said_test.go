package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// TestRefusedIsAskedAgain: what Redis refuses is asked once more by go-redis's own rules, which try again
// while data are loaded, and leave a connection that leads to a replica.
func TestRefusedIsAskedAgain(t *testing.T) {
	server := redistest.Start(t)
	for name, words := range map[string]string{
		"loading":   "-LOADING Redis is loading the dataset in memory\r\n",
		"read only": "-READONLY You can't write against a read only replica.\r\n",
		"unknown":   "?\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, redis.Options{Addr: server.Addr()})
			var refused, ordinary atomic.Int32
			client.AddHook(hook{pipeline: func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error {
				if cmd, ok := cmds[0].(*redis.RawCmd); ok {
					refused.Add(1)
					cmd.SetVal([]byte(words))
					return nil
				}
				if cmds[0].Name() == "set" { // else it is how a connection begins
					ordinary.Add(1)
				}
				return next(ctx, cmds)
			}})
			s := newStore(t, client, redisstore.Config{Timeout: unlikely})
			u := use(words, time.Minute)
			want(t, s, u, nil)
			want(t, s, u, replay.ErrUsed)
			if refused.Load() != 2 || ordinary.Load() != 2 {
				t.Errorf("%d and %d round trips", refused.Load(), ordinary.Load())
			}
		})
	}
}

// FuzzAnswer holds that nothing is believed to be stored but by the two words for nothing, and
// nothing to be the use's own but its own bytes.
func FuzzAnswer(f *testing.F) {
	once := "0123456789abcdef"
	seeds := []string{"", "_\r\n", "$-1\r\n", "$16\r\n" + once + "\r\n", "$16\r\nfedcba9876543210\r\n", "$0\r\n\r\n", "+OK\r\n",
		"-OOM command not allowed\r\n", "-MOVED 1 127.0.0.1:1\r\n", "$", "$16", "*-1\r\n", ":1\r\n", "$17\r\n" + once + "\r\r\n"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		stored, same, err := redisstore.RawAnswer(answer, []byte(once))
		nothing := string(answer) == "_\r\n" || string(answer) == "$-1\r\n"
		if stored != (nothing && err == nil) || nothing && err != nil {
			t.Errorf("stored: %v, %v", stored, err)
		}
		if own := bytes.Contains(answer, []byte("\r\n"+once)) && answer[0] == '$'; same && (!own || stored || err != nil) {
			t.Errorf("the same: %v", err)
		}
		if string(answer) == "$16\r\n"+once+"\r\n" && !same {
			t.Error("not recognised")
		}
	})
}

// TestDueInQueue: a call that waits in the queue, and one that joined a batch late, are answered when
// they are due, each by itself, and a batch that is answered within Timeout opens no breaker.
func TestDueInQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := newEngine(t, redisstore.Config{}, func(int) error { time.Sleep(400 * time.Millisecond); return nil })
		first := make(chan error, 1)
		go func() { first <- s.Use(context.Background(), use("first", time.Minute)) }()
		time.Sleep(50 * time.Millisecond)
		began := time.Now()
		// Sent after 350 ms, answered after 750 ms: too late for it.
		want(t, s, use("second", time.Minute), replay.ErrUnavailable)
		if took := time.Since(began); took != redisstore.DefaultTimeout {
			t.Errorf("answered after %v", took)
		}
		if err := <-first; err != nil {
			t.Errorf("first: %v", err)
		}
		time.Sleep(time.Second)
		want(t, s, use("second", time.Minute), replay.ErrUsed) // it arrived
		want(t, s, use("third", time.Minute), nil)             // the breaker is closed
		if n, _ := e.asked(); n != 4 {
			t.Errorf("%d round trips", n)
		}
	})
}

// TestAnsweredByTheAlarm holds that a call that its batch still holds is not used for another Use.
func TestAnsweredByTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := newEngine(t, redisstore.Config{}, func(n int) error {
			if n == 0 {
				time.Sleep(2 * time.Second)
			}
			return nil
		})
		for _, err := range uses(s, 20, func(i int) string { return "late" + string(rune('a'+i)) }) {
			if err == nil {
				t.Error("accepted")
			}
		}
		time.Sleep(time.Second) // the late batch is still on its way
		want(t, s, use("probe", time.Minute), nil)
		for range 50 {
			for i, err := range uses(s, 20, func(i int) string { return time.Now().String() + string(rune('a'+i)) }) {
				if err != nil {
					t.Fatalf("%d: %v", i, err)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
}

// TestInFlight holds that MaxInFlight counts what is under way, and what ended no longer.
func TestInFlight(t *testing.T) {
	t.Run("pitfall-87", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, s := newEngine(t, redisstore.Config{MaxInFlight: 2}, func(int) error { time.Sleep(100 * time.Millisecond); return nil })
			for round := range 3 {
				accepted := 0
				for _, err := range uses(s, 5, func(i int) string { return string(rune('a'+round)) + string(rune('a'+i)) }) {
					if err == nil {
						accepted++
					} else if !errors.Is(err, replay.ErrUnavailable) {
						t.Error(err)
					}
				}
				if accepted != 2 {
					t.Errorf("round %d: %d accepted", round, accepted)
				}
			}
		})
	})
}
