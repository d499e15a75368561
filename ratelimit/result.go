package ratelimit

import (
	"time"

	"github.com/tegata-go/tegata/ratelimit/internal/gcra"
)

// Result is what a Store decided.
type Result struct {
	OK    bool
	Never bool // refused for good: the cost is above Limit's burst; nothing below is filled

	// Limit is the one that decides: of a refusal the one with the longest wait, otherwise
	// the one with the least left.
	Limit Limit

	Remaining int64         // whole units left in Limit, never negative
	Retry     time.Duration // until the same cost passes if nobody takes more; 0 when OK
	Next      time.Duration // until one unit more is left; 0 when nothing is owed
	Reset     time.Duration // until all of Limit's burst is left

	policy string // the RateLimit-Policy of all limits, from a Limiter
	quiet  bool   // a Limiter that shows no RateLimit fields
}

// result is a report of a clock in nanoseconds.
func result(a *gcra.Report, l *Limit) Result {
	return Result{
		OK: a.OK, Never: a.Never, Limit: *l, Remaining: a.Remaining,
		Retry: time.Duration(a.Retry), Next: time.Duration(a.Next), Reset: time.Duration(a.Reset),
	}
}
