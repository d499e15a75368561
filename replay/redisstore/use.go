package redisstore

import (
	"context"
	"encoding/base64"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// call is one Use on its way.
type call struct {
	key    string
	until  int64      // in milliseconds since 1970
	once   [16]byte   // filled before it is sent
	answer chan error // has room for one
	timer  *time.Timer
	state  atomic.Int32 // whether it waits, was sent, or was given up before it was
}

const (
	waiting = iota
	sent
	givenUp
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
	select {
	case s.inFlight <- struct{}{}:
	default:
		return unavailable(errInFlight)
	}
	c := s.newCall(u)
	s.send(c, now)

	// Its own deadline, and the request's end, beside the call: go-redis looks at neither.
	cause := context.DeadlineExceeded
	select {
	case err := <-c.answer:
		c.timer.Stop()
		s.idle.Put(c)
		return err
	case <-c.timer.C:
	case <-ctx.Done():
		cause = ctx.Err()
	}
	if c.state.CompareAndSwap(waiting, givenUp) {
		return unavailable(cause) // and the value is not spent
	}
	select {
	case err := <-c.answer: // an answer that is there is taken
		return err
	default:
		return unavailable(cause)
	}
}

// newCall takes a call that has been answered, if there is one.
func (s *Store) newCall(u replay.Use) *call {
	c, ok := s.idle.Get().(*call)
	if ok {
		c.state.Store(waiting)
		c.timer.Reset(s.timeout)
	} else {
		c = &call{answer: make(chan error, 1), timer: time.NewTimer(s.timeout)}
	}
	var name [64 + len(layout) + 43 + 1]byte
	key := append(name[:0], s.prefix...)
	key = append(base64.RawURLEncoding.AppendEncode(key, u.Key[:]), '}')
	c.key = string(key)
	// Rounded up: no value is forgotten within its last millisecond.
	c.until = u.Until.Add(time.Millisecond - 1).UnixMilli()
	return c
}

// reply gives a call its answer. It is called once for each, and the call is not touched after it.
func (s *Store) reply(c *call, err error) {
	<-s.inFlight
	c.answer <- err
}
