package redisstore

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// call is one Use on its way.
type call struct {
	key   string
	until int64      // in milliseconds since 1970
	due   time.Time  // when it waits no longer
	once  [16]byte   // filled before it is sent
	reply chan error // has room for one
	state state      // guarded by the lane's lock
	held  bool       // by a batch that is still on its way, although it was answered
}

// state is how far a call is.
type state uint8

const (
	waiting state = iota
	sent
	over // it has an answer, or nobody waits for one
)

// Use asks Redis in one round trip and waits no longer than Timeout. When it stops waiting the
// call may still arrive: the value may be spent although it was refused.
//
// An outage is [replay.ErrUnavailable] with a constant text; its cause is in its chain.
func (s *Store) Use(ctx context.Context, u replay.Use) error {
	now := time.Now()
	if err := u.Check(now); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unavailable(err) // nobody waits for the answer: the value need not be spent
	}
	if !s.enter() {
		return unavailable(errInFlight)
	}
	c := s.newCall(u, now)
	l := s.laneOf(c.key)
	if !s.send(l, c, now) {
		s.leave(1)
		s.idle.Put(c)
		return unavailable(errOpen)
	}
	// The lane answers when the call is due: go-redis looks neither at that nor at the request's end.
	select {
	case err := <-c.reply:
		if !c.held {
			s.idle.Put(c)
		}
		return err
	case <-ctx.Done():
		return s.giveUp(l, c, ctx.Err())
	}
}

// giveUp ends a call whose request ended. One that was not sent is not spent.
func (s *Store) giveUp(l *lane, c *call, cause error) error {
	l.mu.Lock()
	answered := c.state == over
	c.state = over
	l.mu.Unlock()
	if answered {
		return <-c.reply // it is there, or on its way from whoever set the state
	}
	return unavailable(cause)
}

// newCall takes a call that has been answered, if there is one.
func (s *Store) newCall(u replay.Use, now time.Time) *call {
	c, ok := s.idle.Get().(*call)
	if !ok {
		c = &call{reply: make(chan error, 1)}
	}
	var name [64 + len(layout) + 43 + 1]byte
	key := append(name[:0], s.prefix...)
	key = append(base64.RawURLEncoding.AppendEncode(key, u.Key[:]), '}')
	c.key = string(key)
	// Rounded up: no value is forgotten within its last millisecond.
	c.until = u.Until.Add(time.Millisecond - 1).UnixMilli()
	c.due = now.Add(s.timeout)
	c.state = waiting
	return c
}

// enter counts a call that is under way, unless there are MaxInFlight already.
func (s *Store) enter() bool {
	for {
		n := s.inFlight.Load()
		if n >= s.maxInFlight {
			return false
		}
		if s.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave counts calls that are no longer under way.
func (s *Store) leave(calls int) { s.inFlight.Add(-int64(calls)) }
