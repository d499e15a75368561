package redisstore

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	// clusterLanes is how many lanes a Cluster has, each for as many neighbouring hash slots: a
	// node that hangs takes along no more than the lanes of its slots.
	clusterLanes = 8
	slotsOfLane  = 16384 / clusterLanes

	// maxActive is how many batches of a lane are awaited at once. More would make them smaller,
	// which costs more than the waiting saves.
	maxActive = 1

	// maxBatch bounds the calls of a batch, and so the time for which Redis works on it.
	maxBatch = 128
)

// lane is a queue of calls that go to Redis in batches.
type lane struct {
	mu      sync.Mutex
	queue   []*call
	active  int // batches that are awaited; not those that are late
	breaker breaker
}

// batch is what goes in one round trip.
type batch struct {
	calls []*call
	probe bool
}

// laneOf gives the lane of a key.
func (s *Store) laneOf(key string) *lane {
	if len(s.lanes) == 1 {
		return &s.lanes[0]
	}
	_, tag, _ := strings.Cut(key, "{")
	return &s.lanes[slotOf(strings.TrimSuffix(tag, "}"))/slotsOfLane]
}

// slotOf is the hash slot of a hash tag: CRC-16/XMODEM modulo 16384, as the specification of Redis
// Cluster says.
func slotOf(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % 16384)
}

// send puts a call into its lane, or answers it when the breaker is open.
func (s *Store) send(c *call, now time.Time) {
	l := s.laneOf(c.key)
	l.mu.Lock()
	defer l.mu.Unlock()
	ok, probe := l.breaker.allow(now)
	switch {
	case !ok:
		s.reply(c, unavailable(errOpen))
	case probe:
		c.state.Store(sent)
		l.active++
		go s.run(l, batch{[]*call{c}, true})
	default:
		l.queue = append(l.queue, c)
		if l.active < maxActive {
			l.active++
			go s.run(l, batch{calls: s.take(l)})
		}
	}
}

// take takes a batch of the calls that are still awaited. It is called with the lock.
func (s *Store) take(l *lane) (calls []*call) {
	n := 0
	for ; n < len(l.queue) && len(calls) < maxBatch; n++ {
		if c := l.queue[n]; c.state.CompareAndSwap(waiting, sent) {
			calls = append(calls, c)
		} else {
			s.reply(c, unavailable(errGivenUp)) // nobody listens
		}
	}
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return calls
}

// run asks for a batch, and for what has gathered meanwhile, until nothing has.
func (s *Store) run(l *lane, b batch) {
	for more := true; more; {
		over := false // guarded by the lane's lock
		alarm := time.AfterFunc(s.timeout, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if over {
				return
			}
			over = true
			s.conclude(l, b.probe, false, true)
			if next, more := s.next(l); more {
				go s.run(l, next)
			}
		})
		// Shared work does not run on a request's context. The deadline keeps go-redis from
		// trying again after it.
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
		questions, answered := s.ask(ctx, b.calls)
		silent := ctx.Err() != nil
		cancel()
		alarm.Stop()

		// Whoever is answered finds the breaker as the answer left it.
		l.mu.Lock()
		late := over
		if over = true; !late {
			s.conclude(l, b.probe, answered, silent)
		}
		l.mu.Unlock()
		for i := range questions {
			s.reply(questions[i].call, questions[i].err)
		}
		if late {
			return // another goes on in its place
		}
		if len(b.calls) > 1 {
			runtime.Gosched() // whoever was answered may come again at once, and go along
		}
		l.mu.Lock()
		b, more = s.next(l)
		l.mu.Unlock()
	}
}

// next takes what follows a batch that is over; false: nothing does. It is called with the lock.
func (s *Store) next(l *lane) (b batch, more bool) {
	if b.calls = s.take(l); len(b.calls) == 0 {
		l.active--
		return b, false
	}
	return b, true
}

// conclude takes note of how a batch ended. It is called with the lock.
func (s *Store) conclude(l *lane, probe, answered, silent bool) {
	if answered {
		l.breaker.answered()
		return
	}
	if !l.breaker.failed(time.Now(), probe, silent) {
		return
	}
	// Who waits to be sent need not wait for what is not there.
	for _, c := range l.queue {
		s.reply(c, unavailable(errOpen))
	}
	clear(l.queue)
	l.queue = l.queue[:0]
}
