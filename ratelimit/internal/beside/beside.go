// Package beside runs a call beside its caller, who stops waiting at a deadline of his own.
//
// A client library may keep its caller longer than the context says: go-redis looks at a
// context's deadline only when told to, and other stores not at all. The caller's wait ends
// here in any case; the call itself ends when the library gives it up. MaxInFlight bounds how
// many such calls there can be, so that a hanging server costs neither goroutines without
// bound nor more than an instant once the bound is reached.
package beside

import (
	"context"
	"errors"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// Causes of a Failure that are not the call's own.
const (
	ErrTimeout = reason("no answer in time")
	ErrBusy    = reason("too many calls in flight")
	ErrPanic   = reason("the store panicked")
)

type reason string

func (r reason) Error() string { return string(r) }

// Failure is an outage. Its text is constant, because a library's may quote addresses,
// credentials and keys; its cause can be unwrapped.
type Failure struct{ Cause error }

// Error is the text of ratelimit.ErrUnavailable.
func (f *Failure) Error() string { return string(ratelimit.ErrUnavailable) }

// Is makes errors.Is(err, ratelimit.ErrUnavailable) true.
func (f *Failure) Is(target error) bool { return target == ratelimit.ErrUnavailable }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Defaults and bounds of a Runner.
const (
	Timeout     = 500 * time.Millisecond
	MaxInFlight = 1024

	mostTimeout  = time.Minute
	mostInFlight = 1 << 20
)

// Runner runs calls.
type Runner struct {
	timeout time.Duration
	slots   chan struct{}
}

// New makes a Runner; zero values mean the defaults. The errors name the fields of the Config
// they came from.
func New(timeout time.Duration, inFlight int) (*Runner, error) {
	var errs []error
	if timeout < 0 || timeout > mostTimeout {
		errs = append(errs, errors.New("ratelimit: Config.Timeout must be 0 to one minute"))
	}
	if inFlight < 0 || inFlight > mostInFlight {
		errs = append(errs, errors.New("ratelimit: Config.MaxInFlight must be 0 to 1<<20"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if timeout == 0 {
		timeout = Timeout
	}
	if inFlight == 0 {
		inFlight = MaxInFlight
	}
	return &Runner{timeout, make(chan struct{}, inFlight)}, nil
}

// Inline runs call where its caller is, for a library that is known to end with the context.
// Every error it returns is a *Failure.
func Inline[T any](ctx context.Context, r *Runner, call func(context.Context) (T, error)) (value T, err error) {
	select {
	case r.slots <- struct{}{}:
	default:
		return value, &Failure{ErrBusy}
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	returned := false
	defer func() {
		cancel()
		<-r.slots
		if !returned {
			_ = recover()
			var none T
			value, err = none, &Failure{ErrPanic}
		}
	}()
	value, err = call(ctx)
	if returned = true; err != nil {
		var none T
		return none, &Failure{err}
	}
	return value, nil
}

// Do runs call and waits for it until the timeout or the end of ctx. Every error it returns
// is a *Failure.
func Do[T any](ctx context.Context, r *Runner, call func(context.Context) (T, error)) (T, error) {
	var none T
	select {
	case r.slots <- struct{}{}:
	default:
		return none, &Failure{ErrBusy}
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1) // buffered: a late answer finds room and its goroutine ends
	go func() {
		a := answer{err: ErrPanic} // stands until call returns
		defer func() {
			_ = recover() // a panic here would end the process, not the request
			<-r.slots
			done <- a
		}()
		a.value, a.err = call(ctx)
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return none, &Failure{a.err}
		}
		return a.value, nil
	case <-ctx.Done():
		return none, &Failure{errors.Join(ErrTimeout, ctx.Err())}
	}
}
