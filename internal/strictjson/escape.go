package strictjson

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// escape gives the length of the escape that s begins with, 0 when it is none. A surrogate counts
// only as a pair (RFC 7493 §2.1).
func escape(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		first := hex4(s)
		switch {
		case first < 0:
			return 0
		case !utf16.IsSurrogate(first):
			return 6
		case len(s) >= 12 && s[6] == '\\' && s[7] == 'u' && utf16.DecodeRune(first, hex4(s[6:])) != utf8.RuneError:
			return 12
		}
	}
	return 0
}

// hex4 reads the four digits of \uXXXX; -1 when they are not there.
func hex4(s string) rune {
	if len(s) < 6 {
		return -1
	}
	var n rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		n = n<<4 | rune(c)
	}
	return n
}

// unescape decodes the inside of a string that str has passed over.
func unescape(s string) string {
	at := strings.IndexByte(s, '\\')
	if at < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for at >= 0 {
		b.WriteString(s[:at])
		n := escape(s[at:])
		b.WriteRune(decode(s[at : at+n]))
		s = s[at+n:]
		at = strings.IndexByte(s, '\\')
	}
	b.WriteString(s)
	return b.String()
}

func decode(e string) rune {
	switch len(e) {
	case 6:
		return hex4(e)
	case 12:
		return utf16.DecodeRune(hex4(e), hex4(e[6:]))
	}
	switch e[1] {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return rune(e[1])
}
