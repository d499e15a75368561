package beside_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/internal/beside"
)

func runner(t *testing.T, timeout time.Duration, inFlight int) *beside.Runner {
	t.Helper()
	r, err := beside.New(timeout, inFlight)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func failure(t *testing.T, err, cause error) {
	t.Helper()
	if !errors.Is(err, ratelimit.ErrUnavailable) || !errors.Is(err, cause) || err.Error() != string(ratelimit.ErrUnavailable) {
		t.Errorf("got %v, want it unavailable because of %v", err, cause)
	}
}

func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runner(t, 0, 0)
		n, err := beside.Do(t.Context(), r, func(context.Context) (int, error) { return 7, nil })
		if n != 7 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		secret := errors.New("WRONGPASS for user:password")
		n, err = beside.Do(t.Context(), r, func(context.Context) (int, error) { return 7, secret })
		if n != 0 {
			t.Errorf("a failed call gives %d", n)
		}
		failure(t, err, secret)
	})
}

// pitfall-87: a call that hangs keeps its caller no longer than the timeout, whatever it does
// with its context, and hanging calls are bounded.
func TestDoHangs(t *testing.T) {
	t.Run("pitfall-87", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, release := runner(t, time.Second, 2), make(chan struct{})
			hang := func(context.Context) (int, error) { <-release; return 1, nil }
			began := time.Now()
			for range 2 {
				_, err := beside.Do(t.Context(), r, hang)
				failure(t, err, beside.ErrTimeout)
			}
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("two calls took %v", took)
			}
			began = time.Now()
			_, err := beside.Do(t.Context(), r, hang)
			failure(t, err, beside.ErrBusy)
			if took := time.Since(began); took != 0 {
				t.Errorf("a call too many took %v", took)
			}
			close(release)
			synctest.Wait()
			if n, err := beside.Do(t.Context(), r, hang); n != 1 || err != nil {
				t.Errorf("after recovery: %d, %v", n, err)
			}
		})
	})
	t.Run("the request ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := beside.Do(ctx, runner(t, time.Minute, 0), func(ctx context.Context) (int, error) { <-ctx.Done(); return 1, nil })
			if err != nil { // either may come first: the answer or the end
				failure(t, err, context.Canceled)
			}
		})
	})
}

func TestDoPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runner(t, 0, 1)
		for range 3 { // the place is given back
			_, err := beside.Do(t.Context(), r, func(context.Context) (int, error) { panic("secret") })
			failure(t, err, beside.ErrPanic)
			_, err = beside.Do(t.Context(), r, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
			failure(t, err, beside.ErrPanic)
		}
	})
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		timeout  time.Duration
		inFlight int
	}{{-1, 0}, {time.Minute + 1, 0}, {0, -1}, {0, 1<<20 + 1}} {
		if _, err := beside.New(c.timeout, c.inFlight); err == nil {
			t.Errorf("%v, %d was taken", c.timeout, c.inFlight)
		}
	}
}

func TestInline(t *testing.T) {
	r, err := beside.New(time.Second, 1)
	if err != nil {
		t.Fatal(err)
	}
	v, err := beside.Inline(t.Context(), r, func(ctx context.Context) (int, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("no deadline")
		}
		_, err := beside.Inline(ctx, r, func(context.Context) (int, error) { return 1, nil })
		if !errors.Is(err, beside.ErrBusy) {
			t.Errorf("a second call: %v", err)
		}
		return 7, nil
	})
	if v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	for name, call := range map[string]func(context.Context) (int, error){
		"error": func(context.Context) (int, error) { return 7, errors.New("secret") },
		"panic": func(context.Context) (int, error) { panic("secret") },
	} {
		v, err := beside.Inline(t.Context(), r, call)
		var f *beside.Failure
		if v != 0 || !errors.As(err, &f) || !errors.Is(err, ratelimit.ErrUnavailable) || err.Error() != string(ratelimit.ErrUnavailable) {
			t.Errorf("%s: %d, %v", name, v, err)
		}
	}
	if v, err := beside.Inline(t.Context(), r, func(context.Context) (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("after a panic: %d, %v", v, err)
	}
}
