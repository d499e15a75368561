package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/replay"
)

// What a RevocationsConfig means when it says nothing.
const (
	DefaultRevocationCapacity = 1 << 16
	DefaultRevocationBound    = time.Second
)

// RevocationsConfig is what [Revocations] are made from. Its zero value is complete.
type RevocationsConfig struct {
	_ [0]func()

	// Prefix is that of [Config]. Replicas that shall know of each other's revocations have the same.
	Prefix string

	// Capacity is how many names can be revoked at once, from 1 to 2^23, the same on all
	// replicas; zero means DefaultRevocationCapacity. It takes some 300 bytes of Redis and 120
	// of every replica for each that is.
	Capacity int

	// Bound is the time after which a revocation holds on every replica, from 200 milliseconds to a
	// minute; zero means DefaultRevocationBound. A replica that could not make sure for so long
	// that it knows of everything refuses everybody.
	Bound time.Duration

	// Timeout is how long one call waits for Redis, from 10 milliseconds to half of Bound; zero
	// means that, and at most DefaultTimeout.
	Timeout time.Duration

	// MaxSkew is that of [Config].
	MaxSkew time.Duration
}

// Revocations is a list of revoked names that replicas share: a token.Revocations. It is
// replay.Revocations in every replica, kept up to date from one list in Redis.
//
// A revocation holds on the replica that was told when Revoke returns, on every other
// as soon as Redis's message reaches it, and after Bound at the latest: a
// replica asks Redis four times in a Bound what is new, and answers replay.ErrUnavailable,
// under a revision of its own each time, when its last whole answer was asked for longer than a
// Bound ago. So a replica that was cut off refuses everybody, and is up to date when it serves again.
//
// A replica that was out of touch reads the whole list anew; all do so every half minute, and when
// Redis does not know what they know: what Redis lost, at a restart or a failover, is written again
// by every replica that remembers it. Only what no running replica knows of is lost with Redis.
//
// The list is three keys of Redis and a channel, in one hash slot:
//
//	{<prefix>:revocations:1}:names   hash: name → all:before:until, and the fields epoch and last
//	{<prefix>:revocations:1}:log     sorted set: names by when they were last written
//	{<prefix>:revocations:1}:ends    sorted set: names by when they may be forgotten
//	{<prefix>:revocations:1}:news    channel: something was written
//
// All expire with the last revocation. An old primary that nobody has told of its successor, behind
// a partition, is believed for as long as it answers: min-replicas-to-write and
// min-replicas-max-lag end that, since what replicas ask counts as a write.
type Revocations struct {
	client   redis.UniversalClient
	keys     []string
	channel  string
	capacity int
	bound    time.Duration
	maxSkew  time.Duration
	calls    calls
	write    *redis.Script
	read     *redis.Script

	list  *replay.Revocations
	stale atomic.Uint64             // questions at which the list was not current
	asked atomic.Pointer[time.Time] // when the last whole answer was asked for
	wrote atomic.Uint64             // the last place in the log that was written from here

	mu     sync.Mutex
	flight *flight
	retry  time.Time // no new flight before

	known known // of the one flight there is
}

// NewRevocations makes a list over the caller's client. It does not reach for Redis, and starts nothing:
// see [Revocations.Run].
func NewRevocations(client redis.UniversalClient, c RevocationsConfig) (*Revocations, error) {
	c = c.complete()
	mistakes := c.mistakes()
	if client == nil {
		mistakes = append(mistakes, errors.New("redisstore: no client"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	// What Redis has forgotten a little earlier than a replica needs room too.
	list, err := replay.NewRevocations(replay.RevocationsConfig{Capacity: 2 * c.Capacity})
	if err != nil {
		return nil, err
	}
	tag := "{" + c.Prefix + ":revocations:1}"
	return &Revocations{
		client:   client,
		keys:     []string{tag + ":names", tag + ":log", tag + ":ends"},
		channel:  tag + ":news",
		capacity: c.Capacity,
		bound:    c.Bound,
		maxSkew:  c.MaxSkew,
		calls:    calls{c.Timeout, make(chan struct{}, 64)},
		write:    redis.NewScript(writeRevocations),
		read:     redis.NewScript(readRevocations),
		list:     list,
	}, nil
}

func (c RevocationsConfig) complete() RevocationsConfig {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if c.Capacity == 0 {
		c.Capacity = DefaultRevocationCapacity
	}
	if c.Bound == 0 {
		c.Bound = DefaultRevocationBound
	}
	if c.Timeout == 0 {
		c.Timeout = min(c.Bound/2, DefaultTimeout)
	}
	if c.MaxSkew == 0 {
		c.MaxSkew = DefaultMaxSkew
	}
	return c
}

// mistakes gives everything that is wrong with the configuration.
func (c RevocationsConfig) mistakes() (all []error) {
	all = Config{Prefix: c.Prefix, Timeout: DefaultTimeout, MaxSkew: c.MaxSkew, MaxInFlight: 1}.mistakes()
	if c.Capacity < 1 || c.Capacity > 1<<23 {
		all = append(all, fmt.Errorf("redisstore: Capacity %d is not between 1 and %d", c.Capacity, 1<<23))
	}
	if c.Bound < 200*time.Millisecond || c.Bound > time.Minute {
		all = append(all, fmt.Errorf("redisstore: Bound %v is not between 200ms and 1m", c.Bound))
	}
	if c.Timeout < 10*time.Millisecond || c.Timeout > c.Bound/2 {
		all = append(all, fmt.Errorf("redisstore: Timeout %v is not between 10ms and half of Bound", c.Timeout))
	}
	return all
}

// Revoke is [replay.Revocations.Revoke] for all replicas, in one atomic write. It holds here even
// when there is an error; after one nobody knows whether it holds elsewhere, and it should be
// repeated. An outage is [replay.ErrUnavailable] with a constant text; its cause is in its chain.
func (r *Revocations) Revoke(ctx context.Context, name replay.Key, until time.Time) error {
	if err := r.list.Revoke(ctx, name, until); err != nil {
		return err
	}
	return r.publish(ctx, []replay.Revocation{{Name: name, Until: until}})
}

// RevokeBefore is [replay.Revocations.RevokeBefore] for all replicas, like [Revocations.Revoke].
func (r *Revocations) RevokeBefore(ctx context.Context, name replay.Key, issuedBefore, until time.Time) error {
	if err := r.list.RevokeBefore(ctx, name, issuedBefore, until); err != nil {
		return err
	}
	return r.publish(ctx, []replay.Revocation{{Name: name, IssuedBefore: issuedBefore, Until: until}})
}

// Revision is [replay.Revocations.Revision]. While the list is not current it is another with every
// call: what was answered before is not to be relied upon.
func (r *Revocations) Revision() uint64 {
	if !r.current(time.Now()) {
		r.stale.Add(1)
	}
	// Both only grow, so that a change of one is never hidden by the other.
	return r.stale.Load() + r.list.Revision()
}

// Revoked is [replay.Revocations.Revoked]. When the list is not current it waits until it is,
// for one Timeout at most, and is [replay.ErrUnavailable] then.
func (r *Revocations) Revoked(ctx context.Context, names []replay.Key, issued time.Time) error {
	if !r.current(time.Now()) {
		if err := r.list.Revoked(ctx, names, issued); err != nil {
			return err // what is known to be revoked is, whatever else may be
		}
		if err := r.refresh(ctx, false); err != nil {
			return err
		}
		if !r.current(time.Now()) { // it took too long
			return unavailable(errNotCurrent)
		}
	}
	return r.list.Revoked(ctx, names, issued)
}

// current tells whether everything is known that was revoked a Bound ago. The monotonic clock stands
// still while the machine is suspended, the wall clock may be set: neither may have moved on.
func (r *Revocations) current(now time.Time) bool {
	last := r.asked.Load()
	return last != nil && now.Sub(*last) < r.bound && now.Round(0).Sub(last.Round(0)) < r.bound
}

// publish writes entries to Redis in one step.
func (r *Revocations) publish(ctx context.Context, entries []replay.Revocation) error {
	args := make([]any, 0, 6+4*len(entries))
	args = append(args, time.Now().UnixMilli(), r.maxSkew.Milliseconds(), replay.RevocationGrace.Milliseconds(),
		r.capacity, rand.Text(), r.channel)
	for _, e := range entries {
		args = append(args, e.Name[:])
		until := e.Until.Add(time.Millisecond - 1).UnixMilli() // rounded up, as in memory
		if e.IssuedBefore.IsZero() {
			args = append(args, until, 0, 0)
		} else {
			args = append(args, 0, max(e.IssuedBefore.Add(time.Millisecond-1).UnixMilli(), 1), until)
		}
	}
	return r.calls.do(ctx, func(ctx context.Context) error {
		answer, err := r.write.Run(ctx, r.client, r.keys, args...).Slice()
		if err != nil {
			return unavailable(err)
		}
		if len(answer) != 2 {
			return unavailable(errAnswer)
		}
		last, ok := parseUint(answer[1])
		switch n := answer[0]; {
		case n == int64(revocationsDone) && ok:
			r.wrote.Store(last)
			return nil
		case n == int64(revocationsFull):
			return replay.ErrFull
		case n == int64(revocationsSkew):
			return unavailable(errSkew)
		}
		return unavailable(errAnswer)
	}, nil)
}
