package ratelimit

import (
	"context"
	"time"
)

// lease is what is held of one caller, or that he was refused.
type lease struct {
	left    int64 // permits not used yet
	size    int64 // of the last lease
	until   int64 // permits are lost then, since base
	last    Result
	refused int64 // until then cost is refused, since base
	cost    int64
	fetch   *fetch // a call to Store that is under way
	waiting int64  // what those who wait for it will take
}

// fetch is one call to Store, which those who come meanwhile wait for.
type fetch struct {
	done chan struct{}
	err  error // set before done is closed
}

// take uses the lease, or fetches one, or waits for whoever does.
func (l *Leases) take(ctx context.Context, id tag, q request) (Result, error) {
	if q.cost == 0 {
		return l.ask(ctx, q, 0)
	}
	s := &l.shards[id.b>>32%leaseShards]
	for {
		s.mu.Lock()
		now := int64(time.Since(l.base))
		e := s.lease(id, l.most, now)
		if e == nil {
			s.mu.Unlock()
			return l.ask(ctx, q, q.cost)
		}
		if res, ok := e.decide(q.cost, now); ok {
			s.mu.Unlock()
			return res, nil
		}
		f := e.fetch
		if f == nil {
			e.fetch = &fetch{done: make(chan struct{})}
			n := e.next(q.cost, l.permits, now)
			s.mu.Unlock()
			return l.fetch(ctx, s, e, q, n)
		}
		e.waiting += q.cost
		s.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return Result{}, ErrUnavailable
		}
		if f.err != nil {
			return Result{}, f.err
		}
	}
}

// decide answers without Store, if that can be done.
func (e *lease) decide(cost, now int64) (Result, bool) {
	switch {
	case now < e.until && e.left >= cost:
		e.left -= cost
		res := e.last
		res.Remaining += e.left
		return res, true
	case now < e.refused && cost == e.cost && !e.last.OK:
		res, passed := e.last, e.last.Retry-time.Duration(e.refused-now)
		res.Retry -= passed
		res.Next, res.Reset = max(1, res.Next-passed), max(res.Retry, res.Reset-passed)
		return res, true
	}
	return Result{}, false
}

// next is how many permits the next lease asks for, and makes room for it.
func (e *lease) next(cost, permits, now int64) int64 {
	if now < e.until {
		e.size = min(e.size*2, permits)
	} else {
		e.size /= 2
	}
	e.left = 0 // a cost above what was left: nothing is used after it was counted as lost
	n := max(e.size, e.waiting+cost)
	e.waiting = 0
	n = max(1, cost, min(n, e.last.Remaining/4))
	e.size = max(1, n)
	return n
}

// fetch asks Store for n permits and uses cost of them.
func (l *Leases) fetch(ctx context.Context, s *leaseShard, e *lease, q request, n int64) (Result, error) {
	f, done := e.fetch, false
	defer func() { // also when Store panics
		s.mu.Lock()
		if e.fetch = nil; !done && f.err == nil {
			f.err = ErrUnavailable
		}
		s.mu.Unlock()
		close(f.done)
	}()
	asked := time.Since(l.base)
	res, err := l.ask(ctx, q, n)
	if err == nil && !res.OK && n > q.cost {
		asked, n = time.Since(l.base), q.cost // others took it meanwhile
		res, err = l.ask(ctx, q, n)
	}
	done, f.err = true, err
	if err != nil || res.Never { // which tells nothing of other costs
		return res, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.last = res
	if res.OK {
		e.left, e.until, e.refused = n-q.cost, int64(asked+l.hold), 0
		res.Remaining += e.left
	} else {
		e.refused, e.cost = int64(time.Since(l.base)+res.Retry), q.cost
	}
	return res, nil
}

// lease finds the caller's, or makes one in place of one that tells nothing any more; nil: all
// that it met are in use.
func (s *leaseShard) lease(id tag, most int, now int64) *lease {
	if e := s.held[id]; e != nil {
		return e
	}
	if len(s.held) >= most {
		looked := 0
		for other, e := range s.held { // in random order
			if e.fetch == nil && now >= e.until && now >= e.refused {
				delete(s.held, other)
			}
			if looked++; looked == handStep {
				break
			}
		}
		if len(s.held) >= most {
			return nil
		}
	}
	e := new(lease)
	s.held[id] = e
	return e
}
