// Package uri compares request targets as RFC 9449 §4.3 step 9 wants: after the syntax-based and
// scheme-based normalisation of RFC 3986 §6.2.2 and §6.2.3, without query and fragment, and with
// nothing else folded: no IDN mapping, no trailing dot, no path case.
package uri

import (
	"errors"
	"net/netip"
	"strings"
)

// MaxLength bounds what is normalised.
const MaxLength = 4096

// ErrURI says that a text is no absolute http or https URI with a host.
var ErrURI = errors.New("uri: not an absolute http or https URI")

// Equal is true when both name the same target. A text that is no URI equals nothing but itself.
func Equal(a, b string) bool {
	if a == b {
		return true
	}
	x, err := Normalize(a)
	if err != nil {
		return false
	}
	y, err := Normalize(b)
	return err == nil && x == y
}

// Normalize gives scheme, authority and path in their normal form; query and fragment are dropped.
// User information is refused: a target never carries it.
func Normalize(s string) (string, error) {
	if len(s) > MaxLength {
		return "", ErrURI
	}
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return "", ErrURI
	}
	scheme = strings.ToLower(scheme)
	if scheme != "https" && scheme != "http" {
		return "", ErrURI
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	host, port, err := hostPort(authority)
	if err != nil {
		return "", err
	}
	if port != "" && (scheme != "https" || port != "443") && (scheme != "http" || port != "80") {
		host += ":" + port
	}
	if path, err = Path(path); err != nil {
		return "", err
	}
	return scheme + "://" + host + path, nil
}

// Path normalises an absolute path: percent-encoded unreserved characters are decoded, other codes
// get upper-case digits, dot segments are removed, and the empty path is "/".
func Path(path string) (string, error) {
	path, err := decodeUnreserved(path, isPath)
	if err != nil {
		return "", err
	}
	if path == "" {
		return "/", nil
	}
	if path[0] != '/' {
		return "", ErrURI
	}
	if !strings.Contains(path, "/.") {
		return path, nil
	}
	return removeDots(path), nil
}

// removeDots is RFC 3986 §5.2.4 for a path that begins with a slash.
func removeDots(path string) string {
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".", "..":
			if s == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, s)
		}
	}
	return "/" + strings.Join(kept, "/")
}

func hostPort(authority string) (host, port string, err error) {
	if strings.HasPrefix(authority, "[") {
		return literal(authority)
	}
	host, port, _ = strings.Cut(authority, ":")
	if host, err = decodeUnreserved(host, isHost); err != nil || host == "" || strings.IndexByte(host, '%') >= 0 || !digits(port) {
		return "", "", ErrURI
	}
	return strings.ToLower(host), port, nil
}

// literal reads an IPv6 address in brackets; its normal form is RFC 5952's.
func literal(authority string) (host, port string, err error) {
	inside, rest, ok := strings.Cut(authority[1:], "]")
	if !ok || rest != "" && rest[0] != ':' {
		return "", "", ErrURI
	}
	address, err := netip.ParseAddr(inside)
	if err != nil || !address.Is6() || address.Zone() != "" {
		return "", "", ErrURI
	}
	port = strings.TrimPrefix(rest, ":")
	if !digits(port) {
		return "", "", ErrURI
	}
	return "[" + address.String() + "]", port, nil
}

func digits(port string) bool {
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(port) <= 5
}

// decodeUnreserved is RFC 3986 §6.2.2.1 and §6.2.2.2; a byte that allowed does not know is refused.
func decodeUnreserved(s string, allowed func(byte) bool) (string, error) {
	plain := true
	for i := range len(s) {
		if s[i] == '%' {
			plain = false
		} else if !allowed(s[i]) {
			return "", ErrURI
		}
	}
	if plain {
		return s, nil
	}
	const upper = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", ErrURI
		}
		hi, lo := hex(s[i+1]), hex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", ErrURI
		}
		if c := byte(hi<<4 | lo); isUnreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upper[hi], upper[lo])
		}
		i += 2
	}
	return string(b), nil
}

func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func isUnreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func isHost(c byte) bool { return isUnreserved(c) || strings.IndexByte("!$&'()*+,;=", c) >= 0 }

func isPath(c byte) bool { return isHost(c) || strings.IndexByte(":@/", c) >= 0 }
