package ratelimit

import (
	"context"
	"errors"
	"math/bits"
	"sync"
	"time"
)

// LeasesConfig describes Leases.
type LeasesConfig struct {
	_ [0]func()

	// Store is where permits are leased, for example in Redis. It bounds its own time.
	Store Store

	// Permits is the most that one lease takes ahead, 2 to 1<<20; 0 means 50.
	Permits int64

	// Hold is how long permits may be held, 1 ms to 10 s; 0 means 100 ms. All processes that
	// share Store and a limit have the same.
	Hold time.Duration

	// MaxKeys is how many leases are held, for one caller under one list of limits each; 0
	// means 65 536, 1<<24 is the most. Whoever finds no room asks Store each time.
	MaxKeys int
}

// Leases is a Store that takes permits from another ahead of their use, so that a caller who
// sends many requests costs few round trips: a lease grows while it is used up in time, from
// one permit to Permits. Refusals are remembered for their Retry, and cost none.
//
// Nothing is admitted that was not taken before. So that permits taken early and used late do
// not add to those of others, Store is asked with a burst that is smaller by what comes back
// during Hold, Count*Hold/Period rounded up: what all processes admit together stays within
// Burst + Count*t/Period over every window, as without leases: of what is used in a window, all
// was taken in one that is longer by Hold. The price is on the other side: permits not used within
// Hold are lost to their caller, and a cost above the smaller burst is refused for good. A lease
// asks for at most a quarter of what is left, so near the limit there are more trips, and little
// is lost.
//
// Quotas, and limits whose burst is not above what comes back during Hold, are not leased:
// each request asks Store. Remaining is what Store said when it was last asked.
type Leases struct {
	store   Store
	permits int64
	hold    time.Duration
	most    int // leases of one shard
	hash    hasher
	base    time.Time
	shards  [leaseShards]leaseShard
}

const (
	leaseShards   = 16
	defaultLeases = 1 << 16
	mostLeases    = 1 << 24
	mostPermits   = 1 << 20
	mostHold      = 10 * time.Second
)

type leaseShard struct {
	mu   sync.Mutex
	held map[tag]*lease
	_    [64]byte
}

// NewLeases makes Leases. All mistakes in c are reported at once.
func NewLeases(c LeasesConfig) (*Leases, error) {
	var errs []error
	mistake := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("ratelimit: LeasesConfig."+text))
		}
	}
	mistake(c.Store == nil, "Store is missing")
	mistake(c.Permits < 0 || c.Permits == 1 || c.Permits > mostPermits, "Permits must be 0, or 2 to 1<<20")
	mistake(c.Hold != 0 && c.Hold < time.Millisecond || c.Hold > mostHold, "Hold must be 0, or 1 ms to 10 s")
	mistake(c.MaxKeys < 0 || c.MaxKeys > mostLeases, "MaxKeys must be 0 to 1<<24")
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	l := &Leases{store: c.Store, permits: c.Permits, hold: c.Hold, most: c.MaxKeys, hash: newHasher(), base: time.Now()}
	if l.permits == 0 {
		l.permits = 50
	}
	if l.hold == 0 {
		l.hold = 100 * time.Millisecond
	}
	if l.most == 0 {
		l.most = defaultLeases
	}
	l.most = (l.most + leaseShards - 1) / leaseShards
	for i := range l.shards {
		l.shards[i].held = map[tag]*lease{}
	}
	return l, nil
}

// Check asks Store.
func (l *Leases) Check(limits []Limit) error {
	if s, ok := l.store.(interface{ Check([]Limit) error }); ok {
		return s.Check(limits)
	}
	return nil
}

// Take implements Store.
func (l *Leases) Take(ctx context.Context, key string, cost int64, limits []Limit) (Result, error) {
	if err := Check(key, cost, limits); err != nil {
		return Result{}, err
	}
	id := l.hash.key(key)
	for i := range limits {
		if _, ok := l.less(limits[i]); !ok {
			return l.store.Take(ctx, key, cost, limits)
		}
		id = id.under(l.hash.limit(&limits[i]))
		id.a = fold(id.a, 0x9e3779b97f4a7c15) // the order of limits matters, and no two cancel
	}
	return l.take(ctx, id, request{key, cost, limits})
}

// less is limit with the burst that Store is asked with; false: it is not leased.
func (l *Leases) less(limit Limit) (Limit, bool) {
	if limit.Calendar != (Calendar{}) {
		return limit, false
	}
	hi, lo := bits.Mul64(uint64(limit.Count), uint64(l.hold))
	lo, carry := bits.Add64(lo, uint64(limit.Period)-1, 0)
	if hi += carry; hi >= uint64(limit.Period) {
		return limit, false
	}
	back, _ := bits.Div64(hi, lo, uint64(limit.Period))
	burst := uint64(limit.burst())
	if back >= burst {
		return limit, false
	}
	limit.Burst = int64(burst - back)
	return limit, true
}

// request is one Take.
type request struct {
	key    string
	cost   int64
	limits []Limit
}

// ask asks Store for n permits, as if for the limits that were given. A lease is not the
// request's alone: it must not fail because that one hangs up.
func (l *Leases) ask(ctx context.Context, q request, n int64) (Result, error) {
	lowered := make([]Limit, len(q.limits))
	for i := range q.limits {
		lowered[i], _ = l.less(q.limits[i])
	}
	res, err := l.store.Take(context.WithoutCancel(ctx), q.key, n, lowered)
	if err != nil {
		return Result{}, err
	}
	for i := range lowered {
		if res.Limit == lowered[i] {
			res.Limit = q.limits[i]
			break
		}
	}
	return res, nil
}
