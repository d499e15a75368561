package redisstore

import (
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

	// yields is how often others go first before a batch follows another: whoever was answered may
	// come again at once, and goes along.
	yields = 2

	// maxBatch bounds the calls of a batch, and so the time for which Redis works on it.
	maxBatch = 128
)

// lane is a queue of calls that go to Redis in batches.
type lane struct {
	mu      sync.Mutex
	queue   []*call
	awaited []*batch  // not those that are late
	active  int       // workers that will look at the queue again; not those that are late
	idle    []*worker // what waits for a batch
	breaker breaker

	alarm *time.Timer
	armed bool
	used  bool // since the alarm rang last
}

// batch is what goes in one round trip.
type batch struct {
	calls  []*call
	probe  bool
	due    time.Time // when it is late
	late   bool
	worker *worker
}

// laneOf gives the lane of a key.
func (s *Store) laneOf(key string) *lane {
	if len(s.lanes) == 1 {
		return &s.lanes[0]
	}
	_, tag, _ := strings.Cut(key, "{")
	return &s.lanes[slotOf(strings.TrimSuffix(tag, "}"))/slotsOfLane]
}

// send puts a call into its lane; false: the breaker is open.
func (s *Store) send(l *lane, c *call, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok, probe := l.breaker.allow(now)
	if !ok {
		return false
	}
	if l.used = true; !l.armed {
		s.arm(l, c.due.Sub(now))
	}
	if probe {
		c.state = sent
		l.active++
		s.start(l, &batch{calls: []*call{c}, probe: true}, now)
		return true
	}
	l.queue = append(l.queue, c)
	s.dispatch(l, now)
	return true
}

// dispatch sends what has gathered, if a batch may go now. It is called with the lock.
func (s *Store) dispatch(l *lane, now time.Time) {
	if l.active >= maxActive {
		return
	}
	if calls := s.take(l); len(calls) > 0 {
		l.active++
		s.start(l, &batch{calls: calls}, now)
	}
}

// start gives a batch to a worker. It is called with the lock.
func (s *Store) start(l *lane, b *batch, now time.Time) {
	if n := len(l.idle); n > 0 {
		b.worker, l.idle = l.idle[n-1], l.idle[:n-1]
		s.await(l, b, now)
		b.worker.work <- b // it has room
		return
	}
	b.worker = newWorker()
	s.await(l, b, now)
	go s.run(l, b)
}

// await takes note of a batch that is sent. It is called with the lock.
func (s *Store) await(l *lane, b *batch, now time.Time) {
	b.due = now.Add(s.timeout)
	l.awaited = append(l.awaited, b)
}

// take takes a batch of the calls that are still awaited. It is called with the lock.
func (s *Store) take(l *lane) (calls []*call) {
	if len(l.queue) == 0 {
		return nil
	}
	calls = make([]*call, 0, min(len(l.queue), maxBatch))
	n := 0
	for ; n < len(l.queue) && len(calls) < maxBatch; n++ {
		if c := l.queue[n]; c.state == waiting {
			c.state = sent
			calls = append(calls, c)
		} else {
			s.leave(1) // given up, and not spent
		}
	}
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return calls
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
		s.drop(c, errOpen)
	}
	clear(l.queue)
	l.queue = l.queue[:0]
}

// drop answers a call of the queue, which is taken out of it. It is called with the lock.
func (s *Store) drop(c *call, cause error) {
	s.leave(1)
	if c.state == waiting {
		c.state = over
		c.reply <- unavailable(cause)
	}
}
