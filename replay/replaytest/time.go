package replaytest

import (
	"errors"
	"fmt"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// grace is how much longer than Until a value may be remembered: stores round up, and
// shared ones allow for skew.
const grace = time.Minute

func long(s replay.Store, key func(string) replay.Key) error {
	for _, d := range []time.Duration{24 * time.Hour, replay.MaxLifetime - time.Minute} {
		u := living(key(d.String()), d)
		if err := want(s, u, nil, fmt.Sprintf("a value that lives for %v", d)); err != nil {
			return err
		}
		if err := want(s, u, replay.ErrUsed, fmt.Sprintf("a used value that lives for %v", d)); err != nil {
			return err
		}
	}
	return nil
}

func until(s replay.Store, key func(string) replay.Key) error {
	// The end falls on the last fraction of a second: a store that rounds down is caught.
	end := time.Now().Truncate(time.Second).Add(2*time.Second + 950*time.Millisecond)
	u := replay.Use{Key: key("a"), Made: time.Now(), Until: end}
	if err := want(s, u, nil, "a new value"); err != nil {
		return err
	}
	return heldTo(s, u, end)
}

func notShortened(s replay.Store, key func(string) replay.Key) error {
	u := living(key("a"), 2500*time.Millisecond)
	if err := want(s, u, nil, "a new value"); err != nil {
		return err
	}
	shorter := u
	shorter.Until = time.Now().Add(100 * time.Millisecond)
	if err := s.Use(background, shorter); err == nil {
		return errors.New("a used value said to live shorter was accepted")
	}
	return heldTo(s, u, u.Until)
}

// heldTo asks once, a quarter of a second before end, whether the value of u is remembered. Not
// twice: a store whose end is moved by every use would be helped by the first question.
func heldTo(s replay.Store, u replay.Use, end time.Time) error {
	time.Sleep(time.Until(end) - 250*time.Millisecond)
	u.Until = time.Now().Add(time.Minute)
	err := s.Use(background, u)
	left := time.Until(end)
	switch {
	case left <= 0: // the answer came too late to tell
		return nil
	case err == nil:
		return fmt.Errorf("a used value was accepted %v before its end", left)
	case !errors.Is(err, replay.ErrUsed):
		return fmt.Errorf("a used value was refused for another reason: %w", err)
	}
	return nil
}

func expiry(s replay.Store, key func(string) replay.Key) error {
	u := living(key("a"), time.Second)
	if err := want(s, u, nil, "a new value"); err != nil {
		return err
	}
	end := u.Until.Add(grace)
	for time.Now().Before(end) {
		time.Sleep(100 * time.Millisecond)
		u.Made, u.Until = time.Now(), time.Now().Add(time.Minute)
		if err := s.Use(background, u); err == nil {
			return nil
		} else if !errors.Is(err, replay.ErrUsed) {
			return fmt.Errorf("a value that ended was refused for another reason: %w", err)
		}
	}
	return fmt.Errorf("a value was still remembered %v after its end", grace)
}
