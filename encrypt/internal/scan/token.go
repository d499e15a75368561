package scan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// tail is what must follow the bytes of a character read so far.
type tail struct {
	need   int
	lo, hi byte // bounds of the next byte
}

// text reads a string from behind its opening quote, or goes on with one.
func (s *Scanner) text(p []byte, i int) (int, error) {
	from := i
	if s.utf8.need == 0 { // nearly always a string is plain and ends in this piece
		if i = plain(p, i); i < len(p) && p[i] == '"' {
			return s.quote(p, from, i)
		}
	}
	for i < len(p) {
		switch c := p[i]; {
		case s.utf8.need > 0:
			if c < s.utf8.lo || c > s.utf8.hi {
				return i, ErrUTF8
			}
			s.utf8 = tail{s.utf8.need - 1, 0x80, 0xBF}
			i++
		case c == '"':
			return s.quote(p, from, i)
		case c == '\\':
			s.state = inEscape
			return i + 1, s.append(p[from:i])
		case c < ' ':
			return i, ErrSyntax
		case c < utf8.RuneSelf:
			i = plain(p, i+1)
		default:
			if s.utf8 = lead(c); s.utf8.need == 0 {
				return i, ErrUTF8
			}
			i++
		}
	}
	return i, s.append(p[from:])
}

// quote ends a string whose last piece is p[from:i].
func (s *Scanner) quote(p []byte, from, i int) (int, error) {
	if !s.naming {
		s.piece(p[from:i])
		return s.end(p, i+1)
	}
	name := p[from:i]
	if len(s.name) > 0 {
		if err := s.append(name); err != nil {
			return i, err
		}
		name = s.name
	}
	if err := s.member(name); err != nil {
		return i, err
	}
	if i++; i == len(p) || p[i] != ':' {
		return i, nil
	}
	s.state = wantValue // nearly always
	if i++; i == len(p) || p[i] <= ' ' {
		return i, nil
	}
	return s.begin(p, i)
}

// append keeps a piece of a member name; of other strings nothing need be known but by a watcher.
func (s *Scanner) append(piece []byte) error {
	if !s.naming {
		s.piece(piece)
		return nil
	}
	if len(s.name)+len(piece) > maxNameText {
		return ErrNames
	}
	s.name = append(s.name, piece...)
	return nil
}

// plain skips, eight bytes at a time, what needs no look: ASCII but quote, backslash and controls.
func plain(p []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		// Of the first byte that needs a look the top bit is set: w has it for what is not ASCII, and a
		// subtraction borrows it for a smaller byte. A borrow can reach later bytes only.
		// Exclusive or with 2 puts the quote in the place of the space, right behind the controls.
		odd := (w | ((w ^ ones*2) - ones*(' '+1)) | ((w ^ ones*'\\') - ones)) & tops
		if odd != 0 {
			return i + bits.TrailingZeros64(odd)/8
		}
	}
	for ; i < len(p); i++ {
		if c := p[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// lead says what must follow the first byte of a character (RFC 3629 §4); nothing: it is none.
func lead(c byte) tail {
	switch {
	case c < 0xC2 || c > 0xF4:
		return tail{}
	case c < 0xE0:
		return tail{1, 0x80, 0xBF}
	case c == 0xE0:
		return tail{2, 0xA0, 0xBF}
	case c == 0xED:
		return tail{2, 0x80, 0x9F} // no surrogates
	case c < 0xF0:
		return tail{2, 0x80, 0xBF}
	case c == 0xF0:
		return tail{3, 0x90, 0xBF}
	case c == 0xF4:
		return tail{3, 0x80, 0x8F}
	}
	return tail{3, 0x80, 0xBF}
}

// character reads one byte of an escape or a literal.
func (s *Scanner) character(p []byte, i int) (int, error) {
	c := p[i]
	switch s.state {
	case inLiteral:
		if c != s.literal[0] {
			return i, ErrSyntax
		}
		if s.literal = s.literal[1:]; s.literal == "" {
			return s.end(p, i+1)
		}
		return i + 1, nil
	case inEscape:
		return i + 1, s.escape(c)
	case inLow:
		if c != '\\' {
			return i, ErrSurrogate
		}
		s.state = inLowU
	case inLowU:
		if c != 'u' {
			return i, ErrSurrogate
		}
		s.state = inHex
	default: // inHex
		d := digit(c)
		if d < 0 {
			return i, ErrSyntax
		}
		s.hex = s.hex<<4 | d
		if s.digits++; s.digits == 4 {
			return i + 1, s.unit()
		}
	}
	return i + 1, nil
}

// escape reads the byte behind a backslash (RFC 8259 §7).
func (s *Scanner) escape(c byte) error {
	s.state = inString
	switch c {
	case '"', '\\', '/':
		return s.unescaped(c)
	case 'b':
		return s.unescaped('\b')
	case 'f':
		return s.unescaped('\f')
	case 'n':
		return s.unescaped('\n')
	case 'r':
		return s.unescaped('\r')
	case 't':
		return s.unescaped('\t')
	case 'u':
		s.state, s.hex, s.digits = inHex, 0, 0
		return nil
	}
	return ErrSyntax
}

// unit has read the four digits of a UTF-16 unit.
func (s *Scanner) unit() error {
	r := s.hex
	s.hex, s.digits, s.state = 0, 0, inString
	switch {
	case s.high != 0:
		if r = utf16.DecodeRune(s.high, r); r == utf8.RuneError {
			return ErrSurrogate
		}
		s.high = 0
	case r >= 0xDC00 && r <= 0xDFFF:
		return ErrSurrogate
	case utf16.IsSurrogate(r):
		s.high, s.state = r, inLow
		return nil
	}
	return s.append(utf8.AppendRune(s.one[:0], r))
}

// unescaped keeps a character that stood as an escape.
func (s *Scanner) unescaped(c byte) error {
	s.one[0] = c
	return s.append(s.one[:1])
}

func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}
