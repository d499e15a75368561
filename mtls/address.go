package mtls

import (
	"errors"
	"net/http"
	"net/netip"
)

// Address gives the network address of the client: the one that [Proxies] found, where the request
// went through its Wrap, and otherwise that at the other end of the connection. No header is looked
// at. An IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 address; a link-local
// address keeps its zone. What is no address is an error, never an address that such callers share.
//
// The address says where packets came from. It is not who sent them, and the customer's address that
// a client reports (x-fapi-customer-ip-address) is neither.
func Address(r *http.Request) (netip.Addr, error) {
	if c := FromContext(r.Context()); c != nil {
		return c.Address()
	}
	return connectionAddress(r)
}

func connectionAddress(r *http.Request) (netip.Addr, error) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, errors.New("mtls: the connection has no network address") // err would quote it
	}
	return ap.Addr().Unmap(), nil
}

// AddressKey is a key of the client's address for a rate limiter: an IPv4 address, or the /64 of an
// IPv6 address, which is what one customer is given (RFC 6177 section 2). See AddressPrefix.
func AddressKey(r *http.Request) (string, error) { return addressKey(r, 32, 64) }

// AddressPrefix gives a key function like AddressKey for other prefix lengths: 1 to 32 bits of an IPv4
// address, 1 to 128 of an IPv6 address. An address that NAT64 made of an IPv4 address (RFC 6052
// section 2.1) is that address, since one prefix holds all of them. An address with a zone is not
// grouped: the same address on another link is somebody else.
func AddressPrefix(bits4, bits6 int) (func(*http.Request) (string, error), error) {
	if bits4 < 1 || bits4 > 32 || bits6 < 1 || bits6 > 128 {
		return nil, errors.New("mtls: AddressPrefix takes 1 to 32 bits of IPv4 and 1 to 128 of IPv6")
	}
	return func(r *http.Request) (string, error) { return addressKey(r, bits4, bits6) }, nil
}

func addressKey(r *http.Request, bits4, bits6 int) (string, error) {
	addr, err := Address(r)
	if err != nil {
		return "", err
	}
	if addr.Zone() != "" {
		return addr.String(), nil
	}
	addr = translated(addr)
	bits := bits6
	if addr.Is4() {
		bits = bits4
	}
	if bits == addr.BitLen() {
		return addr.String(), nil
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "", err
	}
	return prefix.String(), nil
}

// translated gives the IPv4 address inside an address of NAT64, if it is one.
func translated(addr netip.Addr) netip.Addr {
	if b := addr.As16(); addr.Is6() && [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b} {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr
}
