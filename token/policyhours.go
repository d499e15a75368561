package token

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const day = 24 * time.Hour

// Hours is a part of some days, by the clock on the wall: from Open on and before Close, in hours and minutes since
// midnight as that clock shows them. With Close not after Open it ends on the next day. A wall clock that is put
// back shows an hour twice, and it is open or closed both times.
type Hours struct {
	Days        []time.Weekday // on which it opens; empty: every day
	Open, Close time.Duration  // Open from 0 on and before 24 h; Close after 0 and up to 24 h
}

// HoursConfig configures NewHoursPolicy.
type HoursConfig struct {
	_ [0]func()

	// Location is where the clock hangs. Required.
	Location *time.Location

	// Clients are the service hours of each client.
	Clients map[ClientID][]Hours

	// Others is for clients that are not among Clients. Empty: it is never open for them.
	Others []Hours
}

// NewHoursPolicy makes a Policy that lets each client come in its service hours only, or reports every mistake in c.
func NewHoursPolicy(c HoursConfig) (Policy, error) {
	var all []error
	if c.Location == nil {
		all = append(all, errors.New("token: HoursConfig.Location is required"))
	}
	if len(c.Clients) == 0 && len(c.Others) == 0 {
		all = append(all, errors.New("token: HoursConfig: no hours"))
	}
	checked := func(list []Hours) []Hours {
		list = slices.Clone(list)
		for i, h := range list {
			if err := h.check(); err != nil {
				all = append(all, err)
			}
			list[i].Days = slices.Clone(h.Days)
		}
		return list
	}
	clients := make(map[ClientID][]Hours, len(c.Clients))
	for id, list := range c.Clients {
		if id.Issuer == "" || id.Client == "" {
			all = append(all, errors.New("token: HoursConfig.Clients: an empty issuer or client"))
		}
		clients[id] = checked(list)
	}
	others := checked(c.Others)
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return func(_ *http.Request, g Grant) error {
		if g.by == nil {
			return misplaced()
		}
		hours, listed := clients[g.ClientID()]
		if !listed {
			hours = others
		}
		now := time.Now().In(c.Location)
		if !slices.ContainsFunc(hours, func(h Hours) bool { return h.has(now) }) {
			return g.refuse(ErrHours, nil, "")
		}
		return nil
	}, nil
}

func (h Hours) check() error {
	wrongDay := func(d time.Weekday) bool { return d < time.Sunday || d > time.Saturday }
	if h.Open < 0 || h.Open >= day || h.Close <= 0 || h.Close > day || h.Open == h.Close ||
		h.Open%time.Second != 0 || h.Close%time.Second != 0 || slices.ContainsFunc(h.Days, wrongDay) {
		return fmt.Errorf("token: Hours: %v to %v on %v", h.Open, h.Close, h.Days)
	}
	return nil
}

// has looks at the face of the clock only: no arithmetic on instants, which summer time would bend.
func (h Hours) has(t time.Time) bool {
	hour, minute, second := t.Clock()
	face := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	today, yesterday := t.Weekday(), (t.Weekday()+6)%7
	if h.Open < h.Close {
		return h.on(today) && h.Open <= face && face < h.Close
	}
	return h.on(today) && h.Open <= face || h.on(yesterday) && face < h.Close
}

func (h Hours) on(d time.Weekday) bool { return len(h.Days) == 0 || slices.Contains(h.Days, d) }
