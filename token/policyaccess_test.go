package token_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // hours are tested where clocks change

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

var (
	tpp1   = token.ClientID{Issuer: rigIssuer, Client: "tpp-1"}
	isDown = &audit.Refusal{Reason: "mtls: down", Status: 503, Detail: "down"}
	isBad  = &audit.Refusal{Reason: "mtls: bad", Status: 400, Detail: "bad"}
)

func TestAddressPolicy(t *testing.T) {
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	clients := map[token.ClientID][]netip.Prefix{
		tpp1: prefixes("192.0.2.0/24", "2001:db8:1::/48"), {Issuer: rigIssuer, Client: "tpp-2"}: prefixes("198.51.100.0/24"),
		{Issuer: "https://other.example", Client: "tpp-3"}: prefixes("0.0.0.0/0"), {Issuer: rigIssuer, Client: "tpp-5"}: nil,
	}
	for _, c := range []struct {
		client, addr string
		err          error
		reason       audit.Reason
		shape        shape
	}{
		{"tpp-1", "192.0.2.7", nil, "", shape{}}, {"tpp-1", "2001:db8:1:2::3", nil, "", shape{}}, {"tpp-1", "::ffff:192.0.2.7", nil, "", shape{}}, {"tpp-4", "203.0.113.9", nil, "", shape{}},
		{"tpp-1", "192.0.3.7", nil, token.ErrAddress, forbid}, {"tpp-1", "198.51.100.1", nil, token.ErrAddress, forbid}, {"tpp-1", "2001:db8:2::1", nil, token.ErrAddress, forbid},
		{"tpp-1", "203.0.113.9", nil, token.ErrAddress, forbid}, {"tpp-1", "2001:db8:1::1%eth0", nil, token.ErrAddress, forbid},
		{"tpp-2", "192.0.2.7", nil, token.ErrAddress, forbid}, {"tpp-3", "192.0.2.7", nil, token.ErrAddress, forbid}, {"tpp-4", "192.0.2.7", nil, token.ErrAddress, forbid},
		{"tpp-5", "203.0.113.9", nil, token.ErrAddress, forbid},
		{"tpp-1", "", nil, token.ErrAddressUnknown, forbid}, {"tpp-1", "192.0.2.7", isBad, token.ErrAddressUnknown, forbid},
		{"tpp-1", "192.0.2.7", isDown, token.ErrAddressUnavailable, e503}, {"tpp-1", "192.0.2.7", errors.New("x"), token.ErrAddressUnavailable, e503},
	} {
		t.Run("C2 "+c.client+" from "+c.addr, func(t *testing.T) {
			k := guarding(t, "/", policyOf(token.NewAddressPolicy(token.AddressConfig{
				Clients: clients, Others: prefixes("203.0.113.0/24"),
				Address: func(*http.Request) (netip.Addr, error) {
					addr, _ := netip.ParseAddr(c.addr)
					return addr, c.err
				},
			})))
			a := k.gets("/", claim("client_id", quote(c.client)))
			if c.reason == "" {
				a.ok(t)
			} else if a.status != c.shape.status || a.ran != 0 || a.records[0]["reason"] != string(c.reason) || a.header["Www-Authenticate"] != nil {
				t.Errorf("%d, %v, %q", a.status, a.records, a.header["Www-Authenticate"])
			}
		})
	}
	t.Run("C2 a client of that name, of another issuer", func(t *testing.T) {
		k := guarding(t, "/", policyOf(token.NewAddressPolicy(token.AddressConfig{
			Clients: clients, Address: func(*http.Request) (netip.Addr, error) { return netip.MustParseAddr("192.0.2.7"), nil },
		})), func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
				return &token.Claims{Issuer: "https://other.example", Client: "tpp-1", X5T: sum64(k.cert.Raw), Expires: time.Now().Add(time.Minute)}, nil
			})
		})
		k.withBearer("x").refused(t, forbid, token.ErrAddress)
	})
	address := func(*http.Request) (netip.Addr, error) { return netip.Addr{}, nil }
	for name, c := range map[string]token.AddressConfig{
		"no network": {Address: address}, "no address": {Others: prefixes("10.0.0.0/8")}, "host bits": {Address: address, Others: prefixes("10.0.0.1/8")},
		"mapped": {Address: address, Others: prefixes("::ffff:10.0.0.0/104")}, "zero": {Address: address, Others: make([]netip.Prefix, 1)},
		"no client": {Address: address, Clients: map[token.ClientID][]netip.Prefix{{Issuer: "a"}: prefixes("10.0.0.0/8")}},
	} {
		if p, err := token.NewAddressPolicy(c); err == nil || p != nil {
			t.Errorf("%s is a policy", name)
		}
	}
}

func TestHoursPolicy(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	must(err)
	h := func(hours, minutes int) time.Duration {
		return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	}
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	office := []token.Hours{{Days: weekdays, Open: h(8, 0), Close: h(18, 30)}}
	night := []token.Hours{{Days: []time.Weekday{time.Friday}, Open: h(22, 0), Close: h(6, 0)}}
	always := []token.Hours{{Open: 0, Close: h(24, 0)}}
	early := []token.Hours{{Open: h(2, 0), Close: h(3, 0)}}
	for _, c := range []struct {
		name  string
		hours []token.Hours
		utc   string
		open  bool
	}{
		{"Friday noon", office, "2026-01-09T11:00:00Z", true}, {"before", office, "2026-01-09T06:59:59.999Z", false}, {"opening", office, "2026-01-09T07:00:00Z", true},
		{"last moment", office, "2026-01-09T17:29:59.999Z", true}, {"closing", office, "2026-01-09T17:30:00Z", false}, {"Saturday", office, "2026-01-10T11:00:00Z", false},
		{"summer: opening", office, "2026-07-10T06:00:00Z", true}, {"summer: before", office, "2026-07-10T05:59:59Z", false}, {"summer: closing", office, "2026-07-10T16:30:00Z", false},
		{"the day the clock goes forward, in hours since midnight it would be 7", office[:1], "2026-03-30T06:00:00Z", true},
		{"Sunday 08:00 of that day", []token.Hours{{Open: h(8, 0), Close: h(9, 0)}}, "2026-03-29T06:00:00Z", true},
		{"Sunday 07:59 of that day", []token.Hours{{Open: h(8, 0), Close: h(9, 0)}}, "2026-03-29T05:59:59Z", false},
		{"Sunday 08:59 the day it goes back", []token.Hours{{Open: h(8, 0), Close: h(9, 0)}}, "2026-10-25T07:59:59Z", true},
		{"the hour that comes twice, first", early, "2026-10-25T00:30:00Z", true}, {"the hour that comes twice, again", early, "2026-10-25T01:30:00Z", true}, {"after it", early, "2026-10-25T02:00:00Z", false},
		{"the hour that never comes", early, "2026-03-29T01:00:00Z", false}, {"and before it", early, "2026-03-29T00:59:59Z", false},
		{"Friday night", night, "2026-01-09T22:00:00Z", true}, {"Saturday morning of it", night, "2026-01-10T04:59:59Z", true}, {"its end", night, "2026-01-10T05:00:00Z", false},
		{"Saturday night", night, "2026-01-10T22:00:00Z", false}, {"Friday morning", night, "2026-01-09T03:00:00Z", false}, {"its beginning", night, "2026-01-09T20:59:59Z", false},
		{"always, midnight", always, "2026-01-09T23:00:00Z", true}, {"always, the last moment", always, "2026-01-09T22:59:59.999999999Z", true},
		{"two windows", append(office[:1:1], night...), "2026-01-09T22:00:00Z", true}, {"none", nil, "2026-01-09T11:00:00Z", false},
	} {
		t.Run("C4 "+c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339Nano, c.utc)
			must(err)
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(at))
				// the clock of a bubble is in UTC
				k := guarding(t, "/", policyOf(token.NewHoursPolicy(token.HoursConfig{
					Location: berlin, Clients: map[token.ClientID][]token.Hours{tpp1: c.hours}, Others: always,
				})))
				if a := k.gets("/"); c.open {
					a.ok(t)
				} else {
					a.refused(t, forbid, token.ErrHours)
				}
				k.gets("/", claim("client_id", `"tpp-9"`)).ok(t)
			})
		})
	}
	for name, hours := range map[string]token.Hours{
		"empty": {}, "negative": {Open: -1, Close: h(1, 0)}, "25 h": {Close: h(25, 0)}, "opens at 24": {Open: h(24, 0), Close: h(1, 0)}, "equal": {Open: h(1, 0), Close: h(1, 0)}, "parts of a second": {Close: time.Hour + time.Millisecond},
		"no day": {Close: h(1, 0), Days: []time.Weekday{7}},
	} {
		if p, err := token.NewHoursPolicy(token.HoursConfig{Location: berlin, Others: []token.Hours{hours}}); err == nil || p != nil {
			t.Errorf("%s is a policy", name)
		}
	}
	for name, c := range map[string]token.HoursConfig{"no location": {Others: always}, "no hours": {Location: berlin}} {
		if p, err := token.NewHoursPolicy(c); err == nil || p != nil {
			t.Errorf("%s is a policy", name)
		}
	}
}

func TestClientPolicy(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name   string
		state  token.ClientState
		err    error
		shape  shape
		reason audit.Reason
	}{
		{"active", token.ClientState{Active: true}, nil, shape{}, ""},
		{"within its period", token.ClientState{Active: true, From: now.Add(-time.Hour), Until: now.Add(time.Hour)}, nil, shape{}, ""},
		{"zero", token.ClientState{}, nil, forbid, token.ErrClientInactive},
		{"locked", token.ClientState{From: now.Add(-time.Hour)}, nil, forbid, token.ErrClientInactive},
		{"not yet", token.ClientState{Active: true, From: now.Add(time.Minute)}, nil, forbid, token.ErrClientPeriod},
		{"over", token.ClientState{Active: true, Until: now.Add(-time.Minute)}, nil, forbid, token.ErrClientPeriod},
		{"unknown", token.ClientState{Active: true}, token.ErrClientUnknown, forbid, token.ErrClientUnknown},
		{"down", token.ClientState{Active: true}, errors.New("dial: refused"), e503, token.ErrClientUnavailable},
	} {
		t.Run("C3 "+c.name, func(t *testing.T) {
			var asked token.ClientID
			k := guarding(t, "/", policyOf(token.NewClientPolicy(token.ClientConfig{Clients: token.ClientsFunc(func(_ context.Context, id token.ClientID) (token.ClientState, error) {
				asked = id
				return c.state, c.err
			})})))
			if a := k.gets("/"); c.reason == "" {
				a.ok(t)
			} else {
				a.refused(t, c.shape, c.reason)
			}
			if asked != tpp1 {
				t.Errorf("asked about %v", asked)
			}
		})
	}
	t.Run("C3 a token without a client", func(t *testing.T) {
		k := guarding(t, "/", policyOf(token.NewClientPolicy(token.ClientConfig{Clients: token.ClientsFunc(func(context.Context, token.ClientID) (token.ClientState, error) {
			t.Error("asked about nobody")
			return token.ClientState{Active: true}, nil
		})})), func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
				return &token.Claims{Issuer: rigIssuer, Subject: "s", X5T: sum64(k.cert.Raw), Expires: time.Now().Add(time.Minute)}, nil
			})
		})
		k.withBearer("x").status4(t, token.ErrClientUnknown)
	})
	if _, err := token.NewClientPolicy(token.ClientConfig{Timeout: time.Minute}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v, want two mistakes", err)
	}
}

func TestRolePolicy(t *testing.T) {
	reads := func(roles ...string) func(*x509.Certificate) ([]string, error) {
		return func(*x509.Certificate) ([]string, error) { return roles, nil }
	}
	fails := func(err error) func(*x509.Certificate) ([]string, error) {
		return func(*x509.Certificate) ([]string, error) { return []string{"PSP_AI"}, err }
	}
	gives := func(err error) func(*http.Request) (*x509.Certificate, error) {
		return func(*http.Request) (*x509.Certificate, error) { return nil, err }
	}
	for _, c := range []struct {
		name   string
		config token.RoleConfig
		shape  shape
		reason audit.Reason
	}{
		{"has it", token.RoleConfig{Certificate: peer, Roles: reads("PSP_PI", "PSP_AI")}, shape{}, ""},
		{"lacks it", token.RoleConfig{Certificate: peer, Roles: reads("PSP_PI")}, forbid, token.ErrRole},
		{"in another case", token.RoleConfig{Certificate: peer, Roles: reads("psp_ai", "")}, forbid, token.ErrRole},
		{"none", token.RoleConfig{Certificate: peer, Roles: reads()}, forbid, token.ErrRole},
		{"unreadable", token.RoleConfig{Certificate: peer, Roles: fails(errors.New("asn1"))}, forbid, token.ErrRole},
		{"unacceptable", token.RoleConfig{Certificate: peer, Roles: fails(isBad)}, forbid, token.ErrRole},
		{"registry down", token.RoleConfig{Certificate: peer, Roles: fails(isDown)}, e503, token.ErrRoleUnavailable},
		{"no certificate", token.RoleConfig{Certificate: gives(nil), Roles: reads("PSP_AI")}, forbid, token.ErrRoleCertificate},
		{"bad certificate", token.RoleConfig{Certificate: gives(isBad), Roles: reads("PSP_AI")}, forbid, token.ErrRoleCertificate},
		{"certificates down", token.RoleConfig{Certificate: gives(errors.New("x")), Roles: reads("PSP_AI")}, e503, token.ErrRoleUnavailable},
	} {
		t.Run("Z9 "+c.name, func(t *testing.T) {
			c.config.Any = []string{"PSP_AI", "PSP_IC"}
			k := guarding(t, "/", policyOf(token.NewRolePolicy(c.config)))
			if a := k.gets("/"); c.reason == "" {
				a.ok(t)
			} else {
				a.refused(t, c.shape, c.reason)
			}
		})
	}
	t.Run("Z9 a certificate that the token is not bound to", func(t *testing.T) {
		config := token.RoleConfig{Certificate: peer, Roles: reads("PSP_AI"), Any: []string{"PSP_AI"}}
		for _, unbound := range []bool{false, true} {
			config.DangerouslyUnbound = unbound
			k := guarding(t, "/", policyOf(token.NewRolePolicy(config)))
			raw := k.dpop()
			a := k.call(over(k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw)), k.cert))
			if unbound {
				a.ok(t)
			} else {
				a.refused(t, forbid, token.ErrRoleCertificate)
			}
		}
		var k *rig
		config.DangerouslyUnbound = false
		config.Certificate = func(*http.Request) (*x509.Certificate, error) { return k.other, nil }
		k = guarding(t, "/", policyOf(token.NewRolePolicy(config)))
		k.gets("/").refused(t, forbid, token.ErrRoleCertificate)
	})
	if _, err := token.NewRolePolicy(token.RoleConfig{}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v, want two mistakes", err)
	}
}
