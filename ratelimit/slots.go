package ratelimit

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// SlotsConfig describes Slots.
type SlotsConfig struct {
	_ [0]func()

	// Most is how many requests may be in flight or waiting, those of all callers together;
	// more are refused with ErrFull. 0 means 65 536, 1<<20 is the most.
	Most int
}

// Slots counts the requests that are in flight in this process, by caller. It is the state of
// Concurrency: one that is made anew over the same Slots goes on counting. It starts nothing,
// and holds nothing of a caller who has no request in flight.
type Slots struct {
	mu    sync.Mutex
	most  int
	used  int // in flight or waiting
	lines map[slotKey]line
}

const (
	defaultSlots = 1 << 16
	mostSlots    = 1 << 20
)

// slotKey is a caller under one Concurrency's name.
type slotKey struct{ name, key string }

// line is one caller: who is inside, and who waits, the first first.
type line struct {
	most          int // the limit as the last request was told it
	held, waiting int
	first, last   *waiter
}

type waiter struct {
	next    *waiter
	before  *waiter
	granted chan struct{} // closed under Slots.mu when the slot is the waiter's
	in      bool
}

// NewSlots makes Slots in which nobody is.
func NewSlots(c SlotsConfig) (*Slots, error) {
	if c.Most < 0 || c.Most > mostSlots {
		return nil, errors.New("ratelimit: SlotsConfig.Most must be 0 to 1<<20")
	}
	if c.Most == 0 {
		c.Most = defaultSlots
	}
	return &Slots{most: c.Most, lines: map[slotKey]line{}}, nil
}

// InFlight is how many requests are in flight now, without those that wait.
func (s *Slots) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.lines {
		n += l.held
	}
	return n
}

// Waiting is how many requests wait now.
func (s *Slots) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.lines {
		n += l.waiting
	}
	return n
}

// enter takes a slot of k, waiting in turn if it must; without a reason it is taken. left is how
// many more of k's slots are free.
func (s *Slots) enter(ctx context.Context, k slotKey, most, queue int, wait time.Duration) (left int, refused audit.Reason) {
	s.mu.Lock()
	if s.used >= s.most {
		s.mu.Unlock()
		return 0, ErrFull
	}
	l := s.lines[k]
	l.most = most
	l.admit() // those who wait, when the limit was raised: if any still do, no place is free
	if l.held < most {
		l.held++
		s.used++
		s.lines[k] = l
		s.mu.Unlock()
		return most - l.held, ""
	}
	if l.waiting >= queue {
		s.lines[k] = l
		s.mu.Unlock()
		return 0, ErrInFlight
	}
	w := &waiter{granted: make(chan struct{})}
	if l.last != nil {
		l.last.next, w.before = w, l.last
	} else {
		l.first = w
	}
	l.last = w
	l.waiting++
	s.used++
	s.lines[k] = l
	s.mu.Unlock()
	return 0, s.wait(ctx, k, w, wait)
}

// wait ends when the slot is granted, or with the deadline or the request.
func (s *Slots) wait(ctx context.Context, k slotKey, w *waiter, wait time.Duration) audit.Reason {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-w.granted:
		return ""
	case <-timer.C:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.in && ctx.Err() == nil {
		return "" // granted at the last moment
	}
	l := s.lines[k]
	if w.in {
		l.held--
	} else {
		l.drop(w)
	}
	s.used--
	s.settle(k, l)
	return ErrWaited
}

// leave gives a slot back, to the first who waits if there is one.
func (s *Slots) leave(k slotKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[k]
	l.held--
	s.used--
	s.settle(k, l)
}

// settle lets in whom it can and forgets a line in which nobody is.
func (s *Slots) settle(k slotKey, l line) {
	l.admit()
	if l.held == 0 && l.first == nil {
		delete(s.lines, k)
		return
	}
	s.lines[k] = l
}

func (l *line) admit() {
	for l.first != nil && l.held < l.most {
		w := l.first
		l.drop(w)
		l.held++
		w.in = true
		close(w.granted)
	}
}

// drop takes a waiter out of the line, wherever he stands.
func (l *line) drop(w *waiter) {
	if w.before == nil {
		l.first = w.next
	} else {
		w.before.next = w.next
	}
	if w.next == nil {
		l.last = w.before
	} else {
		w.next.before = w.before
	}
	w.before, w.next = nil, nil
	l.waiting--
}
