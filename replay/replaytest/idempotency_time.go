package replaytest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tegata-go/tegata/replay"
)

func keepsApart(s replay.RunStore, key func(string) replay.Key) error {
	const keys = 1000
	for i := range keys {
		r := running(key(strconv.Itoa(i)))
		if err := begins(s, r, nil, nil, "a new key"); err != nil {
			return err
		}
		if i%2 == 0 {
			if err := s.Finish(background, r, []byte(strconv.Itoa(i))); err != nil {
				return fmt.Errorf("an answer was refused: %w", err)
			}
		}
	}
	for i := range keys {
		var err error
		if i%2 == 0 {
			err = begins(s, running(key(strconv.Itoa(i))), []byte(strconv.Itoa(i)), nil, "an answered key")
		} else {
			err = begins(s, running(key(strconv.Itoa(i))), nil, replay.ErrInFlight, "a key under way")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func refusesMistakenRuns(s replay.RunStore, key func(string) replay.Key) error {
	for what, spoil := range map[string]func(*replay.Run){
		"a zero Key":         func(r *replay.Run) { r.Key = replay.Key{} },
		"a zero Fingerprint": func(r *replay.Run) { r.Fingerprint = replay.Key{} },
		"a zero ID":          func(r *replay.Run) { r.ID = [16]byte{} },
		"no Lease":           func(r *replay.Run) { r.Lease = 0 },
		"a Lease above TTL":  func(r *replay.Run) { r.Lease = 2 * time.Hour },
		"an endless TTL":     func(r *replay.Run) { r.TTL = replay.MaxLifetime + time.Second },
	} {
		r := running(key("a"))
		spoil(&r)
		if err := begins(s, r, nil, replay.ErrUnavailable, what); err != nil {
			return err
		}
		if err := settles(s.Finish(background, r, []byte("answer")), replay.ErrUnavailable, "Finish with "+what); err != nil {
			return err
		}
	}
	return begins(s, running(key("a")), nil, nil, "a key of mistakes only")
}

func remembersCanceled(s replay.RunStore, key func(string) replay.Key) error {
	ctx, cancel := context.WithCancel(background)
	cancel()
	answer, err := s.Begin(ctx, running(key("a")))
	if err == nil && answer == nil {
		return begins(s, running(key("a")), nil, replay.ErrInFlight, "a key that began under a canceled context")
	}
	return nil // whether it is claimed is open
}

func neverRunsAfterALease(s replay.RunStore, key func(string) replay.Key) error {
	r := running(key("a"))
	r.Lease = time.Second
	if err := begins(s, r, nil, nil, "a new key"); err != nil {
		return err
	}
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		answer, err := s.Begin(background, running(key("a")))
		if err == nil {
			return fmt.Errorf("a key under way may run, or was answered with %d bytes", len(answer))
		}
	}
	return inOrder(
		func() error { return begins(s, running(key("a")), nil, replay.ErrUnresolved, "a key after its lease") },
		func() error { return settles(s.Finish(background, r, []byte("late")), nil, "Finish after the lease") },
		func() error {
			return begins(s, running(key("a")), []byte("late"), nil, "a key answered after its lease")
		},
	)
}

func forgetsAfterTTL(s replay.RunStore, key func(string) replay.Key) error {
	began := time.Now()
	for _, part := range []string{"answered", "under way"} {
		r := running(key(part))
		r.Lease, r.TTL = time.Second, 2*time.Second
		if err := begins(s, r, nil, nil, "a new key"); err != nil {
			return err
		}
		if part == "answered" {
			if err := settles(s.Finish(background, r, []byte("answer")), nil, "Finish"); err != nil {
				return err
			}
		}
	}
	all := time.Now() // the second may have begun well after the first
	time.Sleep(time.Until(began.Add(1500 * time.Millisecond)))
	err := begins(s, running(key("answered")), []byte("answer"), nil, "an answered key within its TTL")
	if err != nil && time.Since(began) < 2*time.Second {
		return err
	}
	time.Sleep(time.Until(all.Add(3 * time.Second)))
	return inOrder(
		func() error { return begins(s, running(key("answered")), nil, nil, "an answered key after its TTL") },
		func() error { return begins(s, running(key("under way")), nil, nil, "a key under way after its TTL") },
	)
}
