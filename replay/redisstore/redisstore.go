// Package redisstore is a replay.Store in Redis, shared by the replicas of a service.
//
// It needs Redis 7.0 or later, or a server compatible with it such as Valkey; single, behind
// Sentinel, or a Cluster. One key per value:
//
//	<prefix>:replay:1:{<43 characters: the replay.Key in base64url>}
//
// holds 16 random bytes and expires MaxSkew after the value's Until. The 1 is the version of
// this layout. The braces are the hash tag of Redis Cluster.
//
// # What Redis must be told
//
// To keep what it acknowledged: maxmemory-policy noeviction, since any other policy makes room by
// forgetting keys that are live; and persistence (appendonly yes), or a restart of Redis lets
// every value that still lives be used once more. With appendfsync everysec what was written
// survives the death of the process; with always, that of the machine. [Store.Check] looks at
// the policy.
//
// # What a failover can lose
//
// Redis replicates asynchronously. A key that was acknowledged just before its master died, and
// had not reached the replica that was promoted, is forgotten, and its value can be used once
// more; a master that is cut off and does not know it accepts values that the new one has
// never heard of. Config.Replicas closes that: a use is believed only when so many replicas have
// it. It must be as many as could be promoted: with two replicas and Replicas 1, the other one
// may be promoted. A cut-off master reaches no replica, so that its uses are refused. It costs a
// round trip between master and replica in each decision, and availability: while fewer
// replicas are there, every use is refused. The other remedy is a nonce for every request
// (RFC 9449 §9): what was used before a failover is then too old within minutes or seconds.
// What each fault costs, with and without Replicas, is printed by
//
//	go test -run 'TestFaults|TestRevocationFailover' -v ./replay/redisstore -long
//
// It is the same for [Runs], which have no such remedy: a payment whose beginning was lost can be
// made again with its key, unless Redis is told not to accept what no replica has heard of for long
// (min-replicas-to-write, min-replicas-max-lag), which makes the loss small. [Revocations] are
// written again by every replica that knows of them.
//
// # What happens under load and in an outage
//
// A use that finds nothing under way is sent at once. While answers are awaited, uses gather, and go
// together in the next round trip. A use waits no longer than Timeout. When Redis did not
// answer in that time, or failed several times in a row, uses are refused without being sent,
// but for one that probes, at first after a tenth of a second and then at least every second: when
// that is answered all are sent again. In a Cluster each eighth of the hash slots gathers
// and breaks for itself.
package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

// layout follows the prefix of every key.
const layout = ":replay:1:{"

// maxReplicas bounds Config.Replicas.
const maxReplicas = 16

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

	// Replicas is how many replicas must have acknowledged a use before it is believed, up to
	// 16, by WAIT in the same round trip. Zero means none, and that a failover can lose uses
	// that were believed. When fewer acknowledge within half of Timeout, the use is refused.
	Replicas int
}

// Store is a [replay.Store]. It fails closed: whatever goes wrong is [replay.ErrUnavailable], and
// a Redis whose memory is full is [replay.ErrFull].
//
// It does not look at Made: what Redis lost can be used again. It has no quotas.
type Store struct {
	client   redis.UniversalClient
	cluster  *redis.ClusterClient // nil if it is none
	prefix   string
	timeout  time.Duration
	maxSkew  time.Duration
	replicas int
	lanes    []lane
	idle     sync.Pool // of calls that were answered

	inFlight    atomic.Int64
	maxInFlight int64
}

// New makes a store over the caller's client: *redis.Client for a single server or Sentinel,
// *redis.ClusterClient, or what wraps one of them. It does not reach for Redis: a service starts
// without it, and refuses until it is there. Nothing has to be closed but the client: what a store
// keeps running between uses ends when none came for twice the Timeout.
//
// A *redis.Ring is a mistake: it asks another server when one is gone, which knows of no use.
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
	switch client.(type) {
	case nil:
		mistakes = append(mistakes, errors.New("redisstore: no client"))
	case *redis.Ring:
		mistakes = append(mistakes, errors.New("redisstore: the client is a Ring, which forgets"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	s := &Store{
		client:   client,
		prefix:   c.Prefix + layout,
		timeout:  c.Timeout,
		maxSkew:  c.MaxSkew,
		replicas: c.Replicas,
		lanes:    make([]lane, 1),

		maxInFlight: int64(c.MaxInFlight),
	}
	if cluster, ok := client.(*redis.ClusterClient); ok {
		s.cluster, s.lanes = cluster, make([]lane, clusterLanes)
	}
	return s, nil
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
	if c.Replicas < 0 || c.Replicas > maxReplicas {
		all = append(all, fmt.Errorf("redisstore: Replicas %d is not between 0 and %d", c.Replicas, maxReplicas))
	}
	return all
}

// Causes of an outage that are not Redis's own words.
var (
	errSkew     = errors.New("redisstore: clocks are too far apart")
	errInFlight = errors.New("redisstore: too many calls in flight")
	errPanic    = errors.New("redisstore: the client panicked")
	errAnswer   = errors.New("redisstore: unexpected answer")
	errRefused  = errors.New("redisstore: Redis refused")
	errOpen     = errors.New("redisstore: Redis was not there a moment ago")
	errReplicas = errors.New("redisstore: too few replicas acknowledged")
)

// errPanicked is the reply to whom none was given.
var errPanicked = unavailable(errPanic)

// errFull is Redis without memory.
var errFull = outage.New(replay.ErrFull, errors.New("redisstore: Redis has no memory left"))

func unavailable(cause error) error { return outage.New(replay.ErrUnavailable, cause) }
