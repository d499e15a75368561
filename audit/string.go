package audit

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string that shows on one line as what it is: whatever is not
// graphic is escaped, and bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	if !plain(s) {
		return appendOdd(b, s)
	}
	n, m := len(b), len(s)
	b = slices.Grow(b, m+2)[:n+m+2]
	to := b[n:]
	to[0] = '"'
	copy(to[1:], s)
	to[m+1] = '"'
	return b
}

// appendOdd is appendString for what has something to escape.
func appendOdd(b []byte, s string) []byte {
	b = append(b, '"')
	start, i := 0, 0
	for i < len(s) {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if unicode.IsGraphic(r) && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		b = appendEscaped(b, r)
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// plain reports whether each byte of s is printable ASCII and neither a quote nor a backslash.
func plain(s string) bool {
	n, odd := len(s), uint64(0)
	switch {
	case n >= 8:
		odd = oddIn(load8(s, n-8))
		for len(s) > 8 {
			odd |= oddIn(load8(s, 0))
			s = s[8:]
		}
	case n >= 4:
		odd = oddIn(load4(s, 0) | load4(s, n-4)<<32)
	case n > 0:
		odd = oddIn(uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16 | ones*' '&^0xffffff)
	}
	return odd&(ones<<7) == 0
}

func load8(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func load4(s string, i int) uint64 {
	s = s[i : i+4]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

const ones = 0x0101010101010101

// oddIn looks at eight bytes at once: a high bit in what it gives stands for a byte that is not
// plain. A borrow or carry between bytes can only come from such a byte.
func oddIn(x uint64) uint64 {
	return x | (x + ones) | (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)
}

func appendEscaped(b []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r > 0xffff:
		r -= 0x10000
		b = appendEscaped(b, 0xd800+r>>10)
		return appendEscaped(b, 0xdc00+r&0x3ff)
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
