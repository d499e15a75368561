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

// str passes over a string and checks its bytes and escapes.
func (r *reader) str() error {
	ascii := true
	start := r.i
	for i := r.i + 1; i < len(r.s); i++ {
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
