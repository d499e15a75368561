package redisstore

import (
	"context"
	"slices"
	"time"
)

// arm sets the lane's alarm, which stands for a timer in each call. It rings no later than the first
// call is due that is under way: all wait equally long, so that it need not be set for each. It is
// called with the lock.
func (s *Store) arm(l *lane, d time.Duration) {
	l.armed = true
	if l.alarm == nil {
		l.alarm = time.AfterFunc(d, func() { s.ring(l) })
		return
	}
	l.alarm.Reset(d)
}

// ring answers what is due, gives up what is late, and dismisses the workers of a lane that is idle.
func (s *Store) ring(l *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.armed = false
	for _, b := range l.awaited {
		b.answerDue(now)
	}
	s.giveUpLate(l, now)
	n := 0
	for ; n < len(l.queue) && !now.Before(l.queue[n].due); n++ {
		s.drop(l.queue[n], context.DeadlineExceeded)
	}
	l.queue = slices.Delete(l.queue, 0, n)
	s.dispatch(l, now)

	if due := l.due(); !due.IsZero() {
		s.arm(l, due.Sub(now))
		return
	}
	if l.used || l.active > 0 {
		l.used = false
		s.arm(l, s.timeout)
		return
	}
	for _, w := range l.idle {
		w.work <- nil
	}
	l.idle = nil
}

// answerDue answers the calls of a batch that are due. The batch may still be answered in time for
// those that joined it later. It is called with the lock.
func (b *batch) answerDue(now time.Time) {
	for _, c := range b.calls {
		if c.state == sent && !now.Before(c.due) {
			c.state, c.held = over, true
			c.reply <- unavailable(context.DeadlineExceeded)
		}
	}
}

// giveUpLate lets others go on in the place of batches that are late. It is called with the lock.
func (s *Store) giveUpLate(l *lane, now time.Time) {
	l.awaited = slices.DeleteFunc(l.awaited, func(b *batch) bool {
		if now.Before(b.due) {
			return false
		}
		b.late = true
		b.worker.stop()
		l.active--
		s.conclude(l, b.probe, false, true)
		return true
	})
}

// due is when the first call is due or the first batch late, zero if there is none. It is called
// with the lock.
func (l *lane) due() (first time.Time) {
	earlier := func(at time.Time) {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	for _, b := range l.awaited {
		earlier(b.due)
		for _, c := range b.calls {
			if c.state == sent {
				earlier(c.due)
			}
		}
	}
	if len(l.queue) > 0 {
		earlier(l.queue[0].due)
	}
	return first
}
