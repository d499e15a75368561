package strictjson

import (
	"strings"
	"unicode/utf8"
)

func (r *reader) value() error {
	if r.i >= len(r.s) {
		return ErrSyntax
	}
	switch r.s[r.i] {
	case '"':
		return r.str()
	case '{':
		return r.object(nil)
	case '[':
		return r.array(nil)
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	default:
		return r.number()
	}
}

func (r *reader) word(w string) error {
	if !strings.HasPrefix(r.s[r.i:], w) {
		return ErrSyntax
	}
	r.i += len(w)
	return nil
}

// number is RFC 8259 §6.
func (r *reader) number() error {
	if r.i < len(r.s) && r.s[r.i] == '-' {
		r.i++
	}
	if r.i < len(r.s) && r.s[r.i] == '0' {
		r.i++
	} else if r.digits() == 0 {
		return ErrSyntax
	}
	if r.i < len(r.s) && r.s[r.i] == '.' {
		r.i++
		if r.digits() == 0 {
			return ErrSyntax
		}
	}
	if r.i < len(r.s) && r.s[r.i]|0x20 == 'e' {
		r.i++
		if r.i < len(r.s) && (r.s[r.i] == '+' || r.s[r.i] == '-') {
			r.i++
		}
		if r.digits() == 0 {
			return ErrSyntax
		}
	}
	return nil
}

func (r *reader) digits() (n int) {
	for r.i < len(r.s) && '0' <= r.s[r.i] && r.s[r.i] <= '9' {
		r.i++
		n++
	}
	return n
}

// plain are the bytes that stand for themselves in a string of ASCII.
var plain = func() (set [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// plain8 is true when all of eight bytes are plain.
func plain8(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	// Of bytes below 0x80 the subtraction reaches the top bit of those only that are too small.
	return (w|(w-ones*' ')|((w^ones*'"')-ones)|((w^ones*'\\')-ones))&tops == 0
}

// str passes over a string and checks its bytes and escapes.
func (r *reader) str() error {
	ascii := true
	start := r.i
	i := r.i + 1
	for i+8 <= len(r.s) && plain8(r.s[i:i+8]) {
		i += 8
	}
	for ; i < len(r.s); i++ {
		c := r.s[i]
		if plain[c] {
			continue
		}
		switch {
		case c == '"':
			r.i = i + 1
			if !ascii && !utf8.ValidString(r.s[start:r.i]) {
				return ErrUTF8
			}
			return nil
		case c == '\\':
			n := escape(r.s[i:])
			if n == 0 {
				return ErrSyntax
			}
			i += n - 1
		case c < 0x20:
			return ErrSyntax
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ErrSyntax
}
