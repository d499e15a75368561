package redisstore

import "time"

// When the breaker opens, and when it lets a question through again.
const (
	failuresToOpen = 3
	shortestRest   = 100 * time.Millisecond
	longestRest    = time.Second
)

// breaker says whether Redis is worth asking. It is closed when everything is well. It opens when
// a batch was not answered within the Timeout, or when failuresToOpen batches in a row failed
// sooner. While it is open nobody is asked, but for one call after each rest, whose answer
// closes it; the rests grow from shortestRest to longestRest.
type breaker struct {
	failures int
	open     bool
	probing  bool
	rest     time.Duration
	again    time.Time // when the rest is over
}

// allow tells whether a call may ask now, and whether it is the one that probes.
func (b *breaker) allow(now time.Time) (ok, probe bool) {
	switch {
	case !b.open:
		return true, false
	case b.probing || now.Before(b.again):
		return false, false
	}
	b.probing = true
	return true, true
}

// answered takes note of a batch that Redis answered in time.
func (b *breaker) answered() { *b = breaker{} }

// failed takes note of a batch that failed, and whether it was for want of an answer in time. It
// tells whether the breaker is open now.
func (b *breaker) failed(now time.Time, probe, silent bool) bool {
	b.failures++
	switch {
	case b.open && !probe: // asked before it opened: nothing new
	case b.open:
		b.probing = false
		b.rest = min(2*b.rest, longestRest)
		b.again = now.Add(b.rest)
	case silent || b.failures >= failuresToOpen:
		b.open = true
		b.rest = shortestRest
		b.again = now.Add(b.rest)
	}
	return b.open
}
