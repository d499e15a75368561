package ratelimittest

import (
	"errors"
	"fmt"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// errLate: what a check relies on did not last until it had asked, because the machine was slow. It
// is run again, with another key.
var errLate = errors.New("the machine is too slow for this check")

// again runs a check that needs a moment of a real clock until it got it.
func again(check func(key string) error) (err error) {
	for i := range 50 {
		if err = check(fmt.Sprint("caller", i)); !errors.Is(err, errLate) {
			return err
		}
	}
	return err
}

func retry(s ratelimit.Store, o Options) error {
	if o.Synctest && !o.FixedWindow {
		return retryExactly(s)
	}
	t, l := taker{s}, limit("retry", 3, o.short())
	for range 2 {
		err := again(func(key string) error {
			began := time.Now()
			if err := t.expect(key, 3, true, 0, l); err != nil {
				return err
			}
			r, err := t.take(key, 1, l)
			if time.Since(began) >= o.short()/3 {
				return errLate
			}
			if err != nil || r.OK || r.Retry <= 0 || r.Retry > o.short()+time.Second {
				return unexpected("in an empty bucket", r, err)
			}
			o.wait(r.Retry)
			if r, err = t.take(key, 1, l); err != nil || !r.OK {
				return unexpected("after Retry", r, err)
			}
			return nil
		})
		if err != nil || o.FixedWindow {
			return err
		}
		l.Name += "again"
	}
	return nil
}

// retryExactly knows every moment to the nanosecond.
func retryExactly(s ratelimit.Store) error {
	t, l := taker{s}, limit("retry", 3, 200*time.Millisecond) // 3 divides no power of ten
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
		time.Sleep(r.Retry - 1)
		if early, err := t.take("caller", 1, l); err != nil || early.OK || early.Retry != 1 {
			return unexpected("1 ns before Retry", early, err)
		}
		time.Sleep(time.Nanosecond)
		if r, err = t.take("caller", 1, l); err != nil || !r.OK {
			return unexpected("after Retry", r, err)
		}
	}
	return nil
}

func refill(s ratelimit.Store, o Options) error {
	t, l := taker{s}, limit("refill", 7, o.short())
	return again(func(key string) error {
		for range 2 {
			began := time.Now()
			if err := t.expect(key, 7, true, 0, l); err != nil {
				return err
			}
			r, err := t.take(key, 0, l)
			if time.Since(began) >= o.short() {
				return errLate
			}
			if err != nil || r.Reset <= 0 {
				return unexpected("an empty bucket", r, err)
			}
			o.wait(r.Reset)
			r, err = t.take(key, 0, l)
			if err != nil || r.Remaining != 7 || r.Reset != 0 || r.Next != 0 {
				return unexpected("after Reset", r, err)
			}
			if o.FixedWindow {
				return nil
			}
			o.wait(o.short()) // leaving it alone for longer saves nothing up
		}
		if r, err := t.take(key, 8, l); err != nil || r.OK {
			return unexpected("more than full", r, err)
		}
		return nil
	})
}

// quota waits for a midnight: that of a zone in which it comes within a moment.
func quota(s ratelimit.Store, o Options) error {
	t, l := taker{s}, ratelimit.Limit{Name: "quota", Count: 4}
	return again(func(key string) error {
		now := time.Now().UTC()
		ahead := 24*time.Hour - now.Sub(now.Truncate(24*time.Hour)) - 1500*time.Millisecond
		zone := time.FixedZone("test", int(ahead/time.Second)) // whole seconds: midnight is 1.5 to 2.5 s away
		l.Calendar = ratelimit.Daily(zone)
		if o.NoCalendar {
			if r, err := t.take(key, 1, l); err == nil {
				return fmt.Errorf("a calendar must be an error: %+v", r)
			}
			return nil
		}
		for day := range 2 {
			end := l.Calendar.End(time.Now())
			retry, err := t.day(key, l, o)
			if !time.Now().Before(end) {
				return errLate
			}
			if err != nil || day == 1 {
				return err
			}
			o.wait(retry)
		}
		return nil
	})
}

// day spends the quota of one day, which is new, and gives the time until the next.
func (t taker) day(key string, l ratelimit.Limit, o Options) (time.Duration, error) {
	month := ratelimit.Limit{Name: l.Name, Count: l.Count, Calendar: ratelimit.Monthly(time.UTC)}
	if r, err := t.take(key, 1, month); err != nil || !r.OK {
		return 0, unexpected("the month beside the day", r, err)
	}
	r, err := t.take(key, 0, l)
	if err != nil || r.Remaining != 4 || r.Next != 0 || r.Reset != 0 {
		return 0, unexpected("a new day", r, err)
	}
	if err := errors.Join(t.expect(key, 1, true, 3, l), t.expect(key, 3, true, 0, l)); err != nil {
		return 0, err
	}
	o.wait(100 * time.Millisecond) // nothing comes back
	most := time.Until(l.Calendar.End(time.Now()))
	r, err = t.take(key, 1, l)
	least := time.Until(l.Calendar.End(time.Now()))
	if err != nil || r.OK || r.Remaining != 0 || r.Retry < least || r.Retry > most+time.Millisecond || r.Next != r.Retry || r.Reset != r.Retry {
		return 0, unexpected("when all is spent", r, err)
	}
	return r.Retry, nil
}
