package token

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
)

// ClientID names a client: a client id means something only together with its issuer.
type ClientID struct{ Issuer, Client string }

// ClientID is the verified client, zero when the token names none.
func (g Grant) ClientID() ClientID {
	if g.Client() == "" {
		return ClientID{}
	}
	return ClientID{g.Issuer(), g.Client()}
}

// AddressConfig configures NewAddressPolicy.
type AddressConfig struct {
	_ [0]func()

	// Address gives the address of the client: behind proxies, what a listed proxy says. Required. An error that is
	// an *audit.Refusal below 500 is an address that is not known, any other an outage.
	Address func(*http.Request) (netip.Addr, error)

	// Clients are the networks from which each client may come.
	Clients map[ClientID][]netip.Prefix

	// Others is for clients that are not among Clients. Empty: they may come from nowhere.
	Others []netip.Prefix
}

// NewAddressPolicy makes a Policy that lets each client come from its own networks only, or reports every mistake
// in c. IPv4 addresses that are mapped into IPv6 count as IPv4.
func NewAddressPolicy(c AddressConfig) (Policy, error) {
	var all []error
	if c.Address == nil {
		all = append(all, errors.New("token: AddressConfig.Address is required"))
	}
	if len(c.Clients) == 0 && len(c.Others) == 0 {
		all = append(all, errors.New("token: AddressConfig: no network"))
	}
	checked := func(list []netip.Prefix) []netip.Prefix {
		for _, p := range list {
			if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
				all = append(all, fmt.Errorf("token: AddressConfig: %v is not a network", p))
			}
		}
		return slices.Clone(list)
	}
	clients := make(map[ClientID][]netip.Prefix, len(c.Clients))
	for id, list := range c.Clients {
		if id.Issuer == "" || id.Client == "" {
			all = append(all, errors.New("token: AddressConfig.Clients: an empty issuer or client"))
		}
		clients[id] = checked(list)
	}
	others := checked(c.Others)
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return func(r *http.Request, g Grant) error {
		if g.by == nil {
			return misplaced()
		}
		addr, err := c.Address(r)
		switch {
		case err != nil && isOutage(err):
			return g.refuse(ErrAddressUnavailable, err, "")
		case err != nil || !addr.IsValid():
			return g.refuse(ErrAddressUnknown, err, "")
		}
		from, listed := clients[g.ClientID()]
		if !listed {
			from = others
		}
		addr = addr.Unmap()
		if !slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return g.refuse(ErrAddress, nil, "")
		}
		return nil
	}, nil
}
