package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
)

// Format is how listed proxies hand the client's certificate on.
type Format int

// The formats. There is no default: a header is believed only where its name was written down.
const (
	// NoCertificate: proxies hand on none. Requests through them have no client certificate.
	NoCertificate Format = iota + 1
	// RFC9440 is Client-Cert and Client-Cert-Chain (RFC 9440): ":base64 of DER:".
	RFC9440
	// Envoy is X-Forwarded-Client-Cert with Hash and Cert, and Chain where there are intermediates. One
	// element is read; set forward_client_cert_details to SANITIZE_SET.
	Envoy
	// Nginx is $ssl_client_escaped_cert: PEM, percent-encoded.
	Nginx
	// Apache is %{SSL_CLIENT_CERT}s of mod_headers: PEM with spaces for line ends, or "(null)".
	Apache
	// HAProxy is %[ssl_c_der,base64]: base64 of DER, or empty.
	HAProxy
)

// AddressField is where listed proxies write whom they were called by.
type AddressField int

// The fields. There is no default: proxies hand on a field that they do not know as the client sent it. The
// proxy must add to the one that is chosen in every request: a request without it is taken for the proxy's own.
const (
	// NoAddress: nowhere. The address of a request is that of the proxy.
	NoAddress AddressField = iota + 1
	// XForwardedFor is X-Forwarded-For: addresses, each proxy adding one at the end.
	XForwardedFor
	// Forwarded is Forwarded (RFC 7239): its parameter for, each proxy adding an element at the end.
	Forwarded
)

// ProxyConfig says which proxies are believed, and what.
type ProxyConfig struct {
	_ [0]func()

	// Addresses are those of the proxies, IPv4 prefixes written as such. Required.
	//
	// WARNING: whoever can call from one of them can be every client, unless Identity is set.
	Addresses []netip.Prefix
	// Identity, when set, must accept the certificate that the proxy itself shows on its connection, which
	// the Listener verified, besides its address. An error makes the caller a stranger.
	Identity func(*x509.Certificate) error

	// Format is how client certificates are handed on. Required.
	Format Format
	// Field is the header field of the formats Nginx, Apache and HAProxy. Empty: X-SSL-Client-Cert. The
	// proxy must set it in every request, also where there is no certificate, or clients write it.
	Field string
	// Address is where the client's address stands. Required.
	Address AddressField

	// Source judges the certificates that proxies hand on, as a handshake would: trust anchors, validity,
	// purpose, strength, revocation. Required with a Format that hands certificates on.
	Source *Source
	// Listener is the source of the listener, for callers that are no listed proxy and for Identity. Nil: Source.
	Listener *Source
	// VerifiedByProxy leaves issuer and revocation to the proxy, which must refuse the handshake, not only
	// report: validity, purpose and strength are judged here all the same. Source is then not asked.
	VerifiedByProxy bool
}

// Proxies finds out who sent a request that may have come through a listed proxy. It is safe for
// concurrent use.
type Proxies struct {
	addresses []netip.Prefix
	identity  func(*x509.Certificate) error
	format    Format
	field     string
	address   AddressField
	source    *Source
	listener  *Source
	trusting  bool
	read      *readCache
}

const defaultField = "X-Ssl-Client-Cert"

// NewProxies makes Proxies, or reports every mistake in config at once.
func NewProxies(config ProxyConfig) (*Proxies, error) {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf("mtls: ProxyConfig."+format, args...))
		}
	}
	if err := checkProxies(config.Addresses); err != nil {
		errs = append(errs, fmt.Errorf("mtls: ProxyConfig.Addresses: %w", err))
	}
	wrong(config.Format < NoCertificate || config.Format > HAProxy, "Format is required")
	wrong(config.Address < NoAddress || config.Address > Forwarded, "Address is required")
	free := config.Format >= Nginx
	wrong(config.Field != "" && (!free || !isToken(config.Field)), "Field does not belong to this Format, or is no field name")
	made := func(s *Source) bool { return s != nil && s.held.Load() != nil }
	hands := config.Format > NoCertificate
	wrong(hands && !config.VerifiedByProxy && (!made(config.Source) || config.Source.held.Load().anchors == nil),
		"Source with client trust anchors is required; VerifiedByProxy declines it")
	wrong(config.Listener != nil && !made(config.Listener), "Listener was not made by NewSource")
	wrong(!hands && config.VerifiedByProxy, "VerifiedByProxy needs a Format that hands certificates on")
	if config.Listener == nil {
		config.Listener = config.Source
	}
	wrong(config.Identity != nil && !made(config.Listener), "Identity needs a Listener or a Source")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p := &Proxies{
		addresses: slices.Clone(config.Addresses), identity: config.Identity, format: config.Format, address: config.Address,
		source: config.Source, listener: config.Listener, trusting: config.VerifiedByProxy, read: newReadCache(),
	}
	switch {
	case free && config.Field != "":
		p.field = http.CanonicalHeaderKey(config.Field)
	case free:
		p.field = defaultField
	case config.Format == RFC9440:
		p.field = fieldCert
	case config.Format == Envoy:
		p.field = fieldXFCC
	}
	return p, nil
}

// checkProxies tells what is wrong with a list of proxies.
func checkProxies(addresses []netip.Prefix) error {
	var errs []error
	if len(addresses) == 0 {
		errs = append(errs, errors.New("none is listed, and one is required"))
	}
	for _, prefix := range addresses {
		switch {
		case !prefix.IsValid() || prefix.Addr().Is4In6():
			errs = append(errs, fmt.Errorf("%v is no prefix, or an IPv4 one written as IPv6", prefix))
		case prefix.Bits() == 0:
			errs = append(errs, fmt.Errorf("%v lists everybody", prefix))
		}
	}
	return errors.Join(errs...)
}

// isToken reports whether s can be a field name (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && !slices.Contains([]byte("!#$%&'*+-.^_`|~"), c) {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

// listed reports whether the connection of r is a listed proxy's.
func (p *Proxies) listed(r *http.Request) bool {
	addr, err := peerAddress(r)
	if err != nil || !p.lists(addr) {
		return false
	}
	if p.identity == nil {
		return true
	}
	cert, err := p.listener.Peer(r)
	return err == nil && cert != nil && p.identity(cert) == nil
}

func (p *Proxies) lists(addr netip.Addr) bool {
	return slices.ContainsFunc(p.addresses, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}
