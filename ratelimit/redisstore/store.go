// Package redisstore counts in Redis, for all processes that share it.
//
// One request is one script in one round trip, whatever the number of its limits, and Redis's
// own clock decides: processes whose clocks differ agree. All buckets of a key carry one hash
// tag, so that a Redis Cluster keeps them together. A bucket expires when nothing is owed.
//
// It fails closed: no answer in time, or an error of any kind, is ratelimit.ErrUnavailable,
// which a Limiter answers with 503. A command that the client library sends again because its
// reply was lost counts twice, which is the strict side. What a failover of Redis loses before
// it is replicated is forgotten: run it with replicas that are asked to WAIT, or accept it.
// When Redis's clock goes forward by a step, that time counts as passed; when it goes back, a
// bucket owes at most what fills it.
//
// Set maxmemory-policy to noeviction: any other forgets callers in debt when memory is short.
// Then a Redis that is full refuses to write, which is an outage. So callers are counted here
// behind authentication, and peers, who may have as many addresses as they like, in a
// ratelimit.Memory.
//
// A request sends one command. What Redis and the network can do is the more the fewer trips
// there are: a client's AutoPipeline, given to New as the client, gathers the commands of many
// requests into one, and ratelimit.Leases take permits ahead.
package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/internal/beside"
	"github.com/tegata-go/tegata/ratelimit/internal/gcra"
)

// Config describes a Store.
type Config struct {
	_ [0]func()

	// Prefix begins every key in Redis; "" means "tegata:ratelimit:". Up to 64 bytes of
	// printable ASCII without blanks and braces.
	Prefix string

	// Timeout is how long a request waits for Redis; 0 means 500 ms, one minute is the most.
	// It holds whatever the client's own timeouts are; keep those as short, for they say how
	// long a call that nobody waits for any more occupies a connection.
	Timeout time.Duration

	// Inline saves the goroutine that a call otherwise has beside the request, a fifth of its
	// time. It is for a client made with ContextTimeoutEnabled, which ends a call with its
	// context; New refuses another. A hook or dialer of one's own must do the same.
	Inline bool

	// MaxInFlight is how many calls may wait for Redis at once; more are refused at once with
	// ErrUnavailable. 0 means 1024.
	MaxInFlight int
}

const defaultPrefix = "tegata:ratelimit:"

// Store is a ratelimit.Store over Redis, alone, as a Cluster or behind Sentinel.
type Store struct {
	client redis.UniversalClient
	script *redis.Script
	prefix string
	run    *beside.Runner
	do     func(context.Context, *beside.Runner, func(context.Context) (string, error)) (string, error)
}

// New makes a Store over client, which stays the caller's to close. It connects to nothing.
// All mistakes are reported at once.
func New(client redis.UniversalClient, c Config) (*Store, error) {
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("redisstore: the client is missing"))
	}
	if len(c.Prefix) > 64 || strings.ContainsFunc(c.Prefix, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '{' || r == '}'
	}) {
		errs = append(errs, errors.New("redisstore: Config.Prefix must be up to 64 bytes of printable ASCII without blanks and braces"))
	}
	if c.Inline && !endsWithContext(client) {
		errs = append(errs, errors.New("redisstore: Config.Inline needs a client with ContextTimeoutEnabled"))
	}
	run, err := beside.New(c.Timeout, c.MaxInFlight)
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	s := &Store{client, redis.NewScript(script), c.Prefix, run, beside.Do[string]}
	if c.Inline {
		s.do = beside.Inline[string]
	}
	return s, nil
}

// endsWithContext tells whether the client looks at the deadline of a context. One whose
// options cannot be seen does not.
func endsWithContext(client redis.UniversalClient) bool {
	switch c := client.(type) {
	case *redis.Client:
		return c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return c.Options().ContextTimeoutEnabled
	}
	return false
}

// tick is the unit of Redis's clock.
const tick = time.Microsecond

// errAnswer: what came back is no answer of the script.
var errAnswer = errors.New("redisstore: unexpected answer")

// Take implements ratelimit.Store. Durations are whole microseconds, rounded up.
func (s *Store) Take(ctx context.Context, key string, cost int64, limits []ratelimit.Limit) (ratelimit.Result, error) {
	if err := ratelimit.Check(key, cost, limits); err != nil {
		return ratelimit.Result{}, err
	}
	buckets, clocks := make([]gcra.Bucket, len(limits)), make([]int64, len(limits))
	for i, l := range limits {
		if cost > burst(l) {
			return ratelimit.Result{Never: true, Limit: l}, nil
		}
		if l.Calendar != (ratelimit.Calendar{}) {
			t := time.Now()
			clock, end := l.Window(t)
			clocks[i], buckets[i].Ends, l.Period = clock.UnixMicro(), int64((end.Sub(t)+tick-1)/tick), time.Hour
		}
		rate, _ := gcra.Make(l.Count, int64(l.Period), burst(l), int64(tick)) // Check saw that it is within bounds
		buckets[i].Rate = &rate
	}
	keys, args := s.keys(key, limits), arguments(buckets, cost, clocks)
	answer, err := s.do(ctx, s.run, func(ctx context.Context) (string, error) {
		return s.script.Run(ctx, s.client, keys, args).Text()
	})
	if err != nil {
		return ratelimit.Result{}, err
	}
	if !owed(answer, buckets) {
		return ratelimit.Result{}, &beside.Failure{Cause: errAnswer}
	}
	var a gcra.Report
	gcra.Decide(buckets, cost, &a)
	if a.OK != (answer[0] == '1') {
		return ratelimit.Result{}, &beside.Failure{Cause: errAnswer}
	}
	return ratelimit.Result{
		OK: a.OK, Limit: limits[a.Index], Remaining: a.Remaining,
		Retry: time.Duration(a.Retry) * tick, Next: time.Duration(a.Next) * tick, Reset: time.Duration(a.Reset) * tick,
	}, nil
}

func burst(l ratelimit.Limit) int64 {
	if l.Burst == 0 {
		return l.Count
	}
	return l.Burst
}

// arguments are the numbers of the script. All are below 2^53, so that doubles hold them.
func arguments(buckets []gcra.Bucket, cost int64, clocks []int64) []byte {
	args := make([]byte, 0, 48*len(buckets))
	for i := range buckets {
		r := buckets[i].Rate
		take, most := r.Units(cost), r.Depth()
		for _, n := range [...]uint64{uint64(take.Q), take.R, uint64(most.Q), most.R, r.Den(), uint64(clocks[i])} {
			args = binary.LittleEndian.AppendUint64(args, math.Float64bits(float64(n)))
		}
	}
	return args
}

// owed reads what each limit owed before, as the script saw it; false: no script said that.
func owed(answer string, buckets []gcra.Bucket) bool {
	if len(answer) != 1+16*len(buckets) || answer[0] != '0' && answer[0] != '1' {
		return false
	}
	for i := range buckets {
		b := &buckets[i]
		q, r := number(answer[1+16*i:]), number(answer[9+16*i:])
		if most := b.Rate.Depth(); q < 0 || r < 0 || uint64(r) >= b.Rate.Den() || q > most.Q || q == most.Q && uint64(r) > most.R {
			return false
		}
		b.Owed = gcra.Span{Q: q, R: uint64(r)}
	}
	return true
}

// number reads a whole number from a double; -1: it is none.
func number(s string) int64 {
	var b [8]byte
	copy(b[:], s)
	f := math.Float64frombits(binary.LittleEndian.Uint64(b[:]))
	if !(f >= 0 && f < 1<<53) || f != math.Trunc(f) { // also when it is not a number
		return -1
	}
	return int64(f)
}

// keys names the buckets: prefix{digest of the key}digest of the limit. Digests have one
// length whatever the caller sends, and keep client ids and addresses out of Redis.
func (s *Store) keys(key string, limits []ratelimit.Limit) []string {
	keys := make([]string, len(limits))
	tagged := s.prefix + "{" + digest([]byte(key)) + "}"
	for i, l := range limits {
		b := make([]byte, 0, 24+ratelimit.MaxName)
		b = binary.BigEndian.AppendUint64(b, uint64(l.Count))
		b = binary.BigEndian.AppendUint64(b, uint64(l.Period))
		b = binary.BigEndian.AppendUint64(b, uint64(burst(l)))
		b = append(b, l.Name...)
		if c := l.Calendar.String(); c != "" {
			b = append(append(b, 0), c...) // no name has a NUL
		}
		keys[i] = tagged + digest(b)
	}
	return keys
}

// digest is the first 128 bits of SHA-256.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
