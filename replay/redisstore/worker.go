package redisstore

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// worker asks for one batch after the other. It stays for a while when there is nothing to ask: a
// new goroutine would have to grow its stack again for each batch.
type worker struct {
	ctx  context.Context // shared work does not run on a request's context
	stop context.CancelFunc
	work chan *batch // has room for one; nil ends it
}

func newWorker() *worker {
	ctx, stop := context.WithCancel(context.Background())
	return &worker{ctx, stop, make(chan *batch, 1)}
}

// deadline is a context that has one, which somebody else sees to. It keeps go-redis from trying
// again after it.
type deadline struct {
	context.Context
	at time.Time
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

// run asks for a batch, and for what comes after it, until nothing has come for a while.
func (s *Store) run(l *lane, b *batch) {
	w := b.worker
	defer w.stop()
	for b != nil {
		questions, answered := s.ask(deadline{w.ctx, b.due}, b.calls)
		more := s.finish(l, b, questions, answered)
		if b.late {
			return // another goes on in its place
		}
		if more {
			s.gather(l, len(questions))
			b = s.next(l, w)
		} else {
			b = nil
		}
		if b == nil {
			b = <-w.work
		}
	}
}

// finish hands out what came of a batch. It tells whether there may be a next one: a lone call that
// nobody has followed leaves the worker idle before it is answered, so that the caller goes on at once.
func (s *Store) finish(l *lane, b *batch, questions []question, answered bool) (more bool) {
	l.mu.Lock()
	// Whoever is answered finds the breaker as the answer left it.
	if !b.late {
		l.awaited = slices.DeleteFunc(l.awaited, func(other *batch) bool { return other == b })
		s.conclude(l, b.probe, answered, false)
		if more = len(questions) > 1 || len(l.queue) > 0; !more {
			l.rest(b.worker)
		}
	}
	for i := range questions {
		if q := &questions[i]; q.state == sent {
			q.state, q.listens = over, true
		}
	}
	l.mu.Unlock()
	s.leave(len(questions))
	for i := range questions {
		if q := &questions[i]; q.listens {
			q.reply <- q.err
		}
	}
	return more
}

// gather lets whoever was answered come again at once, and go along.
func (s *Store) gather(l *lane, answered int) {
	for range yields {
		runtime.Gosched()
		l.mu.Lock()
		n := len(l.queue)
		l.mu.Unlock()
		if n >= answered {
			return
		}
	}
}

// next takes what has gathered, or lets the worker rest.
func (s *Store) next(l *lane, w *worker) *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := s.take(l)
	if len(calls) == 0 {
		l.rest(w)
		return nil
	}
	b := &batch{calls: calls, worker: w}
	s.await(l, b, time.Now())
	return b
}

// rest lets a worker wait for a batch. It is called with the lock.
func (l *lane) rest(w *worker) {
	l.active--
	l.idle = append(l.idle, w)
}
