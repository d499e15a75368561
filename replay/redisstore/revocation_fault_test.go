package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

func TestCutOffReplicaRefuses(t *testing.T) {
	for how, hurt := range map[string]func(*line) (mend func()){
		"stalled": func(l *line) func() { l.stall(); return l.resume },
		"cut":     func(l *line) func() { l.setCut(true); return func() { l.setCut(false) } },
	} {
		t.Run("I8, pitfall-65: "+how, func(t *testing.T) {
			server := redistest.Start(t)
			const bound = 500 * time.Millisecond
			config := redisstore.RevocationsConfig{Bound: bound}
			a := replica(t, server.Addr(), config)
			way := newLine()
			b := running(t, newList(t, newClient(t, redis.Options{Addr: server.Addr(), Dialer: way.dial}), config))
			answers(t, b, "1", nil)
			mend := hurt(way)
			revoke(t, a, "1")
			returned := time.Now()
			passed := 0
			for time.Since(returned) < 3*bound {
				late := time.Since(returned) > bound
				err := ask(b, "1")
				switch {
				case err == nil && late:
					t.Fatalf("passes %v after Revoke returned", time.Since(returned))
				case err == nil:
					passed++
				case !errors.Is(err, replay.ErrUnavailable) && !errors.Is(err, replay.ErrRevoked):
					t.Fatal(err)
				}
			}
			t.Logf("passed %d times before the bound", passed)
			mend()
			answers(t, b, "1", replay.ErrRevoked)
			answers(t, b, "2", nil)
		})
	}
}

func TestRememberedAnswersEndWithTheBound(t *testing.T) {
	server := redistest.Start(t)
	way := newLine()
	r := newList(t, newClient(t, redis.Options{Addr: server.Addr(), Dialer: way.dial}),
		redisstore.RevocationsConfig{Bound: 400 * time.Millisecond, Timeout: 100 * time.Millisecond})
	answers(t, r, "1", nil)
	way.setCut(true)
	eventually(t, "an outage", func() bool { return errors.Is(ask(r, "1"), replay.ErrUnavailable) })
	seen := map[uint64]bool{}
	for range 100 {
		if v := r.Revision(); seen[v] {
			t.Fatalf("revision %d twice while nothing is sure", v)
		} else {
			seen[v] = true
		}
	}
	way.setCut(false)
	answers(t, r, "1", nil)
	// The order in which an asker works: an answer that is remembered under a revision taken
	// while the list was not current does not serve at the next time that it is not.
	way.setCut(true)
	eventually(t, "another outage", func() bool { return errors.Is(ask(r, "1"), replay.ErrUnavailable) })
	revision := r.Revision()
	way.setCut(false)
	answers(t, r, "1", nil)
	way.setCut(true)
	eventually(t, "a third outage", func() bool { return errors.Is(ask(r, "1"), replay.ErrUnavailable) })
	if r.Revision() == revision {
		t.Error("the revision of an outage came back at the next")
	}
}

func TestRevocationsWhenRedisDies(t *testing.T) {
	t.Run("OPS-fail-closed", func(t *testing.T) {
		server := redistest.Start(t)
		a := replica(t, server.Addr(), redisstore.RevocationsConfig{})
		answers(t, a, "1", nil)
		revoke(t, a, "1")
		server.Kill()
		answers(t, a, "2", replay.ErrUnavailable)
		if err := ask(a, "1"); !errors.Is(err, replay.ErrRevoked) {
			t.Errorf("what is known to be revoked: %v", err)
		}
		if err := a.Revoke(context.Background(), name("3"), time.Now().Add(time.Hour)); !errors.Is(err, replay.ErrUnavailable) {
			t.Errorf("a revocation that nobody else knows of: %v", err)
		}
		server.Restart() // empty
		answers(t, a, "2", nil)
		for _, s := range []string{"1", "3"} {
			if err := ask(a, s); !errors.Is(err, replay.ErrRevoked) {
				t.Errorf("%s after the restart: %v", s, err)
			}
			// What Redis lost, or never got, is there again for a replica that never knew of it.
			b := newList(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.RevocationsConfig{Bound: 200 * time.Millisecond})
			answers(t, b, s, replay.ErrRevoked)
		}
	})
}

func TestLostListIsWrittenAgain(t *testing.T) {
	tag := "{tegata:revocations:1}"
	for what, lose := range map[string]func(context.Context, *redis.Client) error{
		"everything":   func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() },
		"the names":    func(ctx context.Context, c *redis.Client) error { return c.Del(ctx, tag+":names").Err() },
		"the log":      func(ctx context.Context, c *redis.Client) error { return c.Del(ctx, tag+":log").Err() },
		"the ends":     func(ctx context.Context, c *redis.Client) error { return c.Del(ctx, tag+":ends").Err() },
		"the last one": func(ctx context.Context, c *redis.Client) error { return failOver(ctx, c, tag) },
	} {
		t.Run(what, func(t *testing.T) {
			server := redistest.Start(t)
			client := newClient(t, redis.Options{Addr: server.Addr()})
			a := replica(t, server.Addr(), redisstore.RevocationsConfig{})
			revoke(t, a, "1")
			revoke(t, a, "2")
			eventually(t, "a revocation of what was issued before", func() bool {
				return a.RevokeBefore(context.Background(), name("3"), time.Now().Add(time.Minute), time.Now().Add(time.Hour)) == nil
			})
			answers(t, a, "4", nil)
			if err := lose(context.Background(), client); err != nil {
				t.Fatal(err)
			}
			open := func() *redisstore.Revocations {
				return newList(t, newClient(t, redis.Options{Addr: server.Addr()}), redisstore.RevocationsConfig{Bound: calm})
			}
			eventually(t, "all three in Redis", func() bool {
				b := open()
				return errors.Is(ask(b, "1"), replay.ErrRevoked) && errors.Is(ask(b, "2"), replay.ErrRevoked) && errors.Is(ask(b, "3"), replay.ErrRevoked)
			})
			b := open()
			if err := ask(b, "4"); err != nil {
				t.Error(err)
			}
		})
	}
}

func failOver(ctx context.Context, c *redis.Client, tag string) error {
	last, err := c.ZRevRangeWithScores(ctx, tag+":log", 0, 1).Result()
	if err != nil {
		return err
	}
	_, err = c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRem(ctx, tag+":log", last[0].Member)
		p.ZRem(ctx, tag+":ends", last[0].Member)
		p.HDel(ctx, tag+":names", last[0].Member.(string))
		p.HSet(ctx, tag+":names", "last", fmt.Sprintf("%.0f", last[1].Score))
		return nil
	})
	return err
}

func TestRevocationsRefuseWrongClocksAndWrongAnswers(t *testing.T) {
	server := redistest.Start(t)
	client := newClient(t, redis.Options{Addr: server.Addr()})
	ctx := context.Background()
	for _, d := range []time.Duration{time.Minute, -time.Minute} {
		wrong := newClient(t, redis.Options{Addr: server.Addr()})
		wrong.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			if args := cmd.Args(); strings.HasPrefix(cmd.Name(), "eval") {
				if ms, ok := args[6].(int64); ok {
					args[6] = ms - d.Milliseconds()
				}
			}
			return next(ctx, cmd)
		}})
		r := newList(t, wrong, redisstore.RevocationsConfig{Bound: calm})
		if err := ask(r, "1"); !errors.Is(err, replay.ErrUnavailable) {
			t.Errorf("a clock %v behind: %v", d, err)
		}
		if err := r.Revoke(ctx, name("1"), time.Now().Add(time.Hour)); !errors.Is(err, replay.ErrUnavailable) {
			t.Errorf("a clock %v behind revokes: %v", d, err)
		}
	}
	revoke(t, newList(t, client, redisstore.RevocationsConfig{Bound: calm}), "1")
	for what, value := range map[string]string{
		"nothing": "", "no revocation": "0:0:0", "a negative one": "-1:0:0", "a text": "a:b:c", "half a one": "0:1:0", "a large one": "9007199254740993:0:0",
	} {
		n := name("1")
		if err := client.HSet(ctx, "{tegata:revocations:1}:names", string(n[:]), value).Err(); err != nil {
			t.Fatal(err)
		}
		r := newList(t, client, redisstore.RevocationsConfig{Bound: calm})
		if err := ask(r, "2"); !errors.Is(err, replay.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, answer := range [][]any{
		nil, {}, {int64(1)}, {int64(3), "", "0", []any{}, []any{}, "0"}, {int64(1), "", "0", []any{"short"}, []any{"1:0:0"}, "0"},
		{int64(1), "", "0", []any{string(make([]byte, 32))}, []any{}, "0"}, {int64(1), nil, "0", []any{}, []any{}, "0"},
		{int64(1), "", "-1", []any{}, []any{}, "0"}, {int64(1), "", "0", []any{}, []any{}, nil}, {int64(1), "", "0", "", "", "0"},
	} {
		if redisstore.ParsePage(answer) {
			t.Errorf("%v is taken for an answer", answer)
		}
	}
}

func TestRevocationsLeaveRedis(t *testing.T) {
	server := redistest.Start(t)
	client := newClient(t, redis.Options{Addr: server.Addr()})
	noGrace := newClient(t, redis.Options{Addr: server.Addr()})
	noGrace.AddHook(hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		// name, script, number of keys, 3 keys, our time, skew, grace, ...
		if args := cmd.Args(); strings.HasPrefix(cmd.Name(), "eval") && len(args) > 12 {
			args[8] = 0
		}
		return next(ctx, cmd)
	}})
	a := newList(t, noGrace, redisstore.RevocationsConfig{Bound: calm})
	ctx := context.Background()
	for i := range 5 {
		if err := a.Revoke(ctx, name(fmt.Sprint(i)), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	tag := "{tegata:revocations:1}"
	eventually(t, "that they are over", func() bool {
		if err := a.Revoke(ctx, name("last"), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return client.ZCard(ctx, tag+":log").Val() == 1
	})
	if n := client.HLen(ctx, tag+":names").Val(); n != 3 {
		t.Errorf("%d fields, want the epoch, the last place and one name", n)
	}
	for _, k := range []string{":names", ":log", ":ends"} {
		if ttl := client.PTTL(ctx, tag+k).Val(); ttl <= 0 || ttl > 3*time.Minute {
			t.Errorf("%s lives for %v", k, ttl)
		}
	}
}

// TestRunEnds holds that nothing is left behind.
