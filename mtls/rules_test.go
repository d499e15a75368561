package mtls_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
)

// rules over one client, "tpp".
func rules(t testing.TB, g mtls.Registration) *mtls.Rules {
	t.Helper()
	u, err := mtls.NewRules(mtls.RulesConfig{Registry: mtls.Registrations{"tpp": g}, Certificate: mtls.Peer})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRules(t *testing.T) {
	ca := authority(t, "ca")
	id := issue(t, ca, func(c *x509.Certificate) {
		provider(statements(t, french), "PSDFR-ACPR-12345")(c)
		c.Subject.Country, c.Subject.Organization = nil, []string{"Muster, SA"}
		c.Subject.ExtraNames = append(c.Subject.ExtraNames[:0:0], c.Subject.ExtraNames...)
		c.DNSNames, c.EmailAddresses = []string{"a.example", "tpp.example"}, []string{"ops@tpp.example"}
		c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)}
		c.URIs = []*url.URL{{Scheme: "urn", Opaque: "tpp:1"}}
	})
	known, err := mtls.IdentityOf(id.cert)
	if err != nil {
		t.Fatal(err)
	}
	other := issue(t, ca, nil)
	acpr, _ := mtls.ParseOrganization("PSDFR-ACPR-12345")
	fca, _ := mtls.ParseOrganization("PSDGB-FCA-12345")
	here := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	addr := netip.MustParseAddr
	for name, c := range map[string]struct {
		good, bad mtls.Registration
		reason    audit.Reason
		status    int
	}{
		"M11/subject":      {mtls.Registration{SubjectDN: known.SubjectDN}, mtls.Registration{SubjectDN: strings.ToLower(known.SubjectDN)}, mtls.ErrNotClient, 401},
		"M11/SAN DNS":      {mtls.Registration{DNSName: "TPP.example"}, mtls.Registration{DNSName: "pp.example"}, mtls.ErrNotClient, 401},
		"M11/SAN URI":      {mtls.Registration{URI: "urn:tpp:1"}, mtls.Registration{URI: "urn:tpp:2"}, mtls.ErrNotClient, 401},
		"M11/SAN e-mail":   {mtls.Registration{Email: "ops@tpp.example"}, mtls.Registration{Email: "ops@tpp.exampl"}, mtls.ErrNotClient, 401},
		"M11/SAN address":  {mtls.Registration{Address: addr("::ffff:192.0.2.1")}, mtls.Registration{Address: addr("192.0.2.2")}, mtls.ErrNotClient, 401},
		"M11/self-signed":  {mtls.Registration{Pins: []mtls.Pin{{Thumbprint: known.Thumbprint}}}, mtls.Registration{Pins: []mtls.Pin{{}}}, mtls.ErrNotClient, 401},
		"M10/organization": {mtls.Registration{Organization: acpr}, mtls.Registration{Organization: fca}, mtls.ErrNotClient, 401},
		"M10/name and organization": {mtls.Registration{DNSName: "tpp.example", Organization: acpr},
			mtls.Registration{DNSName: "tpp.example", Organization: fca}, mtls.ErrNotClient, 401},
		"Z9/roles":   {mtls.Registration{Roles: mtls.RoleAISP | mtls.RolePISP}, mtls.Registration{Roles: mtls.RoleAISP | mtls.RoleCBPII}, mtls.ErrRole, 403},
		"C2/network": {mtls.Registration{From: here}, mtls.Registration{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, mtls.ErrAddress, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := over(id.cert)
			r.RemoteAddr = strangerAddr
			for range 2 {
				if err := rules(t, c.good).Admit(r, "tpp"); err != nil {
					t.Errorf("the right one: %v", err)
				}
				wants(t, rules(t, c.bad).Admit(r, "tpp"), c.reason, c.status)
			}
			wants(t, rules(t, c.good).Admit(r, "another"), mtls.ErrNotClient, 401)
			if c.reason == mtls.ErrAddress {
				return
			}
			if c.reason == mtls.ErrNotClient {
				wants(t, rules(t, c.good).Admit(over(other.cert), "tpp"), mtls.ErrNotClient, 401)
			}
			wants(t, rules(t, c.good).Admit(over(), "tpp"), mtls.ErrMissing, 401)
		})
	}
	t.Run("C2/no address", func(t *testing.T) {
		r := over(id.cert)
		r.RemoteAddr = "@"
		wants(t, rules(t, mtls.Registration{From: here}).Admit(r, "tpp"), mtls.ErrAddress, 403)
	})
	t.Run("pitfall-81", func(t *testing.T) {
		odd := issue(t, ca, provider([]byte("?"), "PSDFR-ACPR-12345"))
		wants(t, rules(t, mtls.Registration{SubjectDN: "x"}).Admit(over(odd.cert), "tpp"), mtls.ErrIdentity, 401)
	})
	t.Run("an unacceptable certificate", func(t *testing.T) {
		wants(t, rules(t, mtls.Registration{From: here}).Admit(over(issue(t, ca, expired).cert), "tpp"), mtls.ErrExpired, 401)
	})
}

func TestRotation(t *testing.T) {
	t.Run("M12", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			before, after, stranger := issue(t, nil, longer), issue(t, nil, longer), issue(t, nil, longer)
			u := rules(t, mtls.Registration{Pins: []mtls.Pin{
				{Thumbprint: mtls.Thumbprint(before.cert), Until: time.Now().Add(time.Hour)}, {Thumbprint: mtls.Thumbprint(after.cert)},
			}})
			admits := func(id *identity) bool { return u.Admit(over(id.cert), "tpp") == nil }
			if !admits(before) || !admits(after) || admits(stranger) {
				t.Error("during the rotation")
			}
			time.Sleep(time.Hour)
			if !admits(before) {
				t.Error("at its end")
			}
			time.Sleep(time.Nanosecond)
			if admits(before) || !admits(after) {
				t.Error("after it")
			}
		})
	})
}

func TestRegistry(t *testing.T) {
	id := issue(t, nil, nil)
	var g mtls.Registration
	var says error
	u, err := mtls.NewRules(mtls.RulesConfig{Certificate: mtls.Peer, Registry: mtls.RegistryFunc(func(context.Context, string) (mtls.Registration, error) {
		return g, says
	})})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		g      mtls.Registration
		says   error
		reason audit.Reason
		status int
	}{
		"unknown":            {mtls.Registration{}, mtls.ErrNotClient, mtls.ErrNotClient, 401},
		"outage":             {mtls.Registration{}, errors.New("down"), mtls.ErrRegistry, 503},
		"names nothing":      {mtls.Registration{}, nil, mtls.ErrRegistry, 503},
		"names two keys":     {mtls.Registration{DNSName: "a", URI: "b"}, nil, mtls.ErrRegistry, 503},
		"names a bad role":   {mtls.Registration{Roles: 128}, nil, mtls.ErrRegistry, 503},
		"names a bad prefix": {mtls.Registration{From: []netip.Prefix{{}}}, nil, mtls.ErrRegistry, 503},
	} {
		t.Run(name, func(t *testing.T) {
			g, says = c.g, c.says
			wants(t, u.Admit(over(id.cert), "tpp"), c.reason, c.status)
		})
	}
	t.Run("mistakes at once", func(t *testing.T) {
		_, err := mtls.NewRules(mtls.RulesConfig{Registry: mtls.Registrations{"a": {}, "b": {DNSName: "x", Email: "y"}}})
		for _, want := range []string{"Certificate is required", `registration of "a": names nothing`, `registration of "b": names the client's certificate in several ways`} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
		if _, err := mtls.NewRules(mtls.RulesConfig{}); err == nil || !strings.Contains(err.Error(), "Registry is required") {
			t.Error(err)
		}
	})
}

func TestExpiries(t *testing.T) {
	t.Run("M14/per client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			seen := mtls.NewExpiries(2)
			soon, later := issue(t, nil, longer), issue(t, nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(40 * 24 * time.Hour) })
			u, err := mtls.NewRules(mtls.RulesConfig{Certificate: mtls.Peer, Expiries: seen, Registry: mtls.RegistryFunc(
				func(context.Context, string) (mtls.Registration, error) {
					return mtls.Registration{Pins: []mtls.Pin{{Thumbprint: mtls.Thumbprint(soon.cert)}, {Thumbprint: mtls.Thumbprint(later.cert)}}}, nil
				})})
			if err != nil {
				t.Fatal(err)
			}
			admit := func(client string, id *identity) { _ = u.Admit(over(id.cert), client) }
			admit("a", soon)
			admit("b", later)
			admit("x", issue(t, nil, nil)) // refused, so not noted
			names := func(within time.Duration) (all []string) {
				for _, e := range seen.Within(within) {
					all = append(all, e.Name)
				}
				return all
			}
			if got := names(30 * 24 * time.Hour); !slices.Equal(got, []string{"a"}) {
				t.Errorf("within 30 days: %v", got)
			}
			if got := names(60 * 24 * time.Hour); !slices.Equal(got, []string{"a", "b"}) || seen.Dropped() != 0 {
				t.Errorf("within 60 days: %v, dropped %d", got, seen.Dropped())
			}
			if got := seen.Within(60 * 24 * time.Hour)[1].Days(time.Now()); got != 39 && got != 40 {
				t.Errorf("%d days", got)
			}
			admit("c", later)
			if seen.Dropped() != 1 || len(names(60*24*time.Hour)) != 2 {
				t.Error("the bound was passed, or nobody counted")
			}
			admit("a", later) // rotated
			if got := names(30 * 24 * time.Hour); len(got) != 0 {
				t.Errorf("after the rotation: %v", got)
			}
			admit("b", soon)
			time.Sleep(46*time.Hour + 2*time.Hour) // b's is over
			admit("c", later)
			if got := names(60 * 24 * time.Hour); !slices.Equal(got, []string{"a", "c"}) {
				t.Errorf("what is over did not make room: %v", got)
			}
		})
	})
	t.Run("M14/per certificate", func(t *testing.T) {
		ca := issue(t, nil, asLister("ca"))
		source, _ := listed(t, []*x509.Certificate{ca.cert}, crl(t, ca, 1, nil))
		kinds := map[mtls.Kind]int{}
		last := time.Time{}
		for _, e := range source.Expiries() {
			kinds[e.Kind]++
			if e.At.Before(last) {
				t.Error("not in order")
			}
			last = e.At
		}
		if kinds[mtls.ServerLeaf] != 1 || kinds[mtls.ClientAnchor] != 1 || kinds[mtls.RevocationList] != 1 {
			t.Errorf("%v", kinds)
		}
		now := time.Now()
		for left, want := range map[time.Duration]int{time.Hour: 0, 25 * time.Hour: 1, -time.Hour: -1} {
			if got := (mtls.Expiry{At: now.Add(left)}).Days(now); got != want {
				t.Errorf("%v: %d days", left, got)
			}
		}
	})
}
