// Package gcra is the generic cell rate algorithm in exact integer arithmetic.
//
// A limit of count units per period leaks one unit every period/count. That quotient is
// seldom a whole number of clock ticks, and rounding it drifts: down admits too much, up
// admits too little. A moment is therefore kept as whole ticks and a remainder over one
// denominator, which no operation rounds. Only what is told to people is rounded, up.
package gcra

import "math/bits"

// Bounds of one limit. They keep every product of the arithmetic inside 128 bits and every
// sum that a store makes in double precision, as Redis scripts do, below 2^53.
const (
	MaxLimits = 8                               // limits decided together
	MaxCount  = 1_000_000_000_000               // units per period, and of a burst
	MinPeriod = 1_000_000                       // nanoseconds: 1 ms
	MaxPeriod = 366 * 24 * 3600 * 1_000_000_000 // nanoseconds: also the longest an empty bucket may take to fill
)

// Span is a length of time: Q ticks and R parts of the rate's denominator, R below it.
type Span struct {
	Q int64
	R uint64
}

// Rate is one limit, made ready for decisions.
type Rate struct {
	den    uint64 // a tick has den parts; one unit takes period of them
	period uint64
	burst  int64
	unit   Span // the debt that one unit makes
	depth  Span // burst units: the most debt that is allowed
}

// Make prepares a limit for a clock whose tick is that many nanoseconds. False: out of bounds.
func Make(count, period, burst, tick int64) (Rate, bool) {
	if count < 1 || count > MaxCount || period < MinPeriod || period > MaxPeriod || burst < 1 || burst > MaxCount {
		return Rate{}, false
	}
	r := Rate{den: uint64(count) * uint64(tick), period: uint64(period), burst: burst}
	hi, lo := bits.Mul64(uint64(burst), r.period)
	if hi >= r.den {
		return Rate{}, false
	}
	q, rem := bits.Div64(hi, lo, r.den)
	if q > uint64(MaxPeriod/tick) {
		return Rate{}, false
	}
	r.depth = Span{int64(q), rem}
	r.unit = r.times(1)
	return r, true
}

// Depth is the most debt that is allowed: the time in which an empty bucket fills.
func (r *Rate) Depth() Span { return r.depth }

// AtMost is the debt, or the depth if that is less.
func (r *Rate) AtMost(debt Span) Span {
	if debt.Q > r.depth.Q || debt.Q == r.depth.Q && debt.R > r.depth.R {
		return r.depth
	}
	return debt
}

// Den is the denominator of Span.R.
func (r *Rate) Den() uint64 { return r.den }

// Burst is the most units that can pass at one moment.
func (r *Rate) Burst() int64 { return r.burst }

// Units is the debt that n units make, n from 0 to the burst.
func (r *Rate) Units(n int64) Span {
	if n == 1 {
		return r.unit
	}
	return r.times(n)
}

func (r *Rate) times(n int64) Span {
	hi, lo := bits.Mul64(uint64(n), r.period)
	q, rem := bits.Div64(hi, lo, r.den)
	return Span{int64(q), rem}
}

func (r *Rate) add(x, y Span) Span {
	s := Span{x.Q + y.Q, x.R + y.R}
	if s.R >= r.den {
		s.Q, s.R = s.Q+1, s.R-r.den
	}
	return s
}

func (r *Rate) sub(x, y Span) Span {
	s := Span{x.Q - y.Q, x.R - y.R}
	if x.R < y.R {
		s.Q, s.R = s.Q-1, s.R+r.den
	}
	return s
}

// beyond is how many whole ticks must pass until debt is within room; 0: it is.
func (r *Rate) beyond(debt, room Span) int64 {
	if debt.Q < room.Q || debt.Q == room.Q && debt.R <= room.R {
		return 0
	}
	return ceil(r.sub(debt, room))
}

func ceil(s Span) int64 {
	if s.R > 0 {
		return s.Q + 1
	}
	return s.Q
}

// Report is a decision over all limits of one request. Times are in ticks, rounded up.
type Report struct {
	OK        bool
	Never     bool  // the cost is above the limit's burst
	Index     int   // of the limit that decides: the longest wait, or the least left
	Remaining int64 // whole units left
	Retry     int64 // until the same cost passes
	Next      int64 // until one unit more is left than now; 0: nothing is owed
	Reset     int64 // until nothing is owed
}

// Bucket is what one caller owes under one limit, never more than the Rate's depth.
//
// Ends is 0 for a bucket that leaks. One with Ends above 0 does not: all that is owed is
// forgiven at once, in so many ticks, when its window ends.
type Bucket struct {
	Rate *Rate
	Owed Span
	Ends int64
}

// Decide takes cost from every bucket or from none, and reports in a, which is zero before.
// When the answer is OK, Owed is what each owes after it.
func Decide(buckets []Bucket, cost int64, a *Report) {
	worst := -1
	for i := range buckets {
		b := &buckets[i]
		if cost > b.Rate.burst {
			*a = Report{Never: true, Index: i}
			return
		}
		over := b.Rate.beyond(b.after(cost), b.Rate.depth)
		if over > 0 && b.Ends > 0 {
			over = b.Ends
		}
		if over > a.Retry {
			worst, a.Retry = i, over
		}
	}
	if worst >= 0 {
		buckets[worst].report(worst, a)
		return
	}
	a.OK = true
	for i := range buckets {
		b := &buckets[i]
		b.Owed = b.after(cost)
		if i == 0 {
			b.report(i, a)
			continue
		}
		other := Report{OK: true}
		b.report(i, &other)
		if other.Remaining < a.Remaining || other.Remaining == a.Remaining && other.Next > a.Next {
			*a = other
		}
	}
}

func (b *Bucket) after(cost int64) Span { return b.Rate.add(b.Owed, b.Rate.Units(cost)) }

// report counts what fits above what is owed. What the division leaves over is a part of the
// next unit already there.
func (b *Bucket) report(i int, a *Report) {
	r := b.Rate
	free := r.sub(r.depth, b.Owed)
	hi, lo := bits.Mul64(uint64(free.Q), r.den)
	lo, carry := bits.Add64(lo, free.R, 0)
	n, part := bits.Div64(hi+carry, lo, r.period)
	a.Index, a.Remaining, a.Reset = i, int64(n), ceil(b.Owed)
	if a.Remaining == r.burst && a.Reset == 0 {
		return
	}
	if b.Ends > 0 {
		a.Next, a.Reset = b.Ends, b.Ends
	} else if a.Remaining < r.burst {
		a.Next = int64((r.period - part + r.den - 1) / r.den)
	}
}
