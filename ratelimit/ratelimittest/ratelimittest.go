// Package ratelimittest tells whether a ratelimit.Store keeps its promises.
package ratelimittest

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// Options say what a store cannot do, so that the rest is asked of it. The zero value asks
// for everything.
type Options struct {
	_ [0]func()

	// FixedWindow: the store forgets a window at its end instead of leaking evenly.
	FixedWindow bool

	// OneLimit: the store takes one limit at a time, and refuses more with an error.
	OneLimit bool

	// NoCalendar: the store refuses a limit with a Calendar, with an error.
	NoCalendar bool

	// Synctest: the store reads time.Now and waits on nothing else, so that each check can run
	// in a testing/synctest bubble: at no cost, and to the nanosecond.
	Synctest bool

	// Slack is waited in addition to Retry, for a store whose clock is not the test's.
	Slack time.Duration
}

// Run runs every check as a subtest, each with a new store.
func Run(t *testing.T, store func() ratelimit.Store, o Options) {
	t.Helper()
	for _, c := range cases {
		one := func(t *testing.T) {
			if err := c.run(store(), o); err != nil {
				t.Errorf("%v\n%s", err, c.because)
			}
		}
		t.Run(c.name, func(t *testing.T) {
			if o.Synctest {
				synctest.Test(t, one)
				return
			}
			one(t)
		})
	}
}

// Test is Run without a *testing.T: it gives what is wrong, joined. Each failed check is
// named as Run names its subtest. With Synctest it must be called inside a bubble.
func Test(store func() ratelimit.Store, o Options) error {
	var errs []error
	for _, c := range cases {
		if err := c.run(store(), o); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w\n%s", c.name, err, c.because))
		}
	}
	return errors.Join(errs...)
}

// check is one promise, with the sentence that explains it.
type check struct {
	name    string
	because string
	run     func(ratelimit.Store, Options) error
}

// long is a period in which a real clock brings no unit back while a check runs.
const long = time.Hour

// short is a period that a check can wait for. Fixed windows have whole seconds.
func (o Options) short() time.Duration {
	if o.FixedWindow {
		return time.Second
	}
	return 200 * time.Millisecond
}

func (o Options) wait(d time.Duration) { time.Sleep(d + o.Slack) }
