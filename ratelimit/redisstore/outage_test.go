package redisstore_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/redisstore"
)

// OPS-fail-closed, pitfall-87.
func TestRedisAway(t *testing.T) {
	t.Run("OPS-fail-closed", func(t *testing.T) {
		server := redistest.Start(t)
		s := store(t, connect(t, server.Addr()), redisstore.Config{})
		take(t, s, "caller", 1, limit("out", 5, time.Hour))
		server.Kill()
		unavailable(t, s)
		server.Restart()
		recovered(t, s)
	})
	t.Run("pitfall-87", func(t *testing.T) {
		server := redistest.Start(t)
		s := store(t, connect(t, server.Addr()), redisstore.Config{Timeout: 50 * time.Millisecond, MaxInFlight: 3})
		recovered(t, s) // a slow machine may need more than one try
		server.Pause()
		for range 10 { // 3 wait for their time, the others are not let in
			unavailable(t, s)
		}
		server.Continue()
		recovered(t, s)
	})
}

// Whoever waits in a pipeline that hangs waits no longer than his own deadline.
func TestCoalescedHangs(t *testing.T) {
	t.Run("pitfall-87", func(t *testing.T) {
		server := redistest.Start(t)
		s := store(t, coalescing(t, connect(t, server.Addr())), redisstore.Config{Timeout: 50 * time.Millisecond})
		recovered(t, s)
		server.Pause()
		for range 3 {
			unavailable(t, s)
		}
		server.Continue()
		recovered(t, s)
	})
}

// The same without a goroutine beside the request, for a client that ends with the context.
func TestInline(t *testing.T) {
	server := redistest.Start(t)
	inline := func(c redis.UniversalClient) (*redisstore.Store, error) {
		return redisstore.New(c, redisstore.Config{Inline: true, Timeout: 50 * time.Millisecond, MaxInFlight: 2})
	}
	for name, c := range map[string]redis.UniversalClient{
		"client":  redis.NewClient(&redis.Options{Addr: server.Addr()}),
		"cluster": redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr()}}),
		"ring":    redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true}),
	} {
		if s, err := inline(c); s != nil || err == nil {
			t.Errorf("a %s that does not end with the context was taken", name)
		}
		_ = c.Close()
	}
	c := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = c.Close() })
	s, err := inline(c)
	if err != nil {
		t.Fatal(err)
	}
	recovered(t, s) // a slow machine may need more than one try
	server.Pause()
	for range 3 {
		unavailable(t, s)
	}
	server.Continue()
	recovered(t, s)
}

// recovered waits for the client library, which may be inside a retry.
func recovered(t *testing.T, s ratelimit.Store) {
	t.Helper()
	for range 200 {
		if _, err := s.Take(context.Background(), "caller", 1, []ratelimit.Limit{limit("back", 1e6, time.Hour)}); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the store did not come back")
}

// A reply that was lost and a command that is sent again count twice, never not at all.
func TestLostReply(t *testing.T) {
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	s, l := store(t, connect(t, proxy.Addr()), redisstore.Config{}), limit("lost", 10, time.Hour)
	take(t, s, "caller", 1, l)
	proxy.LoseReplyTo("evalsha")
	r, err := s.Take(context.Background(), "caller", 1, []ratelimit.Limit{l})
	if err == nil && r.Remaining != 7 || proxy.Lost() != 1 {
		t.Errorf("%+v, %v, %d lost", r, err, proxy.Lost())
	}
}

func TestNoSecrets(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "right")
	c := redis.NewClient(&redis.Options{Addr: server.Addr(), Password: "wrong-secret"})
	t.Cleanup(func() { _ = c.Close() })
	err := unavailable(t, store(t, c, redisstore.Config{}))
	if errors.Unwrap(err) == nil {
		t.Error("the cause is gone")
	}
}

// says is a hook under which every script gives one answer.
type says struct{ answer any }

func (says) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h says) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		cmd.(*redis.Cmd).SetVal(h.answer)
		return nil
	}
}
func (says) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// An answer that the script cannot have given is an outage, not a pass.
func TestForeignAnswer(t *testing.T) {
	const parts = 5 * 1000 // of one microsecond under the limit that unavailable asks for
	for name, c := range map[string]struct {
		answer any
		good   bool
	}{
		"right":                 {"1" + doubles(0, 0), true},
		"right, some owed":      {"1" + doubles(2880e6, 0), true},
		"nothing":               {"", false},
		"too short":             {"1", false},
		"by a byte":             {("1" + doubles(0, 0))[:16], false},
		"too long":              {"1" + doubles(0, 0, 0, 0), false},
		"neither yes nor no":    {"2" + doubles(0, 0), false},
		"negative":              {"1" + doubles(-1, 0), false},
		"negative part":         {"1" + doubles(0, -1), false},
		"not whole":             {"1" + doubles(0.5, 0), false},
		"no number":             {"1" + doubles(math.NaN(), 0), false},
		"endless":               {"1" + doubles(math.Inf(1), 0), false},
		"too many parts":        {"1" + doubles(0, parts), false},
		"more than can be owed": {"1" + doubles(3600e6+1, 0), false},
		"by a part":             {"1" + doubles(3600e6, 1), false},
		"huge":                  {"1" + doubles(1<<62, 0), false},
		"passes what is full":   {"1" + doubles(3600e6, 0), false},
		"refuses what is not":   {"0" + doubles(0, 0), false},
		"no text":               {int64(1), false},
		"a list":                {[]any{int64(1), int64(0), int64(0)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, "127.0.0.1:1")
			client.AddHook(says{c.answer})
			s := store(t, client, redisstore.Config{})
			if !c.good {
				unavailable(t, s)
			} else if r := take(t, s, "caller", 1, limit("out", 5, time.Hour)); !r.OK {
				t.Errorf("%+v", r)
			}
		})
	}
}
