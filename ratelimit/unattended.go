package ratelimit

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// UnattendedConfig describes the limit of NewUnattended.
type UnattendedConfig struct {
	_ [0]func()

	// Store counts, for all processes that serve the accounts.
	Store Store

	// Name is Config.Name.
	Name string

	// Location says when a day begins. time.Local differs between machines: name a place.
	Location *time.Location

	// Attended tells whether the customer is present and asked for this himself. See
	// CustomerPresent.
	Attended func(*http.Request) (bool, error)

	// Consent is whose permission is used: an id from the verified grant, never from a header.
	Consent func(*http.Request) (string, error)

	// Account is what is read: the account, or the account and the kind of data where the
	// agreed rule counts balances and transactions apart, or a constant for the list of
	// accounts.
	Account func(*http.Request) (string, error)

	// Accounts, in place of Account, names all that one call reads, 1 to 64 of them; one named
	// twice is counted once. Each is counted, and when one is spent the call is refused and none
	// is. They are looked at first and then counted one by one: of calls at the same time that
	// share an account some may be refused although others of their accounts were counted, and
	// none is let in too often.
	Accounts func(*http.Request) ([]string, error)

	// Calls is how many a day; 0 means the four of the rule. More needs an agreement with the
	// provider and the customer's consent (Article 36(5)(b)).
	Calls int64
}

// NewUnattended makes a Limiter for account information that is read while the customer is
// absent: four times a day per consent and account (Commission Delegated Regulation (EU)
// 2018/389, Article 36(5)(b)). The day is one of the calendar, and begins at midnight in
// Location. Attended requests pass uncounted. The fifth is 429 with the time until midnight.
//
// It stands behind authentication and policy, so that only what was permitted is counted.
func NewUnattended(c UnattendedConfig) (*Limiter, error) {
	var errs []error
	mistake := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("ratelimit: UnattendedConfig."+text))
		}
	}
	mistake(c.Location == nil, "Location is missing")
	mistake(c.Attended == nil, "Attended is missing")
	mistake(c.Consent == nil, "Consent is missing")
	mistake(c.Account == nil && c.Accounts == nil, "Account or Accounts is missing")
	mistake(c.Account != nil && c.Accounts != nil, "Account and Accounts exclude each other")
	if c.Calls == 0 {
		c.Calls = 4
	}
	location := c.Location
	if location == nil {
		location = time.UTC // reported above; the other mistakes are, too
	}
	key := Join(c.Consent, c.Account)
	if c.Accounts != nil {
		key = c.Consent
	}
	l, err := New(Config{
		Store: c.Store, Name: c.Name, Key: key, Exempt: c.Attended,
		Limits: []Limit{{Count: c.Calls, Calendar: Daily(location)}},
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	l.parts = c.Accounts
	return l, nil
}

// mostParts bounds what one request may be counted for.
const mostParts = 64

// each gives the keys of a limiter whose requests are counted for several parts of one caller.
func (l *Limiter) each(r *http.Request, caller string) ([]string, error) {
	parts, err := l.parts(r)
	if err != nil || len(parts) == 0 || len(parts) > mostParts {
		return nil, own(l.name, ErrKey, err)
	}
	keys := make([]string, len(parts))
	for i, part := range parts {
		if keys[i] = Key(caller, part); keys[i] == "" || len(keys[i]) > MaxKey {
			return nil, own(l.name, ErrKey, nil)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// takeEach takes one unit for every key: all are looked at before any is charged.
func (l *Limiter) takeEach(r *http.Request, caller string, limits []Limit) (least Result, err error) {
	keys, err := l.each(r, caller)
	if err != nil {
		return Result{}, err
	}
	for _, cost := range []int64{0, 1} {
		for i, key := range keys {
			res, err := l.store.Take(r.Context(), key, cost, limits)
			if err != nil {
				return Result{}, unavailable(l.name, err)
			}
			if counted := res.Limit.Name != ""; counted && res.OK && res.Remaining+cost < 1 {
				res.OK, res.Retry = false, res.Next
			}
			if !res.OK {
				return res, nil
			}
			if i == 0 || res.Remaining < least.Remaining {
				least = res
			}
		}
	}
	return least, nil
}

// CustomerPresent reads the field by which a FAPI client says that the customer is there:
// x-fapi-customer-ip-address (FAPI 1.0 Baseline §6.2.2-5), or PSU-IP-Address of the Berlin
// Group's NextGenPSD2. One of them, once, holding an IP address, is presence; anything else
// is absence. No address is used as a network source.
//
// WARNING: it is the client's word. The client answers for it to the authority; a bank that
// records the field can show what was said.
func CustomerPresent(r *http.Request) (bool, error) {
	fapi, psu := r.Header.Values("X-Fapi-Customer-Ip-Address"), r.Header.Values("Psu-Ip-Address")
	if len(fapi)+len(psu) != 1 {
		return false, nil
	}
	_, err := netip.ParseAddr(strings.Join(fapi, "") + strings.Join(psu, "")) // one of them is empty
	return err == nil, nil
}
