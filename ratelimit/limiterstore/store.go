// Package limiterstore makes a ratelimit.Store of any store of github.com/ulule/limiter/v3.
//
// It is for services that have such a store already. It counts as that store does, and that
// is less than ratelimit.Memory and redisstore do:
//
//   - Windows are fixed: a caller may spend Count at the end of one window and Count at the
//     beginning of the next, so any Period sees up to twice Count.
//   - Times are whole seconds, rounded up: Retry-After may be one second more than needed.
//   - One limit at a time. Such a store counts one key at a time, and taking several limits
//     one by one would charge some when another refuses; New of ratelimit and Take refuse it.
//   - No quotas by the calendar: a window begins with its first request.
//   - A cost above 1 is looked up before it is taken. If others take in between, a refused
//     cost may stay spent until the window ends; never is more admitted than Count.
//   - How much memory it takes under a flood of keys is the other store's matter; the memory
//     store of ulule/limiter has no bound.
package limiterstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"github.com/ulule/limiter/v3"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/internal/beside"
)

// Config describes a Store.
type Config struct {
	_ [0]func()

	// Timeout is how long a request waits for the other store; 0 means 500 ms, one minute is
	// the most.
	Timeout time.Duration

	// MaxInFlight is how many calls may wait for the other store at once; more are refused at
	// once with ErrUnavailable. 0 means 1024.
	MaxInFlight int
}

// Store is a ratelimit.Store of one limit over fixed windows.
type Store struct {
	store limiter.Store
	run   *beside.Runner
}

// New makes a Store over store.
func New(store limiter.Store, c Config) (*Store, error) {
	var errs []error
	if store == nil {
		errs = append(errs, errors.New("limiterstore: the store is missing"))
	}
	run, err := beside.New(c.Timeout, c.MaxInFlight)
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return &Store{store, run}, nil
}

var (
	errLimits = errors.New("limiterstore: one limit at a time, without a Burst of its own or a Calendar, its Period in whole seconds")
	errAnswer = errors.New("limiterstore: unexpected answer")
)

// Check tells whether limits can be served: one, with a Burst of 0 or Count, a Period of
// whole seconds and no Calendar. ratelimit.New asks it.
func (s *Store) Check(limits []ratelimit.Limit) error {
	if len(limits) != 1 {
		return errLimits
	}
	if l := limits[0]; l.Burst != 0 && l.Burst != l.Count || l.Period%time.Second != 0 || l.Calendar != (ratelimit.Calendar{}) {
		return errLimits
	}
	return nil
}

// Take implements ratelimit.Store for one limit. Any other number of limits is an error.
func (s *Store) Take(ctx context.Context, key string, cost int64, limits []ratelimit.Limit) (ratelimit.Result, error) {
	if err := ratelimit.Check(key, cost, limits); err != nil {
		return ratelimit.Result{}, err
	}
	if err := s.Check(limits); err != nil {
		return ratelimit.Result{}, err
	}
	l := limits[0]
	if cost > l.Count {
		return ratelimit.Result{Never: true, Limit: l}, nil
	}
	rate := limiter.Rate{Period: l.Period, Limit: l.Count}
	a, err := beside.Do(ctx, s.run, func(ctx context.Context) (answer, error) {
		return s.take(ctx, name(key, l), cost, rate)
	})
	if err != nil {
		return ratelimit.Result{}, err
	}
	return a.result(l, time.Now()), nil
}

type answer struct {
	ok    bool
	state limiter.Context
}

// take looks first, unless the cost is 1: one unit refused is one that was not there.
func (s *Store) take(ctx context.Context, key string, cost int64, rate limiter.Rate) (answer, error) {
	if cost != 1 {
		c, err := s.store.Peek(ctx, key, rate)
		if err == nil {
			err = sane(c, rate)
		}
		if err != nil || cost == 0 || c.Remaining < cost {
			return answer{c.Remaining >= cost, c}, err
		}
	}
	c, err := s.store.Increment(ctx, key, cost, rate)
	if err == nil {
		err = sane(c, rate)
	}
	return answer{!c.Reached, c}, err
}

// sane refuses an answer that contradicts itself: an empty one would admit.
func sane(c limiter.Context, rate limiter.Rate) error {
	if c.Limit != rate.Limit || c.Remaining < 0 || c.Remaining > c.Limit || c.Reached && c.Remaining > 0 {
		return errAnswer
	}
	return nil
}

// result adds the second by which Reset, whole seconds rounded down, may come too early.
func (a answer) result(l ratelimit.Limit, now time.Time) ratelimit.Result {
	until := time.Unix(a.state.Reset+1, 0).Sub(now)
	until = min(max(until, time.Second), l.Period+time.Second)
	r := ratelimit.Result{OK: a.ok, Limit: l, Remaining: a.state.Remaining}
	if r.Remaining < l.Count {
		r.Next, r.Reset = until, until
	}
	if !a.ok {
		r.Retry = until
	}
	return r
}

// name is the other store's key: a digest of the key under the limit, because such a store
// keeps one count per key whatever the rate.
func name(key string, l ratelimit.Limit) string {
	sum := sha256.Sum256([]byte(ratelimit.Key("tegata", l.Name, strconv.FormatInt(l.Count, 10), l.Period.String(), key)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
