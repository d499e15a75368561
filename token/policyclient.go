package token

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// ClientState is what a registry says of a client. The zero value is not active.
type ClientState struct {
	Active bool // registered, and not locked

	From, Until time.Time // the period of the registration, Until excluded; zero: without that end
}

// Clients is a registry of clients. An error that is ErrClientUnknown says that there is none, any other is an
// outage.
type Clients interface {
	Client(ctx context.Context, id ClientID) (ClientState, error)
}

// ClientsFunc is a function that is Clients.
type ClientsFunc func(ctx context.Context, id ClientID) (ClientState, error)

// Client calls f.
func (f ClientsFunc) Client(ctx context.Context, id ClientID) (ClientState, error) { return f(ctx, id) }

// ClientConfig configures NewClientPolicy.
type ClientConfig struct {
	_ [0]func()

	// Clients is asked on every request. Required.
	Clients Clients

	// Timeout bounds an answer, zero: 500 ms, at most 5 s. MaxInFlight bounds the calls under way, zero: 256.
	Timeout     time.Duration
	MaxInFlight int
}

// NewClientPolicy makes a Policy that demands a client which is registered, active, and within its period. A token
// that names no client is refused.
func NewClientPolicy(c ClientConfig) (Policy, error) {
	out, err := newOutside("ClientConfig", c.Timeout, c.MaxInFlight)
	if c.Clients == nil {
		err = errors.Join(errors.New("token: ClientConfig.Clients is required"), err)
	}
	if err != nil {
		return nil, err
	}
	return func(r *http.Request, g Grant) error {
		id := g.ClientID()
		if id == (ClientID{}) {
			return g.refuse(ErrClientUnknown, nil, "")
		}
		state, err := call(r.Context(), out, func(ctx context.Context) (ClientState, error) { return c.Clients.Client(ctx, id) })
		now := time.Now()
		switch {
		case errors.Is(err, ErrClientUnknown):
			return g.refuse(ErrClientUnknown, nil, "")
		case err != nil:
			return g.refuse(ErrClientUnavailable, err, "")
		case !state.Active:
			return g.refuse(ErrClientInactive, nil, "")
		case now.Before(state.From), !state.Until.IsZero() && !now.Before(state.Until):
			return g.refuse(ErrClientPeriod, nil, "")
		}
		return nil
	}, nil
}
