package service

import (
	"errors"
	"net/http"

	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/token"
)

// stages are the two places where callers are counted: before any cryptography by the address at the other end, and
// behind it by the client, all its tokens together.
type stages struct {
	peer, client func(http.Handler) http.Handler
}

func limiters(c Config) (s stages, err error) {
	pass := func(next http.Handler) http.Handler { return next }
	s = stages{pass, pass}
	peers, errPeers := ratelimit.NewMemory(ratelimit.MemoryConfig{})
	clients, errClients := ratelimit.NewMemory(ratelimit.MemoryConfig{}) // its own: a flood of addresses does not fill it
	if err := errors.Join(errPeers, errClients); err != nil {
		return s, err
	}
	if c.RatePeer != nil {
		l, err := ratelimit.New(ratelimit.Config{
			Store: peers, Name: "peer", Key: mtls.AddressKey, Limits: []ratelimit.Limit{*c.RatePeer}, NoFields: true,
		})
		if err != nil {
			return s, err
		}
		s.peer = l.Wrap
	}
	var rate, inFlight = pass, pass
	if c.Rate != nil {
		l, err := ratelimit.New(ratelimit.Config{
			Store: clients, Name: "client", Key: token.ClientKey, Limits: []ratelimit.Limit{*c.Rate},
		})
		if err != nil {
			return s, err
		}
		rate = l.Wrap
	}
	if c.Concurrency > 0 {
		slots, errSlots := ratelimit.NewSlots(ratelimit.SlotsConfig{})
		l, err := ratelimit.NewConcurrency(ratelimit.ConcurrencyConfig{
			Slots: slots, Name: "inflight", Key: token.ClientKey, Max: c.Concurrency,
		})
		if err = errors.Join(errSlots, err); err != nil {
			return s, err
		}
		inFlight = l.Wrap
	}
	s.client = func(next http.Handler) http.Handler { return rate(inFlight(next)) }
	return s, nil
}
