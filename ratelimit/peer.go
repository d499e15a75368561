package ratelimit

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// PeerAddress is a key function: the address at the other end of the connection, an IPv6
// address by its /64, which is what one customer is given (RFC 6177 §2). See PeerPrefix.
func PeerAddress(r *http.Request) (string, error) { return peer(r, 32, 64) }

// PeerPrefix gives a key function like PeerAddress for other prefix lengths: 1 to 32 bits of
// an IPv4 address, 1 to 128 of an IPv6 address.
//
// Only r.RemoteAddr is read; a header such as X-Forwarded-For changes nothing. An IPv4
// address mapped or translated into IPv6 (RFC 4291 §2.5.5.2, RFC 6052 §2.1) is the IPv4 address:
// one prefix holds all of them. A link-local address keeps its zone and is
// not grouped: the same address on another link is somebody else. What is no address is an
// error, never a key that such callers would share.
func PeerPrefix(bits4, bits6 int) (func(*http.Request) (string, error), error) {
	if bits4 < 1 || bits4 > 32 || bits6 < 1 || bits6 > 128 {
		return nil, errors.New("ratelimit: PeerPrefix takes 1 to 32 bits of IPv4 and 1 to 128 of IPv6")
	}
	return func(r *http.Request) (string, error) { return peer(r, bits4, bits6) }, nil
}

func peer(r *http.Request, bits4, bits6 int) (string, error) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "", errors.New("ratelimit: the connection has no network address") // err would quote it
	}
	addr := fourOf(ap.Addr())
	if addr.Zone() != "" {
		return addr.String(), nil
	}
	bits := bits6
	if addr.Is4() {
		bits = bits4
	}
	if bits == 32 && ap.Addr().Is4() {
		return r.RemoteAddr[:strings.LastIndexByte(r.RemoteAddr, ':')], nil // netip takes one spelling only
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

// fourOf gives the IPv4 address inside addr, if there is one.
func fourOf(addr netip.Addr) netip.Addr {
	if addr.Zone() != "" || addr.Is4() {
		return addr
	}
	if b := addr.As16(); [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b} {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr.Unmap()
}
