package replaytest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// running is a new run of key, with a fingerprint that belongs to the key.

func running(key replay.Key) replay.Run {
	r := replay.Run{
		Key: key, Fingerprint: replay.Digest("fingerprint", string(key[:])), Owner: replay.Digest("owner"),
		Lease: time.Minute, TTL: time.Hour,
	}
	_, _ = rand.Read(r.ID[:])
	return r
}

// begins compares what Begin says with answer and reason.

func begins(s replay.RunStore, r replay.Run, answer []byte, reason error, what string) error {
	got, err := s.Begin(background, r)
	switch {
	case reason == nil && err != nil:
		return fmt.Errorf("%s was refused: %w", what, err)
	case reason != nil && err == nil && got == nil:
		return fmt.Errorf("%s may run", what)
	case reason != nil && err == nil:
		return fmt.Errorf("%s was answered", what)
	case !errors.Is(err, reason):
		return fmt.Errorf("%s was refused for another reason: %w", what, err)
	case !bytes.Equal(got, answer) || (got == nil) != (answer == nil):
		return fmt.Errorf("%s got %d bytes of an answer, not %d, or others", what, len(got), len(answer))
	}
	return nil
}

// settles fails unless err is reason.

func settles(err, reason error, what string) error {
	switch {
	case err == nil && reason != nil:
		return fmt.Errorf("%s was accepted", what)
	case err != nil && !errors.Is(err, reason):
		return fmt.Errorf("%s was refused: %w", what, err)
	}
	return nil
}

// inOrder gives the first error of steps.

func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func runsOnce(s replay.RunStore, key func(string) replay.Key) error {
	r := running(key("a"))
	if err := begins(s, r, nil, nil, "a new key"); err != nil {
		return err
	}
	for range 3 {
		if err := begins(s, running(key("a")), nil, replay.ErrInFlight, "a key under way"); err != nil {
			return err
		}
	}
	return nil
}

func runsOnceInARace(s replay.RunStore, key func(string) replay.Key) error {
	const callers = 100
	for round := range 5 {
		errs := make([]error, callers)
		answers := make([][]byte, callers)
		gate := make(chan struct{})
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				r := running(key(strconv.Itoa(round)))
				<-gate
				answers[i], errs[i] = s.Begin(background, r)
			})
		}
		close(gate)
		wg.Wait()
		ran := 0
		for i, err := range errs {
			switch {
			case err == nil && answers[i] == nil:
				ran++
			case !errors.Is(err, replay.ErrInFlight):
				return fmt.Errorf("one of %d at once: %w", callers, err)
			}
		}
		if ran != 1 {
			return fmt.Errorf("%d of %d at once may run", ran, callers)
		}
	}
	return nil
}

func answersAgain(s replay.RunStore, key func(string) replay.Key) error {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for what, answer := range map[string][]byte{
		"every byte": all, "one byte": {0}, "text": []byte("{\"id\":1}\r\n"), "64 KiB": bytes.Repeat(all, 256),
	} {
		r := running(key(what))
		if err := inOrder(
			func() error { return begins(s, r, nil, nil, "a new key") },
			func() error { return settles(s.Finish(background, r, answer), nil, "Finish with "+what) },
			func() error { return settles(s.Finish(background, r, answer), nil, "Finish again") },
		); err != nil {
			return err
		}
		for range 3 {
			if err := begins(s, running(key(what)), answer, nil, "a key answered with "+what); err != nil {
				return err
			}
		}
	}
	return nil
}

func tellsApart(s replay.RunStore, key func(string) replay.Key) error {
	for name, finish := range map[string]func(replay.Run) error{
		"under way":          func(replay.Run) error { return nil },
		"of unknown outcome": func(r replay.Run) error { return s.Finish(background, r, nil) },
		"answered":           func(r replay.Run) error { return s.Finish(background, r, []byte("answer")) },
	} {
		r := running(key(name))
		if err := begins(s, r, nil, nil, "a new key"); err != nil {
			return err
		}
		if err := finish(r); err != nil {
			return fmt.Errorf("an answer was refused: %w", err)
		}
		other := running(key(name))
		other.Fingerprint[31] ^= 1
		if err := begins(s, other, nil, replay.ErrMismatch, "another request with a key "+name); err != nil {
			return err
		}
	}
	return nil
}

func trustsItsOwn(s replay.RunStore, key func(string) replay.Key) error {
	r, other := running(key("a")), running(key("a"))
	return inOrder(
		func() error { return begins(s, r, nil, nil, "a new key") },
		func() error {
			return settles(s.Finish(background, other, []byte("forged")), replay.ErrUnresolved, "Finish by another run")
		},
		func() error {
			return settles(s.Finish(background, other, nil), replay.ErrUnresolved, "giving up by another run")
		},
		func() error {
			return settles(s.Forget(background, other), replay.ErrUnresolved, "Forget by another run")
		},
		func() error { return begins(s, other, nil, replay.ErrInFlight, "a key under way") },
		func() error { return settles(s.Finish(background, r, []byte("answer")), nil, "Finish") },
		func() error {
			return settles(s.Finish(background, other, []byte("forged")), replay.ErrUnresolved, "Finish by another run")
		},
		func() error { return begins(s, other, []byte("answer"), nil, "an answered key") },
	)
}

func keepsUnknown(s replay.RunStore, key func(string) replay.Key) error {
	r := running(key("a"))
	return inOrder(
		func() error { return begins(s, r, nil, nil, "a new key") },
		func() error { return settles(s.Finish(background, r, nil), nil, "Finish without an answer") },
		func() error {
			return begins(s, running(key("a")), nil, replay.ErrUnresolved, "a key of unknown outcome")
		},
		func() error {
			return begins(s, running(key("a")), nil, replay.ErrUnresolved, "a key of unknown outcome")
		},
		func() error {
			return settles(s.Finish(background, r, []byte("late")), nil, "Finish with a late answer")
		},
		func() error { return begins(s, running(key("a")), []byte("late"), nil, "a key that was answered late") },
	)
}

func forgetsWhatFailed(s replay.RunStore, key func(string) replay.Key) error {
	r, next := running(key("a")), running(key("a"))
	next.Fingerprint[0] ^= 1 // corrected
	operator := replay.Run{Key: key("a")}
	return inOrder(
		func() error { return begins(s, r, nil, nil, "a new key") },
		func() error { return settles(s.Forget(background, r), nil, "Forget") },
		func() error { return begins(s, next, nil, nil, "a forgotten key") },
		func() error { return settles(s.Finish(background, next, nil), nil, "Finish without an answer") },
		func() error { return settles(s.Forget(background, operator), nil, "an operator's Forget") },
		func() error { return begins(s, running(key("a")), nil, nil, "a key that an operator freed") },
		func() error { return settles(s.Forget(background, running(key("b"))), nil, "Forget of an unknown key") },
	)
}

func forgetsNothingElse(s replay.RunStore, key func(string) replay.Key) error {
	r, operator := running(key("a")), replay.Run{Key: key("a")}
	return inOrder(
		func() error { return begins(s, r, nil, nil, "a new key") },
		func() error {
			return settles(s.Forget(background, operator), replay.ErrUnresolved, "an operator's Forget of a key under way")
		},
		func() error { return settles(s.Finish(background, r, []byte("answer")), nil, "Finish") },
		func() error {
			return settles(s.Forget(background, operator), replay.ErrUnresolved, "an operator's Forget of an answered key")
		},
		func() error {
			return settles(s.Forget(background, r), replay.ErrUnresolved, "Forget of an answered key")
		},
		func() error {
			return settles(s.Finish(background, r, nil), nil, "Finish without an answer after one with it")
		},
		func() error { return begins(s, running(key("a")), []byte("answer"), nil, "an answered key") },
	)
}

func finishesTheUnknown(s replay.RunStore, key func(string) replay.Key) error {
	r, unknown := running(key("a")), running(key("b"))
	return inOrder(
		func() error {
			return settles(s.Finish(background, r, []byte("answer")), nil, "Finish of an unknown key")
		},
		func() error { return begins(s, running(key("a")), []byte("answer"), nil, "its key") },
		func() error { return settles(s.Finish(background, unknown, nil), nil, "giving up an unknown key") },
		func() error { return begins(s, running(key("b")), nil, replay.ErrUnresolved, "its key") },
	)
}
