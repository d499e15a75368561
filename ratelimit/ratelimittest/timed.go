package ratelimittest

import (
	"errors"
	"fmt"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

func retry(s ratelimit.Store, o Options) error {
	t, l := taker{s}, limit("retry", 3, o.short()) // 3 divides no power of ten
	for left := int64(2); left >= 0; left-- {
		if err := t.expect("caller", 1, true, left, l); err != nil {
			return err
		}
	}
	for range 4 {
		r, err := t.take("caller", 1, l)
		if err != nil || r.OK || r.Retry <= 0 {
			return unexpected("in an empty bucket", r, err)
		}
		if o.Synctest && !o.FixedWindow {
			time.Sleep(r.Retry - 1)
			if early, err := t.take("caller", 1, l); err != nil || early.OK || early.Retry != 1 {
				return unexpected("1 ns before Retry", early, err)
			}
			r.Retry = 1
		}
		o.wait(r.Retry)
		r, err = t.take("caller", 1, l)
		if err != nil || !r.OK {
			return unexpected("after Retry", r, err)
		}
		if o.FixedWindow {
			return nil
		}
	}
	return nil
}

func refill(s ratelimit.Store, o Options) error {
	t, l := taker{s}, limit("refill", 7, o.short())
	for range 2 {
		if err := t.expect("caller", 7, true, 0, l); err != nil {
			return err
		}
		r, err := t.take("caller", 0, l)
		if err != nil || r.Reset <= 0 {
			return unexpected("an empty bucket", r, err)
		}
		o.wait(r.Reset)
		r, err = t.take("caller", 0, l)
		if err != nil || r.Remaining != 7 || r.Reset != 0 || r.Next != 0 {
			return unexpected("after Reset", r, err)
		}
		if o.FixedWindow {
			return nil
		}
		o.wait(o.short() * 2) // leaving it alone for longer saves nothing up
	}
	r, err := t.take("caller", 8, l)
	if err != nil || r.OK {
		return unexpected("more than full", r, err)
	}
	return nil
}

// quota waits for a midnight: that of a zone in which it comes within a moment.
func quota(s ratelimit.Store, o Options) error {
	now := time.Now().UTC()
	ahead := 24*time.Hour - now.Sub(now.Truncate(24*time.Hour)) - 4*time.Second
	zone := time.FixedZone("test", int(ahead/time.Second))
	t, l := taker{s}, ratelimit.Limit{Name: "quota", Count: 4, Calendar: ratelimit.Daily(zone)}
	if o.NoCalendar {
		if r, err := t.take("caller", 1, l); err == nil {
			return fmt.Errorf("a calendar must be an error: %+v", r)
		}
		return nil
	}
	month := ratelimit.Limit{Name: l.Name, Count: l.Count, Calendar: ratelimit.Monthly(zone)}
	for range 2 {
		if r, err := t.take("caller", 1, month); err != nil || !r.OK {
			return unexpected("the month beside the day", r, err)
		}
		r, err := t.take("caller", 0, l)
		if err != nil || r.Remaining != 4 || r.Next != 0 || r.Reset != 0 {
			return unexpected("a new day", r, err)
		}
		if err := errors.Join(t.expect("caller", 1, true, 3, l), t.expect("caller", 3, true, 0, l)); err != nil {
			return err
		}
		o.wait(500 * time.Millisecond) // nothing comes back
		r, err = t.take("caller", 1, l)
		left := time.Until(l.Calendar.End(time.Now()))
		if err != nil || r.OK || r.Remaining != 0 || r.Retry < left || r.Retry > left+time.Second || r.Next != r.Retry || r.Reset != r.Retry {
			return unexpected("when all is spent", r, err)
		}
		if r.Retry > time.Minute {
			return nil // the second day
		}
		o.wait(r.Retry)
	}
	return nil
}
