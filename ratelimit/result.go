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

// fill tells a report of a clock in nanoseconds.
func (r *Result) fill(a *gcra.Report, l *Limit) {
	r.OK, r.Never, r.Limit, r.Remaining = a.OK, a.Never, *l, a.Remaining
	r.Retry, r.Next, r.Reset = time.Duration(a.Retry), time.Duration(a.Next), time.Duration(a.Reset)
}
