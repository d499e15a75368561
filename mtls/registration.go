package mtls

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Pin is one certificate of a client, by its thumbprint.
type Pin struct {
	Thumbprint [32]byte
	Until      time.Time // not good after it; zero: for as long as the registration says so
}

// Registration says which certificates one client may use, and from where it may call. All that is
// set must hold. Of SubjectDN, DNSName, URI, Email, Address and Pins at most one is set, as in the
// registration of a client (RFC 8705 sections 2.1.2 and 2.2.2).
type Registration struct {
	_ [0]func()

	SubjectDN string     // tls_client_auth_subject_dn, exactly as Identity.SubjectDN gives it
	DNSName   string     // tls_client_auth_san_dns, without regard to case
	URI       string     // tls_client_auth_san_uri
	Email     string     // tls_client_auth_san_email
	Address   netip.Addr // tls_client_auth_san_ip

	// Pins are certificates themselves (self_signed_tls_client_auth). Two, the old one with an end, are a
	// rotation: until then either serves. A token that is bound to one of them needs that one all the
	// same (RFC 8705 section 3): clients get new tokens with the new certificate.
	Pins []Pin

	Organization Organization // the certificate's organizationIdentifier
	Roles        Roles        // PSD2 roles that the certificate must name, all of them

	// From are the networks that the client may call from, by Address. Empty: any.
	From []netip.Prefix
}

// certified reports whether the registration names a certificate.
func (g *Registration) certified() bool {
	return g.keys() > 0 || g.Organization != (Organization{}) || g.Roles != 0
}

func (g *Registration) keys() (n int) {
	for _, set := range []bool{g.SubjectDN != "", g.DNSName != "", g.URI != "", g.Email != "", g.Address.IsValid(), len(g.Pins) > 0} {
		if set {
			n++
		}
	}
	return n
}

// check tells what is wrong with a registration.
func (g *Registration) check() error {
	switch {
	case !g.certified() && len(g.From) == 0:
		return errors.New("names nothing")
	case g.keys() > 1:
		return errors.New("names the client's certificate in several ways")
	case g.Roles>>len(roleNames) != 0:
		return errors.New("unknown role")
	case slices.ContainsFunc(g.From, func(p netip.Prefix) bool { return !p.IsValid() || p.Addr().Is4In6() }):
		return errors.New("no prefix in From, or an IPv4 one written as IPv6")
	}
	return nil
}

// matches reports whether id is one of the client's certificates.
func (g *Registration) matches(id *Identity, now time.Time) bool {
	switch {
	case g.Organization != (Organization{}) && g.Organization != id.Organization:
		return false
	case g.SubjectDN != "":
		return g.SubjectDN == id.SubjectDN
	case g.DNSName != "":
		return slices.ContainsFunc(id.DNSNames, func(name string) bool { return strings.EqualFold(name, g.DNSName) })
	case g.URI != "":
		return slices.Contains(id.URIs, g.URI)
	case g.Email != "":
		return slices.Contains(id.Emails, g.Email)
	case g.Address.IsValid():
		return slices.Contains(id.Addresses, g.Address.Unmap())
	case len(g.Pins) > 0:
		return slices.ContainsFunc(g.Pins, func(p Pin) bool {
			return subtle.ConstantTimeCompare(p.Thumbprint[:], id.Thumbprint[:]) == 1 && (p.Until.IsZero() || !now.After(p.Until))
		})
	}
	return true
}

// Registry gives the registration of a client. For a client that it does not know it returns
// ErrNotClient; any other error is an outage, 503. It answers from memory: every request asks.
type Registry interface {
	Registration(ctx context.Context, clientID string) (Registration, error)
}

// RegistryFunc is a function that is a Registry.
type RegistryFunc func(ctx context.Context, clientID string) (Registration, error)

// Registration calls f.
func (f RegistryFunc) Registration(ctx context.Context, clientID string) (Registration, error) {
	return f(ctx, clientID)
}

// Registrations is a Registry of a fixed number of clients, by client_id. It is not to be changed while in use.
type Registrations map[string]Registration

// Registration gives the client's entry.
func (m Registrations) Registration(_ context.Context, clientID string) (Registration, error) {
	g, ok := m[clientID]
	if !ok {
		return Registration{}, ErrNotClient
	}
	return g, nil
}
