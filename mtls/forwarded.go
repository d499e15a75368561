package mtls

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

const (
	maxAddressField = 8 << 10 // bytes of all lines together
	maxHops         = 16      // listed proxies that one request may pass
)

var errAddress = errors.New("mtls: malformed forwarded address")

// forwardedAddress gives the rightmost address that is no listed proxy's: everything to its left was
// written by others. A request that names no address is the proxy's own.
func (p *Proxies) forwardedAddress(r *http.Request) (netip.Addr, error) {
	last, err := connectionAddress(r)
	if err != nil || p.address == NoAddress {
		return last, err
	}
	name, back := "X-Forwarded-For", elementsBack
	if p.address == Forwarded {
		name, back = "Forwarded", nodesBack
	}
	lines := r.Header[name]
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	if size > maxAddressField {
		return netip.Addr{}, longField()
	}
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		done := false
		err := back(lines[i], func(addr netip.Addr) bool {
			last, hops = addr, hops+1
			done = !p.lists(addr)
			return !done && hops <= maxHops
		})
		if err != nil || hops > maxHops {
			return netip.Addr{}, malformedField()
		}
		if done {
			break
		}
	}
	return last, nil
}

// elementsBack yields the addresses of one line of X-Forwarded-For, the last one first. What stands to
// the left of where yield ends is not read: a client may have written it.
func elementsBack(line string, yield func(netip.Addr) bool) error {
	for more := true; more; {
		comma := strings.LastIndexByte(line, ',')
		addr, err := parseAddress(strings.Trim(line[comma+1:], " \t"), false)
		if err != nil {
			return err
		}
		more = yield(addr) && comma >= 0
		line = line[:max(comma, 0)]
	}
	return nil
}

// nodesBack yields the addresses of one line of Forwarded, the last one first. The whole line is read,
// because a quoted comma is told from another only from the left (RFC 7239 section 4). An element
// without an address counts only when it is asked for.
func nodesBack(line string, yield func(netip.Addr) bool) error {
	nodes, err := parseForwarded(line)
	if err != nil {
		return err
	}
	for i := len(nodes) - 1; i >= 0; i-- {
		addr, err := parseAddress(nodes[i], true)
		if err != nil {
			return err
		}
		if !yield(addr) {
			return nil
		}
	}
	return nil
}

// parseForwarded gives the parameter for of each element of a line of Forwarded, unquoted; empty
// where there is none.
func parseForwarded(line string) ([]string, error) {
	var nodes []string
	s := scanner{s: line}
	for {
		s.space()
		var node string
		seen := map[string]bool{}
		for {
			name := strings.ToLower(s.token())
			if name == "" || seen[name] || !s.take('=') {
				return nil, errAddress
			}
			seen[name] = true
			value, ok := s.value()
			if !ok {
				return nil, errAddress
			}
			if name == "for" {
				node = value
			}
			if !s.take(';') {
				break
			}
		}
		nodes = append(nodes, node)
		s.space()
		if s.s == "" {
			return nodes, nil
		}
		if !s.take(',') {
			return nil, errAddress
		}
	}
}

// scanner reads the pieces of a field value (RFC 9110 section 5.6).
type scanner struct{ s string }

func (s *scanner) space() { s.s = strings.TrimLeft(s.s, " \t") }

func (s *scanner) take(c byte) bool {
	if s.s == "" || s.s[0] != c {
		return false
	}
	s.s = s.s[1:]
	return true
}

func (s *scanner) token() string {
	i := 0
	for i < len(s.s) && isToken(s.s[i:i+1]) {
		i++
	}
	token := s.s[:i]
	s.s = s.s[i:]
	return token
}

// value is a token or a quoted string.
func (s *scanner) value() (string, bool) {
	if s.take('"') {
		return s.quoted()
	}
	token := s.token()
	return token, token != ""
}

// quoted is what follows an opening quote, up to the closing one.
func (s *scanner) quoted() (string, bool) {
	var text []byte
	for i := 0; i < len(s.s); i++ {
		switch c := s.s[i]; {
		case c == '"':
			if text == nil {
				text = []byte(s.s[:i])
			}
			s.s = s.s[i+1:]
			return string(text), true
		case c == '\\':
			if text == nil {
				text = append(make([]byte, 0, len(s.s)), s.s[:i]...)
			}
			if i++; i == len(s.s) {
				return "", false
			}
			text = append(text, s.s[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", false
		case text != nil:
			text = append(text, c)
		}
	}
	return "", false
}

// parseAddress reads an address with or without a port; strict is the form of RFC 7239 section 6, where IPv6
// stands in brackets. Zones, names and what no caller can have are errors.
func parseAddress(text string, strict bool) (netip.Addr, error) {
	host, port := text, ""
	if rest, ok := strings.CutPrefix(text, "["); ok {
		var closed bool
		if host, port, closed = strings.Cut(rest, "]"); !closed || !strings.Contains(host, ":") {
			return netip.Addr{}, errAddress
		}
	} else if strings.Count(text, ":") == 1 {
		i := strings.IndexByte(text, ':')
		host, port = text[:i], text[i:]
	} else if strict && strings.Contains(text, ":") {
		return netip.Addr{}, errAddress
	}
	if port != "" {
		if _, err := strconv.ParseUint(strings.TrimPrefix(port, ":"), 10, 16); err != nil || port[0] != ':' {
			return netip.Addr{}, errAddress
		}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.Addr{}, errAddress
	}
	addr = addr.Unmap()
	if addr.IsUnspecified() || addr.IsMulticast() {
		return netip.Addr{}, errAddress
	}
	return addr, nil
}
