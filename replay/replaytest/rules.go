package replaytest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// newRun makes the keys of one run different from those of all others.
func newRun() string { return rand.Text() }

// rules are the rules in the order in which they should be mended.
func rules() []rule {
	return []rule{
		{name: "once", keeps: once,
			why: "a value is used once, and the second use is told apart from an outage by replay.ErrUsed"},
		{name: "race", keeps: race,
			why: "looking and remembering are one step: what looks first and stores afterwards lets two in"},
		{name: "distinct", keeps: distinct,
			why: "values that nobody used must not be refused because others were"},
		{name: "owner", keeps: owner,
			why: "a value is the same value whoever owns it, whenever it was made, and however long it lives"},
		{name: "past", keeps: past,
			why: "a value whose time is over is never accepted, and not remembered either"},
		{name: "mistake", keeps: mistake,
			why: "what Use.Check calls our own mistake fails closed and is not blamed on the value"},
		{name: "never forgets", keeps: neverForgets,
			why: "a full store refuses; one that makes room lets an attacker flush what it remembered"},
		{name: "canceled", keeps: canceled,
			why: "a store that gives up refuses: nil means that the value is remembered"},
		{name: "long", keeps: long,
			why: "values may live for a day, and counters of seconds must not run over"},
		{name: "until", keeps: until, waits: true,
			why: "a value is remembered to the end, the last fraction of a second included"},
		{name: "not shortened", keeps: notShortened, waits: true,
			why: "a refused use changes nothing: the value is remembered as long as the first use said"},
		{name: "expiry", keeps: expiry, waits: true,
			why: "a store that never forgets a dead value is full one day"},
	}
}

var background = context.Background()

// lasting is a use of key that outlasts every rule.
func lasting(key replay.Key) replay.Use { return living(key, time.Minute) }

// living is a use of key that lives for d.
func living(key replay.Key, d time.Duration) replay.Use {
	now := time.Now()
	return replay.Use{Key: key, Made: now, Until: now.Add(d)}
}

// want uses u and compares the answer; a nil reason wants nil.
func want(s replay.Store, u replay.Use, reason error, what string) error {
	switch err := s.Use(background, u); {
	case reason == nil && err != nil:
		return fmt.Errorf("%s was refused: %w", what, err)
	case reason != nil && err == nil:
		return fmt.Errorf("%s was accepted", what)
	case !errors.Is(err, reason):
		return fmt.Errorf("%s was refused for another reason: %w", what, err)
	}
	return nil
}

func once(s replay.Store, key func(string) replay.Key) error {
	if err := want(s, lasting(key("a")), nil, "a new value"); err != nil {
		return err
	}
	for range 3 {
		if err := want(s, lasting(key("a")), replay.ErrUsed, "a used value"); err != nil {
			return err
		}
	}
	return nil
}

func race(s replay.Store, key func(string) replay.Key) error {
	const callers = 100
	for round := range 5 {
		u := lasting(key(strconv.Itoa(round)))
		answers := make([]error, callers)
		gate := make(chan struct{})
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				<-gate
				answers[i] = s.Use(background, u)
			})
		}
		close(gate)
		wg.Wait()
		accepted := 0
		for _, err := range answers {
			if err == nil {
				accepted++
			} else if !errors.Is(err, replay.ErrUsed) {
				return fmt.Errorf("one of %d uses at once was refused for another reason: %w", callers, err)
			}
		}
		if accepted != 1 {
			return fmt.Errorf("%d of %d uses at once were accepted", accepted, callers)
		}
	}
	return nil
}

func distinct(s replay.Store, key func(string) replay.Key) error {
	for i := range 500 {
		if err := want(s, lasting(key(strconv.Itoa(i))), nil, "a new value"); err != nil {
			return err
		}
	}
	return nil
}

func owner(s replay.Store, key func(string) replay.Key) error {
	first := lasting(key("a"))
	first.Owner = key("one owner")
	if err := want(s, first, nil, "a new value"); err != nil {
		return err
	}
	other := first
	other.Owner = key("another owner")
	if err := want(s, other, replay.ErrUsed, "a used value of another owner"); err != nil {
		return err
	}
	other = first
	other.Made = other.Made.Add(time.Second)
	if err := want(s, other, replay.ErrUsed, "a used value said to be made later"); err != nil {
		return err
	}
	other = first
	other.Until = other.Until.Add(time.Hour)
	return want(s, other, replay.ErrUsed, "a used value said to live longer")
}

func past(s replay.Store, key func(string) replay.Key) error {
	for _, ago := range []time.Duration{0, time.Millisecond, time.Second, time.Hour} {
		if err := want(s, living(key("a"), -ago), replay.ErrTooOld, fmt.Sprintf("a value that ended %v ago", ago)); err != nil {
			return err
		}
	}
	if err := s.Use(background, replay.Use{Key: key("a"), Made: time.Now()}); err == nil {
		return errors.New("a value with a zero Until was accepted")
	}
	return want(s, lasting(key("a")), nil, "a value that was refused because its time was over")
}

func mistake(s replay.Store, key func(string) replay.Key) error {
	for what, u := range map[string]replay.Use{
		"a zero Key":                 lasting(replay.Key{}),
		"an Until beyond the bound":  living(key("a"), replay.MaxLifetime+time.Minute),
		"a Made after Until":         {Key: key("d"), Made: time.Now().Add(time.Hour), Until: time.Now().Add(time.Minute)},
		"an Until of the year 2106":  {Key: key("b"), Made: time.Now(), Until: time.Unix(1<<32+1000, 0)},
		"an Until beyond every year": {Key: key("c"), Made: time.Now(), Until: time.Unix(1<<50, 0)},
	} {
		switch err := s.Use(background, u); {
		case err == nil:
			return fmt.Errorf("%s was accepted", what)
		case errors.Is(err, replay.ErrUsed), errors.Is(err, replay.ErrTooOld), errors.Is(err, replay.ErrFull):
			return fmt.Errorf("%s was blamed on the value: %w", what, err)
		}
	}
	return nil
}

func neverForgets(s replay.Store, key func(string) replay.Key) error {
	const others, callers = 10_000, 20
	first := lasting(key("first"))
	if err := want(s, first, nil, "a new value"); err != nil {
		return err
	}
	failed := make([]error, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range others / callers {
				err := s.Use(background, lasting(key(fmt.Sprint(c, i))))
				if err != nil && !errors.Is(err, replay.ErrFull) {
					failed[c] = fmt.Errorf("a new value was refused, and not because the store is full: %w", err)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return want(s, first, replay.ErrUsed, fmt.Sprintf("a used value, after %d others,", others))
}

func canceled(s replay.Store, key func(string) replay.Key) error {
	ctx, cancel := context.WithCancel(background)
	cancel()
	u := lasting(key("a"))
	if s.Use(ctx, u) == nil {
		return want(s, u, replay.ErrUsed, "a value used under a canceled context")
	}
	return nil // whether it is spent is open
}
