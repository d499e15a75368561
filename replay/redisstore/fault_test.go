package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// eventually waits for what needs no more than time.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// refusedWithin fails unless s refuses u as unavailable before the limit is over; the limits are
// an order of magnitude beyond what is expected, and below what go-redis would wait.
func refusedWithin(t *testing.T, s replay.Store, u replay.Use, limit time.Duration) {
	t.Helper()
	began := time.Now()
	want(t, s, u, replay.ErrUnavailable)
	if took := time.Since(began); took > limit {
		t.Errorf("refused after %v", took)
	}
}

func TestKilled(t *testing.T) {
	for _, id := range []string{"OPS-fail-closed", "pitfall-65"} {
		t.Run(id, func(t *testing.T) {
			server := redistest.Start(t)
			s := newStore(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.Config{})
			eventually(t, "a first use", func() bool { return s.Use(context.Background(), use("0", time.Minute)) == nil })
			server.Kill()
			for i := range 5 {
				refusedWithin(t, s, use(strconv.Itoa(i), time.Minute), 3*time.Second)
			}
			server.Restart()
			fresh := 0
			eventually(t, "served again", func() bool {
				fresh++
				return s.Use(context.Background(), use(fmt.Sprint("again", fresh), time.Minute)) == nil
			})
			want(t, s, use(fmt.Sprint("again", fresh), time.Minute), replay.ErrUsed)
		})
	}
}

func TestNeverThere(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	s := newStore(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.Config{})
	refusedWithin(t, s, use("1", time.Minute), 3*time.Second)
	server.Restart()
	eventually(t, "served", func() bool { return s.Use(context.Background(), use("2", time.Minute)) == nil })
}

func TestPaused(t *testing.T) {
	t.Run("pitfall-87", func(t *testing.T) {
		server := redistest.Start(t)
		const inFlight = 4
		client := newClient(t, redis.Options{Addr: server.Addr(), ReadTimeout: time.Minute}) // waits by itself for long
		s := newStore(t, client, redisstore.Config{Timeout: 100 * time.Millisecond, MaxInFlight: inFlight})
		eventually(t, "a first use", func() bool { return s.Use(context.Background(), use("0", time.Minute)) == nil })
		before := runtime.NumGoroutine()

		server.Pause()
		for i := range inFlight {
			refusedWithin(t, s, use(strconv.Itoa(i), time.Minute), 10*time.Second)
		}
		for i := range 1000 { // all are in flight: refused without waiting, 100 ms each would be 100 s
			refusedWithin(t, s, use(strconv.Itoa(i), time.Minute), 10*time.Second)
		}
		if now := runtime.NumGoroutine(); now > before+4*inFlight+10 {
			t.Errorf("%d goroutines, %d before", now, before)
		}
		canceled, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Use(canceled, use("1", time.Minute)); !errors.Is(err, replay.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}

		server.Continue()
		fresh := 0
		eventually(t, "served again", func() bool {
			fresh++
			return s.Use(context.Background(), use(fmt.Sprint("again", fresh), time.Minute)) == nil
		})
		eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before+1 })
	})
}

// TestRequestEnds holds that Use does not outlive the request that waits for it.
func TestRequestEnds(t *testing.T) {
	server := redistest.Start(t)
	s := newStore(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.Config{Timeout: unlikely})
	want(t, s, use("0", time.Minute), nil)
	server.Pause()
	defer server.Continue()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := s.Use(ctx, use("1", time.Minute)); !errors.Is(err, replay.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestReplyLost(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	s := newStore(t, newClient(t, redis.Options{Addr: proxy.Addr()}), redisstore.Config{Timeout: unlikely})
	want(t, s, use("0", time.Minute), nil) // the script is known: the next command is the one
	proxy.LoseReplyTo("PXAT")
	want(t, s, use("1", time.Minute), nil)
	if proxy.Lost() != 1 {
		t.Fatalf("%d replies were lost", proxy.Lost())
	}
	want(t, s, use("1", time.Minute), replay.ErrUsed) // another Use is not the one that was retried

	once := newStore(t, newClient(t, redis.Options{Addr: proxy.Addr(), MaxRetries: -1}), redisstore.Config{Timeout: unlikely})
	proxy.LoseReplyTo("PXAT")
	want(t, once, use("2", time.Minute), replay.ErrUnavailable)
	want(t, once, use("2", time.Minute), replay.ErrUsed)
}

// TestFull holds that a Redis without memory refuses, and serves again when it has some.
func TestFull(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
	client := newClient(t, redis.Options{Addr: server.Addr()})
	s := newStore(t, client, redisstore.Config{Timeout: unlikely})
	for i := range 10 { // it answers: the breaker has no part in this
		err := s.Use(context.Background(), use(strconv.Itoa(i), time.Minute))
		if !errors.Is(err, replay.ErrFull) || errors.Is(err, replay.ErrUnavailable) || err.Error() != "replay: store full" {
			t.Fatalf("got %v", err)
		}
	}
	if err := client.ConfigSet(context.Background(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	want(t, s, use("1", time.Minute), nil)
}

// TestRedisRefuses holds that whatever Redis answers besides what was asked is an outage.
func TestRedisRefuses(t *testing.T) {
	locked := redistest.Start(t, "--requirepass", "swordfish")
	typed := redistest.Start(t)
	u := use("1", time.Minute)
	if err := newClient(t, redis.Options{Addr: typed.Addr()}).LPush(context.Background(), keyOf(u), "x").Err(); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]redis.Options{
		"no password":    {Addr: locked.Addr()},
		"wrong password": {Addr: locked.Addr(), Password: "herring"},
		"another type":   {Addr: typed.Addr()},
		"no name":        {Addr: "redis.invalid:6379"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, newClient(t, o), redisstore.Config{Timeout: time.Second})
			err := s.Use(context.Background(), u)
			if !errors.Is(err, replay.ErrUnavailable) || err.Error() != "replay: store unavailable" {
				t.Errorf("got %v", err)
			}
			for _, word := range []string{"swordfish", "herring"} {
				if strings.Contains(everything(err), word) {
					t.Errorf("%q tells the password", everything(err))
				}
			}
		})
	}
	for name, answer := range map[string]func(set, clock redis.Cmder) error{
		"nothing":               func(set, clock redis.Cmder) error { return nil },
		"nothing, but the time": func(set, clock redis.Cmder) error { clock.(*redis.TimeCmd).SetVal(time.Now()); return nil },
		"stored, but no time":   func(set, clock redis.Cmder) error { set.(*redis.RawCmd).SetVal([]byte(storedNow)); return nil },
		"stored, but time fails": func(set, clock redis.Cmder) error {
			set.(*redis.RawCmd).SetVal([]byte(storedNow))
			clock.SetErr(io.EOF)
			return io.EOF
		},
		"a panic": func(set, clock redis.Cmder) error { panic("swordfish") },
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, redis.Options{Addr: typed.Addr()})
			client.AddHook(hook{pipeline: func(_ context.Context, cmds []redis.Cmder, _ redis.ProcessPipelineHook) error {
				return answer(cmds[0], cmds[len(cmds)-1])
			}})
			want(t, newStore(t, client, redisstore.Config{Timeout: unlikely}), use("2", time.Minute), replay.ErrUnavailable)
		})
	}
}

// everything is the text of err and of all that it wraps.
func everything(err error) string {
	switch e := err.(type) {
	case nil:
		return ""
	case interface{ Unwrap() []error }:
		text := fmt.Sprintf("%+v", err)
		for _, cause := range e.Unwrap() {
			text += everything(cause)
		}
		return text
	}
	return fmt.Sprintf("%+v", err) + everything(errors.Unwrap(err))
}
