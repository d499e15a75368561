package ratelimit

import "time"

// Calendar says when a quota begins anew: see Daily and Monthly. The zero Calendar is none.
type Calendar struct {
	unit unit
	in   *time.Location
}

type unit byte

const (
	none unit = iota
	daily
	monthly
)

// Daily begins a quota anew at midnight in that place. A nil Location is a mistake that New
// reports. Processes that share a store must name it alike: not time.Local.
func Daily(in *time.Location) Calendar { return Calendar{daily, in} }

// Monthly begins a quota anew on the first of each month, as Daily does each day.
func Monthly(in *time.Location) Calendar { return Calendar{monthly, in} }

// String names the calendar: "daily Europe/Berlin", and "" for none. What is counted in a
// store belongs to this name.
func (c Calendar) String() string {
	if !c.valid() {
		return ""
	}
	if c.unit == monthly {
		return "monthly " + c.in.String()
	}
	return "daily " + c.in.String()
}

func (c Calendar) valid() bool { return c.unit != none && c.in != nil }

// End is when the day or month that holds t is over: its last moment is just before. It is
// the zero time without a Calendar.
func (c Calendar) End(t time.Time) time.Time {
	if !c.valid() {
		return time.Time{}
	}
	year, month, day := t.In(c.in).Date()
	if c.unit == monthly {
		return midnight(year, month+1, 1, c.in)
	}
	return midnight(year, month, day+1, c.in)
}

// midnight is the first moment of a date, or of the next where that date was left out. When
// clocks go forward at midnight there is no 0:00, and time.Date may give a moment of the day
// before: then the day begins where that zone's time ends.
func midnight(year int, month time.Month, day int, in *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, in)
	if t.Day() != time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() {
		if _, end := t.ZoneBounds(); !end.IsZero() {
			return end
		}
	}
	return t
}

// A quota is counted by the arithmetic of a leaking bucket whose clock stands still: at
// frozen for as long as the window lasts. Nothing leaks then, and when the next window's
// clock is a whole day ahead everything has. The units of a quota fill calendarPeriod on that
// clock, whatever their number.
const calendarPeriod = time.Hour

// frozen is the moment at which the clock of the window that ends at end stands. It is later
// than the end by more than clocks of one bank differ: a store that forgets a bucket which
// owes nothing must not do so while the window lasts.
func frozen(end time.Time) time.Time { return end.Add(time.Hour) }

// Window tells a Store how to count l at t. Zero: l leaks on the Store's own clock. Otherwise l
// is a quota: the Store counts it as a limit of Count per hour with a burst of Count, on a clock
// that stands at clock, and tells that everything comes back at end.
func (l Limit) Window(t time.Time) (clock, end time.Time) {
	if l.Calendar == (Calendar{}) {
		return time.Time{}, time.Time{}
	}
	end = l.Calendar.End(t)
	return frozen(end), end
}
