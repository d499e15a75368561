package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
	"github.com/tegata-go/tegata/replay/replaytest"
)

// calm is a bound that no load on the machine makes a replica miss.

const calm = 20 * time.Second

func newList(t testing.TB, client redis.UniversalClient, c redisstore.RevocationsConfig) *redisstore.Revocations {
	t.Helper()
	r, err := redisstore.NewRevocations(client, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// replica is a list of its own connections; it runs until the test ends.

func replica(t testing.TB, addr string, c redisstore.RevocationsConfig) *redisstore.Revocations {
	t.Helper()
	return running(t, newList(t, newClient(t, redis.Options{Addr: addr}), c))
}

func running(t testing.TB, r *redisstore.Revocations) *redisstore.Revocations {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return r
}

func name(s string) replay.Key { return replay.Digest("test name", s) }

func ask(r *redisstore.Revocations, s string) error {
	return r.Revoked(context.Background(), []replay.Key{name(s)}, time.Now())
}

func revoke(t testing.TB, r *redisstore.Revocations, s string) {
	t.Helper()
	eventually(t, "a revocation of "+s, func() bool { // on a machine too slow for the deadline it is told again
		return r.Revoke(context.Background(), name(s), time.Now().Add(time.Hour)) == nil
	})
}

// answers fails unless r comes to say reason about s.

func answers(t *testing.T, r *redisstore.Revocations, s string, reason error) {
	t.Helper()
	eventually(t, fmt.Sprintf("%v about %s", reason, s), func() bool { return errors.Is(ask(r, s), reason) })
}

func TestRevocationsConfigTellsEveryMistake(t *testing.T) {
	r, err := redisstore.NewRevocations(nil, redisstore.RevocationsConfig{
		Prefix: "a{b", Capacity: -1, Bound: time.Hour, Timeout: time.Hour, MaxSkew: time.Hour,
	})
	if r != nil || err == nil {
		t.Fatal("accepted")
	}
	for _, word := range []string{"client", "Prefix", "Capacity", "Bound", "Timeout", "MaxSkew"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v: no word of %s", err, word)
		}
	}
	client := newClient(t, redis.Options{})
	for _, c := range []redisstore.RevocationsConfig{
		{Capacity: 1<<23 + 1}, {Bound: 100 * time.Millisecond}, {Timeout: 600 * time.Millisecond}, {Timeout: time.Millisecond}, {Bound: -1},
	} {
		if r, err := redisstore.NewRevocations(client, c); r != nil || err == nil {
			t.Errorf("%+v: accepted", c)
		}
	}
}

func TestRevocationsKeepTheRules(t *testing.T) {
	t.Parallel() // no rule fails because it is slow
	single := redistest.Start(t)
	cluster := redistest.StartCluster(t)
	clusterClient := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{cluster.Addr()}})
	t.Cleanup(func() { _ = clusterClient.Close() })
	var prefixes atomic.Int64
	for kind, client := range map[string]redis.UniversalClient{
		"single": newClient(t, redis.Options{Addr: single.Addr()}), "cluster": clusterClient,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			replaytest.RunRevocations(t, func() replaytest.Revocations {
				return newList(t, client, redisstore.RevocationsConfig{Prefix: fmt.Sprint("kit", prefixes.Add(1)), Bound: calm})
			})
		})
	}
}

// TestRevocationReachesOthers is by news, by asking at the same time, and on use; under Cluster too.

func TestRevocationReachesOthers(t *testing.T) {
	for _, id := range []string{"I6", "pitfall-22"} {
		t.Run(id, func(t *testing.T) {
			single := redistest.Start(t)
			a := replica(t, single.Addr(), redisstore.RevocationsConfig{})
			b := replica(t, single.Addr(), redisstore.RevocationsConfig{})
			lazy := newList(t, newClient(t, redis.Options{Addr: single.Addr()}), redisstore.RevocationsConfig{})
			other := replica(t, single.Addr(), redisstore.RevocationsConfig{Prefix: "other"})
			for _, r := range []*redisstore.Revocations{a, b, lazy, other} {
				answers(t, r, "1", nil)
			}
			revision := b.Revision()
			revoke(t, a, "1")
			if err := ask(a, "1"); !errors.Is(err, replay.ErrRevoked) {
				t.Errorf("the replica that was told says %v", err)
			}
			answers(t, b, "1", replay.ErrRevoked)
			answers(t, lazy, "1", replay.ErrRevoked)
			answers(t, other, "1", nil)
			if b.Revision() == revision {
				t.Error("the revision did not move")
			}
			for i := range 2500 { // more than two pages
				revoke(t, a, fmt.Sprint("many", i))
			}
			late := newList(t, newClient(t, redis.Options{Addr: single.Addr()}), redisstore.RevocationsConfig{Bound: calm})
			for i := range 2500 {
				if err := ask(late, fmt.Sprint("many", i)); !errors.Is(err, replay.ErrRevoked) {
					t.Fatal(i, err)
				}
			}
		})
	}
	t.Run("cluster", func(t *testing.T) {
		cluster := redistest.StartCluster(t)
		open := func() *redisstore.Revocations {
			client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{cluster.Addr()}})
			t.Cleanup(func() { _ = client.Close() })
			return running(t, newList(t, client, redisstore.RevocationsConfig{}))
		}
		a, b := open(), open()
		answers(t, b, "1", nil)
		revoke(t, a, "1")
		answers(t, b, "1", replay.ErrRevoked)
	})
}

// TestRevocationNews holds that a message is what makes it fast: a bound of a minute asks every

// 15 s, and nobody waits that long.

func TestRevocationNews(t *testing.T) {
	server := redistest.Start(t)
	a := replica(t, server.Addr(), redisstore.RevocationsConfig{Bound: time.Minute})
	client := newClient(t, redis.Options{Addr: server.Addr()})
	b := running(t, newList(t, client, redisstore.RevocationsConfig{Bound: time.Minute}))
	answers(t, b, "0", nil)
	eventually(t, "a subscription of each", func() bool {
		n, err := client.PubSubNumSub(context.Background(), "{tegata:revocations:1}:news").Result()
		return err == nil && n["{tegata:revocations:1}:news"] == 2
	})
	began := time.Now()
	for i := range 20 {
		revoke(t, a, fmt.Sprint(i))
		answers(t, b, fmt.Sprint(i), replay.ErrRevoked)
	}
	if took := time.Since(began); took > 14*time.Second {
		t.Errorf("20 revocations took %v", took)
	}
}

// TestCutOffReplicaRefuses is the bound itself: nothing that was revoked a Bound ago passes anywhere,

// whatever happened on the way there.

// TestRememberedAnswersEndWithTheBound holds that who remembers answers by revision asks again when

// the list is not current.

// failOver makes Redis what a replica of it is that lacks the last write.

func TestRevocationsFull(t *testing.T) {
	server := redistest.Start(t)
	config := redisstore.RevocationsConfig{Capacity: 3, Bound: calm}
	open := func() *redisstore.Revocations {
		return newList(t, newClient(t, redis.Options{Addr: server.Addr()}), config)
	}
	a, b := open(), open()
	for _, s := range []string{"1", "2", "3"} {
		revoke(t, a, s)
	}
	for _, s := range []string{"4", "5"} {
		if err := b.Revoke(context.Background(), name(s), time.Now().Add(time.Hour)); !errors.Is(err, replay.ErrFull) {
			t.Errorf("%s: %v", s, err)
		}
	}
	revoke(t, a, "2") // again takes no room
	for _, s := range []string{"1", "2", "3"} {
		if err := ask(open(), s); !errors.Is(err, replay.ErrRevoked) {
			t.Errorf("%s: %v", s, err)
		}
	}
	config.Capacity = 1 // a replica that cannot hold what there is serves nobody
	if err := ask(open(), "9"); !errors.Is(err, replay.ErrUnavailable) {
		t.Errorf("a list of less room than there is: %v", err)
	}
}

// TestRevocationsLeaveRedis holds that what is over takes no room there.

func TestRunEnds(t *testing.T) {
	server := redistest.Start(t)
	client := newClient(t, redis.Options{Addr: server.Addr()})
	r := newList(t, client, redisstore.RevocationsConfig{})
	answers(t, r, "1", nil)
	before := runtime.NumGoroutine()
	for range 5 {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		answers(t, r, "1", nil)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func FuzzParseRevocation(f *testing.F) {
	seeds := []string{"1:0:0", "0:1:2", "3:1:2", "", "::", "1", "0:0:0", "01:0:0", "9007199254740991:0:0", "1:0:0:"}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		entries, ok := redisstore.ParseRevocation(value)
		if !ok {
			return
		}
		var all, before, until int64
		for _, e := range entries {
			if e.IssuedBefore.IsZero() {
				all = e.Until.UnixMilli()
			} else {
				before, until = e.IssuedBefore.UnixMilli(), e.Until.UnixMilli()
			}
		}
		again, ok := redisstore.ParseRevocation(fmt.Sprintf("%d:%d:%d", all, before, until))
		if !ok || len(again) != len(entries) || len(entries) == 0 {
			t.Errorf("%q is %v, and then %v", value, entries, again)
		}
		for i := range again {
			if again[i] != entries[i] {
				t.Errorf("%q is %v, and then %v", value, entries, again)
			}
		}
	})
}
