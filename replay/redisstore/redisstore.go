// Package redisstore is a replay.Store in Redis, shared by the replicas of a service.
//
// It needs Redis 7.0 or later, or a server compatible with it; single, behind Sentinel, or a
// Cluster. One key per value:
//
//	<prefix>:replay:1:{<43 characters: the replay.Key in base64url>}
//
// holds 16 random bytes and expires MaxSkew after the value's Until. The 1 is the version of
// this layout. The braces are the hash tag of Redis Cluster.
//
// Redis must be configured to keep what it acknowledged: maxmemory-policy noeviction, since any
// other policy makes room by forgetting keys that are live; and persistence (appendonly yes) as
// strict as replays are feared. Redis replicates asynchronously: a key that was acknowledged
// just before a failover can be lost by it, and its value used once more.
package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/internal/outage"
)

// What a Config means when it says nothing.
const (
	DefaultPrefix      = "tegata"
	DefaultTimeout     = 500 * time.Millisecond
	DefaultMaxSkew     = 5 * time.Second
	DefaultMaxInFlight = 1024
)

// Config is what a [Store] is made from. Its zero value is complete.
type Config struct {
	_ [0]func()

	// Prefix begins every key, so that services may share a Redis: up to 64 printable ASCII
	// characters without space and braces. Empty means DefaultPrefix. Replicas that shall
	// know of each other's uses have the same.
	Prefix string

	// Timeout is how long Use waits for Redis, from 10 milliseconds to 5 seconds; zero means
	// DefaultTimeout. It holds whatever the client's own timeouts are: go-redis
	// ignores the deadlines of contexts unless it is told otherwise.
	Timeout time.Duration

	// MaxSkew is how far Redis's clock and ours may be apart, from 1 second to 1 minute and
	// not below Timeout, since the way there counts as a difference; zero means
	// DefaultMaxSkew. Beyond it every Use is refused: a replica whose clock is wrong judges
	// times wrongly, and remembers them wrongly.
	MaxSkew time.Duration

	// MaxInFlight is how many calls may be under way at once, from 1 to 65536; zero means
	// DefaultMaxInFlight. More are refused at once. A call that was given up by Use is under
	// way until go-redis ends it: its ReadTimeout bounds that and should not be switched off.
	MaxInFlight int
}

// Store is a [replay.Store]. It fails closed: whatever goes wrong is [replay.ErrUnavailable].
//
// It does not look at Made: what Redis lost can be used again. It has no quotas.
type Store struct {
	client   redis.UniversalClient
	prefix   string
	timeout  time.Duration
	maxSkew  time.Duration
	inFlight chan struct{}
	script   *redis.Script
}

// New makes a store over the caller's client. It does not reach for Redis: a service starts
// without it, and refuses until it is there. Nothing has to be closed but the client.
func New(client redis.UniversalClient, c Config) (*Store, error) {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxSkew == 0 {
		c.MaxSkew = DefaultMaxSkew
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = DefaultMaxInFlight
	}
	mistakes := c.mistakes()
	if client == nil {
		mistakes = append(mistakes, errors.New("redisstore: no client"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return &Store{
		client:   client,
		prefix:   c.Prefix + ":replay:1:{",
		timeout:  c.Timeout,
		maxSkew:  c.MaxSkew,
		inFlight: make(chan struct{}, c.MaxInFlight),
		script:   redis.NewScript(script),
	}, nil
}

// mistakes gives everything that is wrong with the configuration.
func (c Config) mistakes() (all []error) {
	if len(c.Prefix) > 64 || strings.ContainsFunc(c.Prefix, func(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' }) {
		all = append(all, errors.New("redisstore: Prefix is not up to 64 printable ASCII characters without braces"))
	}
	if c.Timeout < 10*time.Millisecond || c.Timeout > 5*time.Second {
		all = append(all, fmt.Errorf("redisstore: Timeout %v is not between 10ms and 5s", c.Timeout))
	}
	if c.MaxSkew < time.Second || c.MaxSkew > time.Minute || c.MaxSkew < c.Timeout {
		all = append(all, fmt.Errorf("redisstore: MaxSkew %v is not between 1s and 1m, or below Timeout", c.MaxSkew))
	}
	if c.MaxInFlight < 1 || c.MaxInFlight > 1<<16 {
		all = append(all, fmt.Errorf("redisstore: MaxInFlight %d is not between 1 and 65536", c.MaxInFlight))
	}
	return all
}

// Causes of an outage that are not Redis's own words.
var (
	errSkew     = errors.New("redisstore: clocks are too far apart")
	errInFlight = errors.New("redisstore: too many calls in flight")
	errPanic    = errors.New("redisstore: the client panicked")
	errAnswer   = errors.New("redisstore: unexpected answer")
)

// Use asks Redis in one round trip and waits no longer than Timeout. When it stops waiting the
// call may still arrive: the value may be spent although it was refused.
//
// An outage is [replay.ErrUnavailable] with a constant text; its cause is in its chain.
func (s *Store) Use(ctx context.Context, u replay.Use) error {
	now := time.Now()
	if err := u.Check(now); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unavailable(err) // nobody waits for the answer: the value need not be spent
	}
	select {
	case s.inFlight <- struct{}{}:
	default:
		return unavailable(errInFlight)
	}
	// Its own deadline, and not the request's end: the answer is waited for beside the call. The
	// deadline keeps go-redis from trying again after it.
	callCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	answer := make(chan error, 1)
	go func() {
		defer func() { <-s.inFlight }()
		defer cancel()
		answer <- s.call(callCtx, u, now)
	}()
	select {
	case err := <-answer:
		return err
	case <-callCtx.Done():
		// The goroutine cancels after it answered: an answer that is there is taken.
		select {
		case err := <-answer:
			return err
		default:
			return unavailable(callCtx.Err())
		}
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// call runs the script and reads its answer.
func (s *Store) call(ctx context.Context, u replay.Use, now time.Time) (err error) {
	defer func() {
		// In a goroutine of ours a panic would end the process, not the request.
		if recover() != nil {
			err = unavailable(errPanic)
		}
	}()
	var once [16]byte
	_, _ = rand.Read(once[:]) // never fails: crypto/rand ends the process instead
	// Rounded up: no value is forgotten within its last millisecond.
	until := u.Until.Add(time.Millisecond - 1).UnixMilli()
	skew := s.maxSkew.Milliseconds()
	key := s.prefix + base64.RawURLEncoding.EncodeToString(u.Key[:]) + "}"
	n, err := s.script.Run(ctx, s.client, []string{key},
		now.UnixMilli(), skew, until, until+skew, once[:]).Int()
	if err != nil {
		return unavailable(err)
	}
	switch n {
	case answerStored:
		return nil
	case answerUsed:
		return replay.ErrUsed
	case answerPast:
		return replay.ErrTooOld
	case answerSkew:
		return unavailable(errSkew)
	}
	return unavailable(errAnswer)
}

func unavailable(cause error) error { return outage.New(replay.ErrUnavailable, cause) }
