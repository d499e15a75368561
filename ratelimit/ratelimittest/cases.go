package ratelimittest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

var cases = []check{
	{"burst", "As many units as the burst pass at once, Remaining counts them down, and the next is refused with a time to wait.", burst},
	{"keys", "Every key has its own bucket, whatever bytes it is made of.", keys},
	{"limits", "One key has a bucket of its own under every name and every shape of limit.", limits},
	{"cost", "A cost takes that many units, and a refused cost takes none: what is left still passes.", cost},
	{"look", "A cost of 0 tells what is left and takes nothing.", look},
	{"never", "A cost above the burst is refused for good, which Never tells, and takes nothing.", never},
	{"retry", "After Retry the same cost passes; before, it is refused.", retry},
	{"refill", "A bucket left alone is full again after Reset, and not more than full.", refill},
	{"all-or-none", "When one of several limits refuses, none is charged; the longest wait decides.", allOrNone},
	{"calendar", "A quota gives nothing back before its day is over in its place, and all of it then.", quota},
	{"bounds", "A key, a cost or a limit out of bounds is an error, and an error never comes with OK.", bounds},
	{"concurrent", "However many ask at once, no more than the burst passes.", concurrent},
	{"windows", "Over every window, however many ask meanwhile, at most Burst + Count*t/Period is admitted.", windows},
	{"context", "A context that has ended gives an error or a decision, never OK with an error, and does not hang.", ended},
}

type taker struct {
	store ratelimit.Store
}

func (t taker) take(key string, n int64, l ...ratelimit.Limit) (ratelimit.Result, error) {
	return t.store.Take(context.Background(), key, n, l)
}

// expect takes and compares what is known in advance: whether it passes and what is left.
func (t taker) expect(key string, n int64, ok bool, left int64, l ...ratelimit.Limit) error {
	r, err := t.take(key, n, l...)
	switch {
	case err != nil:
		return fmt.Errorf("taking %d: %w", n, err)
	case r.OK != ok:
		return fmt.Errorf("taking %d: OK is %t, want %t (%d left)", n, r.OK, ok, r.Remaining)
	case r.Remaining != left:
		return fmt.Errorf("taking %d: Remaining is %d, want %d", n, r.Remaining, left)
	case ok && r.Retry != 0 || !ok && r.Retry <= 0:
		return fmt.Errorf("taking %d: OK is %t, Retry is %v", n, r.OK, r.Retry)
	case r.Never:
		return fmt.Errorf("taking %d: Never is true", n)
	case r.Next < 0 || r.Reset < r.Next:
		return fmt.Errorf("taking %d: Next is %v, Reset %v", n, r.Next, r.Reset)
	}
	for _, each := range l {
		if r.Limit == each {
			return nil
		}
	}
	return fmt.Errorf("taking %d: the limit that decides is none of those asked", n)
}

// unexpected is a Result, or an error, that the check did not want.
func unexpected(what string, r ratelimit.Result, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w (with %+v)", what, err, r)
	}
	return fmt.Errorf("%s: %+v", what, r)
}

func limit(name string, count int64, period time.Duration) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Count: count, Period: period}
}

func burst(s ratelimit.Store, _ Options) error {
	t, l := taker{s}, limit("burst", 5, long)
	for left := int64(4); left >= 0; left-- {
		if err := t.expect("caller", 1, true, left, l); err != nil {
			return err
		}
	}
	for range 3 {
		if err := t.expect("caller", 1, false, 0, l); err != nil {
			return err
		}
	}
	r, err := t.take("caller", 1, l)
	if err == nil && (r.Retry > long+time.Second || r.Reset > long+time.Second || r.Next == 0) {
		err = fmt.Errorf("an empty bucket: Retry %v, Next %v, Reset %v", r.Retry, r.Next, r.Reset)
	}
	return err
}

func keys(s ratelimit.Store, _ Options) error {
	t, l := taker{s}, limit("keys", 1, long)
	for _, key := range []string{"a", "b", "A", "a ", "a:", "a:b", "{a}", "{a}b", "*", "\x00", "\x00\x00", "a\r\nb", "\xff\xfe", "é",
		strings.Repeat("k", ratelimit.MaxKey), strings.Repeat("k", ratelimit.MaxKey-1) + "l", ratelimit.Key("a:b", "c"), ratelimit.Key("a", "b:c")} {
		if err := t.expect(key, 1, true, 0, l); err != nil {
			return fmt.Errorf("key %.20q: %w", key, err)
		}
		if err := t.expect(key, 1, false, 0, l); err != nil {
			return fmt.Errorf("key %.20q again: %w", key, err)
		}
	}
	return nil
}

func limits(s ratelimit.Store, o Options) error {
	t := taker{s}
	all := []ratelimit.Limit{
		limit("a", 2, long), limit("b", 2, long), limit("ab", 2, long), limit("a", 2, 2*long), limit("a", 3, long),
		limit(strings.Repeat("n", ratelimit.MaxName), 2, long),
	}
	if !o.FixedWindow {
		all = append(all, ratelimit.Limit{Name: "a", Count: 2, Period: long, Burst: 4})
	}
	for _, l := range all {
		left := max(l.Count, l.Burst) - 1
		if err := t.expect("caller", 1, true, left, l); err != nil {
			return fmt.Errorf("%+v: %w", l, err)
		}
	}
	if !o.FixedWindow { // a default written out is the same limit
		l := all[0]
		l.Burst = l.Count
		return t.expect("caller", 1, true, 0, l)
	}
	return nil
}

func cost(s ratelimit.Store, _ Options) error {
	t, l := taker{s}, limit("cost", 5, long)
	return errors.Join(
		t.expect("caller", 3, true, 2, l),
		t.expect("caller", 3, false, 2, l),
		t.expect("caller", 3, false, 2, l),
		t.expect("caller", 2, true, 0, l),
		t.expect("caller", 1, false, 0, l),
		t.expect("other", 5, true, 0, l),
	)
}

func look(s ratelimit.Store, _ Options) error {
	t, l := taker{s}, limit("look", 3, long)
	return errors.Join(
		t.expect("caller", 0, true, 3, l),
		t.expect("caller", 0, true, 3, l),
		t.expect("caller", 3, true, 0, l),
		t.expect("caller", 0, true, 0, l),
	)
}

func never(s ratelimit.Store, o Options) error {
	t, l, wide := taker{s}, limit("never", 3, long), limit("wide", 9, long)
	ask := []ratelimit.Limit{l}
	if !o.OneLimit {
		ask = []ratelimit.Limit{wide, l}
	}
	r, err := t.take("caller", 4, ask...)
	if err != nil || r.OK || !r.Never || r.Limit != l {
		return unexpected("cost 4 under a burst of 3", r, err)
	}
	return errors.Join(t.expect("caller", 3, true, 0, l), t.expect("caller", 9, true, 0, wide))
}

func allOrNone(s ratelimit.Store, o Options) error {
	t := taker{s}
	narrow, wide, slow := limit("narrow", 2, long), limit("wide", 10, long), limit("slow", 2, 24*long)
	if o.OneLimit {
		r, err := t.take("caller", 1, wide, narrow)
		if err == nil {
			return fmt.Errorf("two limits must be an error: %+v", r)
		}
		return errors.Join(t.expect("caller", 0, true, 10, wide), t.expect("caller", 0, true, 2, narrow))
	}
	if err := errors.Join(
		t.expect("caller", 1, true, 1, wide, narrow),
		t.expect("caller", 1, true, 0, narrow, wide),
		t.expect("caller", 1, false, 0, wide, narrow),
		t.expect("caller", 1, false, 0, narrow, wide),
		t.expect("caller", 0, true, 8, wide),
		t.expect("caller", 2, true, 0, slow),
	); err != nil {
		return err
	}
	r, err := t.take("caller", 1, wide, narrow, slow)
	if err != nil || r.OK || r.Limit != slow || r.Retry <= long {
		return unexpected("the longest wait decides", r, err)
	}
	return t.expect("caller", 8, true, 0, wide)
}

func bounds(s ratelimit.Store, _ Options) error {
	good := limit("good", 1, long)
	many := make([]ratelimit.Limit, ratelimit.MaxLimits+1)
	for i := range many {
		many[i] = limit(fmt.Sprint("limit", i), 1, long)
	}
	for _, c := range []struct {
		what   string
		key    string
		cost   int64
		limits []ratelimit.Limit
	}{
		{"no key", "", 1, []ratelimit.Limit{good}},
		{"a key above MaxKey", strings.Repeat("k", ratelimit.MaxKey+1), 1, []ratelimit.Limit{good}},
		{"a negative cost", "caller", -1, []ratelimit.Limit{good}},
		{"no limits", "caller", 1, nil},
		{"more than MaxLimits", "caller", 1, many},
		{"no name", "caller", 1, []ratelimit.Limit{limit("", 1, long)}},
		{"a name that is no sf-string", "caller", 1, []ratelimit.Limit{limit("a\"b", 1, long)}},
		{"a count of 0", "caller", 1, []ratelimit.Limit{limit("bad", 0, long)}},
		{"a count above MaxCount", "caller", 1, []ratelimit.Limit{limit("bad", ratelimit.MaxCount+1, long)}},
		{"a negative burst", "caller", 1, []ratelimit.Limit{{Name: "bad", Count: 1, Period: long, Burst: -1}}},
		{"no period", "caller", 1, []ratelimit.Limit{limit("bad", 1, 0)}},
		{"a negative period", "caller", 1, []ratelimit.Limit{limit("bad", 1, -long)}},
		{"a period above MaxPeriod", "caller", 1, []ratelimit.Limit{limit("bad", 1, ratelimit.MaxPeriod+1)}},
		{"a calendar with a period", "caller", 1, []ratelimit.Limit{{Name: "bad", Count: 1, Period: long, Calendar: ratelimit.Daily(time.UTC)}}},
		{"a calendar with a burst", "caller", 1, []ratelimit.Limit{{Name: "bad", Count: 1, Burst: 2, Calendar: ratelimit.Daily(time.UTC)}}},
		{"a calendar of nowhere", "caller", 1, []ratelimit.Limit{{Name: "bad", Count: 1, Calendar: ratelimit.Daily(nil)}}},
		{"a burst that never fills", "caller", 1, []ratelimit.Limit{{Name: "bad", Count: 1, Period: ratelimit.MaxPeriod, Burst: 2}}},
	} {
		r, err := s.Take(context.Background(), c.key, c.cost, c.limits)
		if err == nil || r.OK {
			return unexpected(c.what, r, err)
		}
	}
	return nil
}

func concurrent(s ratelimit.Store, _ Options) error {
	const callers, burst = 64, 20
	l := limit("concurrent", burst, long)
	var passed, failed atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			r, err := s.Take(context.Background(), "caller", 1, []ratelimit.Limit{l})
			switch {
			case err != nil:
				failed.Add(1)
			case r.OK:
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != burst || failed.Load() > 0 {
		return fmt.Errorf("of %d at once %d passed and %d failed, want %d and 0", callers, passed.Load(), failed.Load(), burst)
	}
	return nil
}

func ended(s ratelimit.Store, _ Options) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := s.Take(ctx, "caller", 1, []ratelimit.Limit{limit("context", 1, long)})
	if err != nil && r.OK {
		return unexpected("OK with an error", r, err)
	}
	if err == nil && !r.OK {
		return fmt.Errorf("refused the first unit: %+v", r)
	}
	return nil
}
