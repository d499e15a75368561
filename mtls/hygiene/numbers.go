package hygiene

import (
	"strconv"
	"strings"
)

// maxInteger is the largest integer that every reader takes for the same (RFC 7493 section 2.2).
const maxInteger = 1<<53 - 1

// oneNumber reports whether every number in body, which is JSON, is the same one to all who read it.
func oneNumber(body string) bool {
	for i := 0; i < len(body); {
		switch c := body[i]; {
		case c == '"':
			for i++; body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
			i++
		case c == '-' || '0' <= c && c <= '9':
			end := i + 1
			for end < len(body) && strings.IndexByte("+-.eE0123456789", body[end]) >= 0 {
				end++
			}
			if !interoperable(strings.TrimPrefix(body[i:end], "-")) {
				return false
			}
			i = end
		default:
			i++
		}
	}
	return true
}

// interoperable reports whether a number without its sign survives a reader who keeps numbers in binary64 (RFC 7493
// section 2.2): written down again it has the same digits. An integer must also be one that others than it are
// not rounded to.
func interoperable(number string) bool {
	if !strings.ContainsAny(number, ".eE") {
		n, err := strconv.ParseUint(number, 10, 64)
		return err == nil && n <= maxInteger
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return false
	}
	digits, point, ok := significant(number)
	back, backPoint, _ := significant(strconv.FormatFloat(value, 'e', -1, 64))
	return ok && digits == back && point == backPoint
}

// significant gives the digits of a number without zeros around them, and where its point stands; "", 0 is zero.
func significant(number string) (digits string, point int, ok bool) {
	mantissa, exponent := number, 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(number[i+1:]); err != nil {
			return "", 0, false
		}
		mantissa = number[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := whole + fraction
	digits = strings.TrimLeft(all, "0")
	if digits == "" {
		return "", 0, true
	}
	return strings.TrimRight(digits, "0"), len(whole) + exponent - (len(all) - len(digits)), true
}
