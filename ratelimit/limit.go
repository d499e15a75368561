package ratelimit

import (
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit/internal/gcra"
)

// Bounds on what a Store is asked.
const (
	MaxKey    = 1024           // bytes of a key
	MaxName   = 64             // bytes of a limit's name
	MaxLimits = gcra.MaxLimits // limits of one request
	MaxCount  = gcra.MaxCount  // units of Count and of Burst
)

// Bounds on Limit.Period. The longest is also the longest an empty bucket may take to fill:
// Burst*Period/Count is at most MaxPeriod.
const (
	MinPeriod = time.Duration(gcra.MinPeriod)
	MaxPeriod = time.Duration(gcra.MaxPeriod)
)

// ErrBounds is what a Store answers to a key, a cost or a limit that is out of bounds.
const ErrBounds = audit.Reason("ratelimit: key, cost or limit out of bounds")

// Limit allows Count units per Period, and Burst of them at one moment. With a Calendar it is
// a quota instead: Count units a day or a month, none of which comes back before its end.
//
// What is counted belongs to the key together with the whole Limit: another name or another
// shape is another bucket. A limit that is changed while running starts full.
type Limit struct {
	// Name is the policy's name in the RateLimit fields: up to MaxName bytes of printable
	// ASCII without the double quote and the backslash, so that it is an sf-string
	// (RFC 9651 §3.3.3) as it stands. A Limiter puts its own name before it.
	Name string

	Count  int64         // units per Period, 1 to MaxCount
	Period time.Duration // MinPeriod to MaxPeriod
	Burst  int64         // units at one moment, up to MaxCount; 0 means Count

	// Calendar stands in place of Period, which is 0 then, and of Burst, which is 0 or Count.
	// The day is that of the process's clock. Where processes share a store and one's clock
	// is behind, it is refused around midnight, and nobody is admitted twice.
	Calendar Calendar
}

// burst is Burst with its default written out.
func (l *Limit) burst() int64 {
	if l.Burst == 0 {
		return l.Count
	}
	return l.Burst
}

// rate is l made ready for decisions; false: l is out of bounds.
func (l *Limit) rate() (gcra.Rate, bool) {
	if !validName(l.Name) {
		return gcra.Rate{}, false
	}
	if l.Calendar == (Calendar{}) {
		return gcra.Make(l.Count, int64(l.Period), l.burst(), 1)
	}
	if !l.Calendar.valid() || l.Period != 0 || l.burst() != l.Count {
		return gcra.Rate{}, false
	}
	return gcra.Make(l.Count, int64(calendarPeriod), l.Count, 1)
}

// Check is the first step of every Store: ErrBounds for an empty key or one above MaxKey, a
// negative cost, no limits or more than MaxLimits, and for a limit out of bounds.
func Check(key string, cost int64, limits []Limit) error {
	if !inBounds(key, cost, len(limits)) {
		return ErrBounds
	}
	for i := range limits {
		if _, ok := limits[i].rate(); !ok {
			return ErrBounds
		}
	}
	return nil
}

func inBounds(key string, cost int64, limits int) bool {
	return key != "" && len(key) <= MaxKey && cost >= 0 && limits > 0 && limits <= MaxLimits
}

func validName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
