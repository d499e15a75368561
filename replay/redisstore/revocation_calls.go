package redisstore

import (
	"context"
	"sync/atomic"
	"time"
)

// calls bounds what is asked of Redis, in time and in number, whatever the client's own timeouts
// are: a call runs beside the one who waits for it.
type calls struct {
	timeout  time.Duration
	inFlight chan struct{}
}

// do runs f and waits for it no longer than the timeout, or until ctx ends. When nobody waits
// any longer and f has ended, late runs, if it is given, with a deadline of its own.
func (c *calls) do(ctx context.Context, f func(context.Context) error, late func(context.Context)) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	select {
	case c.inFlight <- struct{}{}:
	default:
		return unavailable(errInFlight)
	}
	lasting := context.WithoutCancel(ctx)
	callCtx, cancel := context.WithTimeout(lasting, c.timeout)
	answer := make(chan error, 1)
	var settled atomic.Bool // by the answer, or by giving up
	go func() {
		defer func() { <-c.inFlight }()
		defer cancel()
		err := guarded(callCtx, f)
		if settled.CompareAndSwap(false, true) {
			answer <- err
			return
		}
		if late != nil {
			lateCtx, cancel := context.WithTimeout(lasting, c.timeout)
			defer cancel()
			_ = guarded(lateCtx, func(ctx context.Context) error { late(ctx); return nil })
		}
	}()
	var gone error
	select {
	case err := <-answer:
		return err
	case <-callCtx.Done():
		gone = callCtx.Err()
	case <-ctx.Done():
		gone = ctx.Err()
	}
	if settled.CompareAndSwap(false, true) {
		return unavailable(gone)
	}
	return <-answer
}

// guarded runs f. In a goroutine of ours a panic would end the process, not the request.
func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if recover() != nil {
			err = unavailable(errPanic)
		}
	}()
	return f(ctx)
}
