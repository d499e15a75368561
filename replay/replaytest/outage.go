package replaytest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// How long a store may take to refuse while what is behind it is gone, and to serve again.
const (
	outageAnswer   = 5 * time.Second
	outageRecovery = 10 * time.Second
)

// TestOutage tells what a store does while what is behind it is gone: begin takes it away, end
// brings it back with what it had remembered. The error joins every broken rule, nil when none is:
//
//   - during the outage nothing is accepted, and no value is blamed for it;
//   - every answer comes within 5 seconds, however many wait: nobody waits for another;
//   - within 10 seconds of its end the store serves again, by itself;
//   - what was used before is still used, and what was refused meanwhile is accepted once at most.
func TestOutage(s replay.Store, begin, end func()) error {
	run := newRun()
	value := func(part string) replay.Use { return lasting(replay.Digest("replaytest", run, part)) }
	if err := want(s, value("before"), nil, "a new value before the outage"); err != nil {
		return fmt.Errorf("outage: %w", err)
	}
	begin()
	all := []error{during(s, value)}
	end()
	all = append(all, after(s, value))
	return errors.Join(all...)
}

const duringOutage = 100

// during uses many values at once, and one again, while there is nothing behind the store.
func during(s replay.Store, value func(string) replay.Use) error {
	failed := make([]error, duringOutage)
	var wg sync.WaitGroup
	for i := range failed {
		wg.Go(func() {
			u := value(strconv.Itoa(i))
			if i == 0 {
				u = value("before")
			}
			began := time.Now()
			err := s.Use(background, u)
			switch took := time.Since(began); {
			case err == nil:
				failed[i] = errors.New("outage: a value was accepted that nothing remembers; a store fails closed")
			case i > 0 && (errors.Is(err, replay.ErrUsed) || errors.Is(err, replay.ErrTooOld)):
				failed[i] = fmt.Errorf("outage: a value was blamed for it: %w", err)
			case took > outageAnswer:
				failed[i] = fmt.Errorf("outage: an answer took %v; who waits for a store that is gone takes the service along", took)
			}
		})
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			return err // one says it
		}
	}
	return nil
}

// after waits until the store serves, and asks what it remembers.
func after(s replay.Store, value func(string) replay.Use) error {
	ended := time.Now()
	for n := 0; ; n++ {
		err := s.Use(background, value("again "+strconv.Itoa(n)))
		if err == nil {
			break
		}
		if time.Since(ended) > outageRecovery {
			return fmt.Errorf("recovery: %v after the outage: %w; a store recovers without a restart", time.Since(ended), err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	patient := replay.StoreFunc(func(ctx context.Context, u replay.Use) error {
		for {
			err := s.Use(ctx, u)
			if !errors.Is(err, replay.ErrUnavailable) || time.Since(ended) > outageRecovery {
				return err
			}
			time.Sleep(10 * time.Millisecond) // of many parts behind a store some are back later
		}
	})
	if err := want(patient, value("before"), replay.ErrUsed, "a value used before the outage"); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	for i := 1; i < duringOutage; i++ {
		u := value(strconv.Itoa(i))
		if patient.Use(background, u) != nil {
			continue // it was spent although it was refused
		}
		if err := want(patient, u, replay.ErrUsed, "a value refused during the outage and used since"); err != nil {
			return fmt.Errorf("recovery: %w", err)
		}
	}
	return nil
}
