package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
	"github.com/tegata-go/tegata/replay/replaytest"
)

func newRuns(t testing.TB, client redis.UniversalClient, c redisstore.RunsConfig) *redisstore.Runs {
	t.Helper()
	s, err := redisstore.NewRuns(client, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRun(s string, id byte) replay.Run {
	return replay.Run{Key: name(s), Fingerprint: name("fingerprint " + s), ID: [16]byte{id}, Lease: time.Minute, TTL: time.Hour}
}

// began compares what Begin says; a nil reason wants nil and nil.
func began(t *testing.T, s replay.RunStore, r replay.Run, reason error) {
	t.Helper()
	if answer, err := s.Begin(context.Background(), r); answer != nil || !errors.Is(err, reason) {
		t.Fatalf("got %q, %v; want %v", answer, err, reason)
	}
}

func TestRunsConfigTellsEveryMistake(t *testing.T) {
	s, err := redisstore.NewRuns(nil, redisstore.RunsConfig{Prefix: "a{b", Timeout: time.Millisecond, MaxInFlight: -1})
	if s != nil || err == nil {
		t.Fatal("accepted")
	}
	for _, word := range []string{"client", "Prefix", "Timeout", "MaxInFlight"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v: no word of %s", err, word)
		}
	}
}

func TestRunsKeepTheRules(t *testing.T) {
	t.Parallel() // no rule fails because it is slow
	single, cluster := redistest.Start(t), redistest.StartCluster(t)
	clusterClient := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{cluster.Addr()}})
	t.Cleanup(func() { _ = clusterClient.Close() })
	for kind, client := range map[string]redis.UniversalClient{
		"single": newClient(t, redis.Options{Addr: single.Addr()}), "cluster": clusterClient,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			replaytest.RunRunStore(t, func() replay.RunStore {
				return newRuns(t, client, redisstore.RunsConfig{Timeout: unlikely})
			})
		})
	}
}

func TestRunsOfManyReplicas(t *testing.T) {
	t.Run("pitfall-104, pitfall-66", func(t *testing.T) {
		server := redistest.Start(t)
		var stores []*redisstore.Runs
		for range 4 {
			stores = append(stores, newRuns(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.RunsConfig{Timeout: unlikely}))
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		ran := 0
		for i := range 100 {
			wg.Go(func() {
				answer, err := stores[i%4].Begin(context.Background(), newRun("1", byte(i+1)))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && answer == nil:
					ran++
				case !errors.Is(err, replay.ErrInFlight):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if ran != 1 {
			t.Errorf("%d of 100 may run", ran)
		}
	})
}

// TestRunsOutliveTheProcess holds that what is under way is known to who comes after.
func TestRunsOutliveTheProcess(t *testing.T) {
	t.Run("pitfall-105", func(t *testing.T) {
		server := redistest.Start(t)
		open := func() *redisstore.Runs {
			return newRuns(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.RunsConfig{Timeout: unlikely})
		}
		r := newRun("1", 1)
		r.Lease = 2 * time.Second
		began(t, open(), r, nil)
		next := open()
		began(t, next, newRun("1", 2), replay.ErrInFlight)
		eventually(t, "the lease ends", func() bool {
			answer, err := next.Begin(context.Background(), newRun("1", 3))
			if answer != nil || err == nil {
				t.Fatal("it may run again")
			}
			return errors.Is(err, replay.ErrUnresolved)
		})
	})
}

func TestRunsReplyLost(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	retrying := newRuns(t, newClient(t, redis.Options{Addr: proxy.Addr()}), redisstore.RunsConfig{Timeout: unlikely})
	began(t, retrying, newRun("0", 1), nil) // the script is known
	proxy.LoseReplyTo("evalsha")
	began(t, retrying, newRun("1", 1), nil)
	if proxy.Lost() != 1 {
		t.Fatalf("%d replies were lost", proxy.Lost())
	}
	began(t, retrying, newRun("1", 2), replay.ErrInFlight)
	if err := retrying.Finish(context.Background(), newRun("1", 1), []byte("0")); err != nil {
		t.Fatal(err)
	}
	proxy.LoseReplyTo("evalsha")
	if err := retrying.Finish(context.Background(), newRun("0", 1), []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if answer, err := retrying.Begin(context.Background(), newRun("0", 2)); !bytes.Equal(answer, []byte("answer")) {
		t.Errorf("got %q, %v", answer, err)
	}

	// Without a retry nobody knows whether it began; nothing ran, and the key comes free.
	once := newRuns(t, newClient(t, redis.Options{Addr: proxy.Addr(), MaxRetries: -1}), redisstore.RunsConfig{Timeout: unlikely})
	proxy.LoseReplyTo("evalsha")
	began(t, once, newRun("2", 1), replay.ErrUnavailable)
	if proxy.Lost() != 3 {
		t.Fatalf("%d replies were lost", proxy.Lost())
	}
	eventually(t, "the key is free", func() bool {
		answer, err := retrying.Begin(context.Background(), newRun("2", 2))
		return answer == nil && err == nil
	})
}

func TestRunsWhenRedisHangs(t *testing.T) {
	t.Run("pitfall-87", func(t *testing.T) {
		server := redistest.Start(t)
		s := newRuns(t, newClient(t, redis.Options{Addr: server.Addr(), ReadTimeout: time.Minute}), redisstore.RunsConfig{Timeout: time.Second})
		eventually(t, "a first run", func() bool {
			_, err := s.Begin(context.Background(), newRun("0", 1))
			return err == nil
		})
		server.Pause()
		start := time.Now()
		began(t, s, newRun("1", 1), replay.ErrUnavailable)
		if err := s.Finish(context.Background(), newRun("0", 1), []byte("answer")); !errors.Is(err, replay.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 20*time.Second { // the client by itself would wait for a minute
			t.Errorf("took %v", took)
		}
		server.Continue()
		// The Begin that nobody waited for arrived late, and is undone.
		eventually(t, "the key is free", func() bool {
			answer, err := s.Begin(context.Background(), newRun("1", 2))
			return answer == nil && err == nil
		})
	})
}

func TestRunsWhenRedisRefuses(t *testing.T) {
	full := redistest.Start(t)
	client := newClient(t, redis.Options{Addr: full.Addr()})
	s := newRuns(t, client, redisstore.RunsConfig{Timeout: unlikely})
	began(t, s, newRun("0", 1), nil)
	if err := client.ConfigSet(context.Background(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	began(t, s, newRun("1", 1), replay.ErrUnavailable)
	if err := s.Finish(context.Background(), newRun("0", 1), []byte("answer")); err != nil {
		t.Errorf("what has run cannot be kept: %v", err)
	}
	full.Kill()
	began(t, s, newRun("2", 1), replay.ErrUnavailable)
	full.Restart()
	eventually(t, "served again", func() bool {
		_, err := s.Begin(context.Background(), newRun("3", 1))
		return err == nil
	})

	typed := redistest.Start(t)
	client = newClient(t, redis.Options{Addr: typed.Addr()})
	for what, value := range map[string]string{"malformed": "s", "with an empty answer": "d" + strings.Repeat("x", 16)} {
		r := newRun(what, 1)
		if len(value) > 1 {
			value += string(r.Fingerprint[:])
		}
		if err := client.Set(context.Background(), keyOfRun(r), value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		began(t, newRuns(t, client, redisstore.RunsConfig{Timeout: unlikely}), r, replay.ErrUnavailable)
	}
	for what, process := range map[string]func(redis.Cmder) error{
		"an empty answer":   func(redis.Cmder) error { return nil },
		"an unknown answer": func(c redis.Cmder) error { c.(*redis.Cmd).SetVal([]any{int64(9), ""}); return nil },
		"a number":          func(c redis.Cmder) error { c.(*redis.Cmd).SetVal(int64(9)); return nil },
		"nil":               func(c redis.Cmder) error { c.SetErr(redis.Nil); return redis.Nil },
		"a panic":           func(redis.Cmder) error { panic("swordfish") },
	} {
		t.Run(what, func(t *testing.T) {
			client := newClient(t, redis.Options{Addr: typed.Addr()})
			client.AddHook(hook{process: func(_ context.Context, cmd redis.Cmder, _ redis.ProcessHook) error { return process(cmd) }})
			s := newRuns(t, client, redisstore.RunsConfig{Timeout: unlikely})
			began(t, s, newRun("9", 1), replay.ErrUnavailable)
			if err := s.Finish(context.Background(), newRun("9", 1), []byte("x")); !errors.Is(err, replay.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// keyOfRun is where the default store keeps r.
func keyOfRun(r replay.Run) string {
	return strings.Replace(keyOf(replay.Use{Key: r.Key}), ":replay:", ":runs:", 1)
}

func BenchmarkRun(b *testing.B) {
	server := redistest.Start(b)
	client := newClient(b, redis.Options{Addr: server.Addr()})
	s := newRuns(b, client, redisstore.RunsConfig{Timeout: unlikely})
	answer := bytes.Repeat([]byte("a"), 1000)
	i := 0
	var pings time.Duration
	for b.Loop() {
		i++
		began := time.Now()
		client.Ping(context.Background())
		pings += time.Since(began)
		r := newRun(fmt.Sprint("bench", i), 1)
		if _, err := s.Begin(context.Background(), r); err != nil {
			b.Fatal(err)
		}
		if err := s.Finish(context.Background(), r, answer); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed()-pings)/float64(pings), "PING") // two round trips
}
