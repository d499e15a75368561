package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Run keeps the list up to date until ctx ends, and gives its error. Without it the list
// is brought up to date by questions: one in every Bound then waits for Redis.
func (r *Revocations) Run(ctx context.Context) error {
	news := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { r.listen(ctx, news) })
	for {
		pause := r.bound / 4
		if r.refresh(ctx, true) != nil {
			pause = min(pause, revocationPause)
		}
		// A flood of news is answered by questions one after the other, with a breath between.
		if !sleep(ctx, revocationBreath, nil) || !sleep(ctx, pause, news) {
			return ctx.Err()
		}
	}
}

const (
	revocationBreath = 2 * time.Millisecond
	revocationQuiet  = time.Second // after which a subscription is tried
)

// sleep waits for d, or for news. False means that ctx has ended.
func sleep(ctx context.Context, d time.Duration, news <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-news:
	case <-ctx.Done():
		return false
	}
	return ctx.Err() == nil
}

// listen passes news on. What is missed is found by asking: a subscription promises nothing.
func (r *Revocations) listen(ctx context.Context, news chan<- struct{}) {
	for ctx.Err() == nil {
		_ = guarded(ctx, func(ctx context.Context) error { return r.subscribe(ctx, news) })
		sleep(ctx, revocationPause, nil)
	}
}

// subscribe passes on the news of one subscription, until it breaks.
func (r *Revocations) subscribe(ctx context.Context, news chan<- struct{}) error {
	s := r.client.Subscribe(ctx, r.channel)
	closing := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer func() {
		closing()
		_ = s.Close()
	}()
	for tried := false; ; {
		m, err := s.ReceiveTimeout(ctx, revocationQuiet)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && tried:
			return err // not even the ping was answered
		case err != nil:
			if err := s.Ping(ctx); err != nil {
				return err
			}
			tried = true
			continue
		}
		tried = false
		if _, pong := m.(*redis.Pong); pong {
			continue
		}
		select {
		case news <- struct{}{}:
		default: // there is news already that nobody has looked at
		}
	}
}
