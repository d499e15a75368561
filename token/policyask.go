package token

import (
	"context"
	"fmt"
	"time"
)

const (
	defaultTimeout, limitTimeout = 500 * time.Millisecond, 5 * time.Second
	defaultInFlight              = 256
)

const (
	errBusy  = constant("token: too many calls in flight")
	errPanic = constant("token: the function called has panicked")
)

// outside bounds calls of functions that are not ours, in time and in number. It waits beside the call: one that
// does not heed its context holds a place, not a request.
type outside struct {
	timeout time.Duration
	places  chan struct{}
}

// newOutside fills in defaults; what is out of bounds is a mistake in the Config of that name.
func newOutside(config string, timeout time.Duration, inFlight int) (*outside, error) {
	if timeout == 0 {
		timeout = defaultTimeout
	}
	if inFlight == 0 {
		inFlight = defaultInFlight
	}
	if timeout < 0 || timeout > limitTimeout || inFlight < 0 || inFlight > 1<<16 {
		return nil, fmt.Errorf("token: %s: Timeout is not within 0 and %v, or MaxInFlight not within 0 and 65536", config, limitTimeout)
	}
	return &outside{timeout: timeout, places: make(chan struct{}, inFlight)}, nil
}

// call runs f; an error is f's own, that the time is over, that nobody waits any more, or that no place is free.
func call[T any](ctx context.Context, o *outside, f func(context.Context) (T, error)) (T, error) {
	var none T
	select {
	case o.places <- struct{}{}:
	default:
		return none, errBusy
	}
	type outcome struct {
		value T
		err   error
	}
	inner, cancel := context.WithTimeout(ctx, o.timeout)
	done := make(chan outcome, 1)
	go func() {
		said := outcome{err: errPanic}
		defer func() {
			_ = recover() // in a goroutine of its own it would end the process
			cancel()
			<-o.places
			done <- said
		}()
		value, err := f(inner)
		said = outcome{value, err}
	}()
	timer := time.NewTimer(o.timeout)
	defer timer.Stop()
	select {
	case said := <-done:
		return said.value, said.err
	case <-timer.C:
		return none, context.DeadlineExceeded
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
