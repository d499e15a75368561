package ratelimit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// OutageConfig describes a Store that answers although another cannot. Without one a Limiter
// fails closed: an outage is 503.
type OutageConfig struct {
	_ [0]func()

	// Store is asked first. It bounds its own time: a request that ends does not end its call.
	Store Store

	// Report is told of every call that failed, and with nil of the first that succeeded after
	// one. It is fast and safe for concurrent use.
	Report func(error)

	// Pause is how long Store is left alone after a failure. Then one request asks it, and the
	// others only once that was answered. 0 means one second; one hour is the most.
	Pause time.Duration
}

// LocalFallback gives a Store that counts in local, a Memory, while c.Store cannot: a limit
// of this process, so that together n processes admit up to n times as much during an outage.
// What was taken before the outage is not known in local, and what is taken there is not known
// after it.
func LocalFallback(local Store, c OutageConfig) (Store, error) {
	var errs []error
	if local == nil {
		errs = append(errs, errors.New("ratelimit: LocalFallback needs a local Store"))
	}
	return newOutage(local, c, errs)
}

// DangerouslyFailOpen gives a Store that admits everything, uncounted, while c.Store cannot
// answer.
//
// WARNING: whoever can bring c.Store down has no limits. It suits a limit whose only purpose
// is fairness, never one that holds attackers back.
func DangerouslyFailOpen(c OutageConfig) (Store, error) {
	return newOutage(StoreFunc(func(context.Context, string, int64, []Limit) (Result, error) {
		return Result{OK: true}, nil
	}), c, nil)
}

// outage asks second while first does not answer.
type outage struct {
	first, second Store
	report        func(error)
	pause         time.Duration
	base          time.Time
	until         atomic.Int64 // since base: first is left alone until then; 0: it answers
}

const mostPause = time.Hour

func newOutage(second Store, c OutageConfig, errs []error) (Store, error) {
	if c.Store == nil {
		errs = append(errs, errors.New("ratelimit: OutageConfig.Store is missing"))
	}
	if c.Report == nil {
		errs = append(errs, errors.New("ratelimit: OutageConfig.Report is missing: nobody would learn of the outage"))
	}
	if c.Pause < 0 || c.Pause > mostPause {
		errs = append(errs, errors.New("ratelimit: OutageConfig.Pause must be 0 to one hour"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if c.Pause == 0 {
		c.Pause = time.Second
	}
	return &outage{first: c.Store, second: second, report: c.Report, pause: c.Pause, base: time.Now()}, nil
}

// Take implements Store.
func (o *outage) Take(ctx context.Context, key string, cost int64, limits []Limit) (Result, error) {
	until := o.until.Load()
	if until != 0 {
		now := int64(time.Since(o.base))
		if now < until || !o.until.CompareAndSwap(until, now+int64(o.pause)) { // another one asks
			return o.instead(ctx, key, cost, limits)
		}
	}
	// A caller who hangs up must not look like an outage.
	res, err := o.first.Take(context.WithoutCancel(ctx), key, cost, limits)
	if err == nil {
		if until != 0 && o.until.Swap(0) != 0 {
			o.report(nil)
		}
		return res, nil
	}
	if errors.Is(err, ErrBounds) {
		return res, err
	}
	o.until.Store(int64(time.Since(o.base) + o.pause))
	o.report(err)
	return o.instead(ctx, key, cost, limits)
}

// instead checks what a Store checks first: nothing out of bounds passes during an outage.
func (o *outage) instead(ctx context.Context, key string, cost int64, limits []Limit) (Result, error) {
	if err := Check(key, cost, limits); err != nil {
		return Result{}, err
	}
	return o.second.Take(ctx, key, cost, limits)
}

// Check asks both stores.
func (o *outage) Check(limits []Limit) error {
	for _, s := range []Store{o.first, o.second} {
		if s, ok := s.(interface{ Check([]Limit) error }); ok {
			if err := s.Check(limits); err != nil {
				return err
			}
		}
	}
	return nil
}
