package replaytest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// asks compares what l says about name with reason; nil wants nil.
func asks(l Revocations, name replay.Key, issued time.Time, reason error, what string) error {
	switch err := l.Revoked(background, []replay.Key{name}, issued); {
	case reason == nil && err != nil:
		return fmt.Errorf("%s was refused: %w", what, err)
	case reason != nil && err == nil:
		return fmt.Errorf("%s was accepted", what)
	case !errors.Is(err, reason):
		return fmt.Errorf("%s was refused for another reason: %w", what, err)
	}
	return nil
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

func revokes(l Revocations, key func(string) replay.Key) error {
	if err := asks(l, key("a"), time.Now(), nil, "a name that nobody revoked"); err != nil {
		return err
	}
	if err := l.Revoke(background, key("a"), inAnHour()); err != nil {
		return fmt.Errorf("a revocation was refused: %w", err)
	}
	for _, issued := range []time.Time{{}, time.Now().Add(-time.Hour), time.Now(), time.Now().Add(time.Minute)} {
		if err := asks(l, key("a"), issued, replay.ErrRevoked, "a revoked name"); err != nil {
			return err
		}
	}
	names := []replay.Key{key("b"), key("c"), key("a")}
	switch err := l.Revoked(background, names, time.Now()); {
	case err == nil:
		return errors.New("three names were accepted of which the last is revoked")
	case !errors.Is(err, replay.ErrRevoked):
		return fmt.Errorf("three names of which the last is revoked were refused for another reason: %w", err)
	}
	return nil
}

func sparesOthers(l Revocations, key func(string) replay.Key) error {
	for i := range 100 {
		if err := l.Revoke(background, key(strconv.Itoa(i)), inAnHour()); err != nil {
			return fmt.Errorf("a revocation was refused: %w", err)
		}
	}
	for i := 100; i < 200; i++ {
		if err := asks(l, key(strconv.Itoa(i)), time.Time{}, nil, "a name that nobody revoked"); err != nil {
			return err
		}
	}
	if err := l.Revoked(background, nil, time.Time{}); err != nil {
		return fmt.Errorf("no names were refused: %w", err)
	}
	return nil
}

func comparesIssue(l Revocations, key func(string) replay.Key) error {
	at := time.Now()
	if err := l.RevokeBefore(background, key("a"), at, inAnHour()); err != nil {
		return fmt.Errorf("a revocation was refused: %w", err)
	}
	for what, c := range map[string]struct {
		issued time.Time
		reason error
	}{
		"what was issued long before":            {at.Add(-time.Hour), replay.ErrRevoked},
		"what was issued just before":            {at.Add(-time.Second), replay.ErrRevoked},
		"what does not say when it was issued":   {time.Time{}, replay.ErrRevoked},
		"what was issued since":                  {at.Add(time.Second), nil},
		"what was issued in the very second":     {at.Truncate(time.Second), replay.ErrRevoked},
		"what was issued a long time afterwards": {at.Add(time.Hour), nil},
	} {
		if at.Truncate(time.Second).Equal(at) && c.issued.Equal(at) {
			continue // nothing was issued before within a second that has just begun
		}
		if err := asks(l, key("a"), c.issued, c.reason, what); err != nil {
			return err
		}
	}
	return nil
}

func movesRevision(l Revocations, key func(string) replay.Key) error {
	last := l.Revision()
	for i := range 100 {
		var err error
		if i%2 == 0 {
			err = l.Revoke(background, key(strconv.Itoa(i)), inAnHour())
		} else {
			err = l.RevokeBefore(background, key(strconv.Itoa(i)), time.Now(), inAnHour())
		}
		if err != nil {
			return fmt.Errorf("a revocation was refused: %w", err)
		}
		now := l.Revision()
		if now == last {
			return fmt.Errorf("the revision is still %d after a revocation", now)
		}
		last = now
	}
	return nil
}

func neverShortens(l Revocations, key func(string) replay.Key) error {
	if err := errors.Join(
		l.Revoke(background, key("a"), inAnHour()),
		l.Revoke(background, key("a"), time.Now().Add(time.Minute)),
		l.RevokeBefore(background, key("a"), time.Now().Add(-time.Hour), time.Now().Add(time.Minute)),
		l.RevokeBefore(background, key("b"), time.Now(), inAnHour()),
		l.RevokeBefore(background, key("b"), time.Now().Add(-time.Hour), inAnHour()),
	); err != nil {
		return fmt.Errorf("revoking again: %w", err)
	}
	if err := asks(l, key("a"), time.Now(), replay.ErrRevoked, "what was revoked, and again for something less,"); err != nil {
		return err
	}
	return asks(l, key("b"), time.Now().Add(-time.Minute), replay.ErrRevoked, "what was issued before the later of two moments")
}

func refusesMistakes(l Revocations, key func(string) replay.Key) error {
	for what, err := range map[string]error{
		"a zero name":                     l.Revoke(background, replay.Key{}, inAnHour()),
		"a zero name, issued before":      l.RevokeBefore(background, replay.Key{}, time.Now(), inAnHour()),
		"an end that is over":             l.Revoke(background, key("a"), time.Now().Add(-time.Second)),
		"a zero end":                      l.Revoke(background, key("a"), time.Time{}),
		"an end beyond the bound":         l.Revoke(background, key("a"), time.Now().Add(replay.MaxRevocation+time.Hour)),
		"an end beyond the bound, before": l.RevokeBefore(background, key("a"), time.Now(), time.Now().Add(replay.MaxRevocation+time.Hour)),
		"a zero moment of issue":          l.RevokeBefore(background, key("a"), time.Time{}, inAnHour()),
	} {
		if err == nil {
			return fmt.Errorf("%s was accepted", what)
		}
	}
	return asks(l, key("a"), time.Time{}, nil, "what was revoked by mistakes only")
}

func holdsMany(l Revocations, key func(string) replay.Key) error {
	const names = 1000
	for i := range names {
		if err := l.Revoke(background, key(strconv.Itoa(i)), inAnHour()); err != nil {
			return fmt.Errorf("one of %d revocations was refused: %w", names, err)
		}
	}
	for i := range names {
		if err := asks(l, key(strconv.Itoa(i)), time.Time{}, replay.ErrRevoked, "one of many revoked names"); err != nil {
			return err
		}
	}
	return nil
}

func holdsToTheEnd(l Revocations, key func(string) replay.Key) error {
	const lives = 2 * time.Second
	end := time.Now().Add(lives)
	if err := l.Revoke(background, key("a"), end); err != nil {
		return fmt.Errorf("a revocation was refused: %w", err)
	}
	time.Sleep(time.Until(end) - lives/10)
	err := l.Revoked(background, []replay.Key{key("a")}, time.Time{})
	if time.Now().Before(end) && !errors.Is(err, replay.ErrRevoked) {
		return fmt.Errorf("before its end a revocation answers %w", err)
	}
	return nil
}

func isOverOnce(l Revocations, key func(string) replay.Key) error {
	end := time.Now().Add(time.Second)
	if err := errors.Join(
		l.Revoke(background, key("a"), end), l.RevokeBefore(background, key("b"), end, end), l.Revoke(background, key("c"), inAnHour()),
	); err != nil {
		return fmt.Errorf("a revocation was refused: %w", err)
	}
	time.Sleep(time.Until(end) + replay.RevocationGrace + grace)
	if err := l.Revoked(background, []replay.Key{key("a"), key("b")}, time.Time{}); err != nil {
		return fmt.Errorf("long after its end a revocation answers %w", err)
	}
	return asks(l, key("c"), time.Time{}, replay.ErrRevoked, "what is revoked for an hour")
}
