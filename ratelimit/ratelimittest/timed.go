package ratelimittest

import (
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
