// Package look finds what looks like a card number, an IBAN or an Individual Number in text that
// arrives in pieces. It judges by form and check digits only, so some of what it finds is something
// else: of 16 random digits behind a card prefix one in ten passes, of 12 random digits one in eleven.
package look

// Kinds of what is found.
const (
	PAN      = 1 << iota // ISO/IEC 7812-1: 13 to 19 digits under a card scheme's prefix, Luhn
	IBAN                 // ISO 13616-1: the length of its country, remainder 1 modulo 97
	MyNumber             // Japan's Individual Number: 12 digits that stand alone, the last a check digit
)

const (
	window   = 512
	shortest = 12 // what stands in a text of fewer bytes is none of them
	// overlap is more than the longest form: 34 characters in full width, a separator after each.
	overlap = 256
)

// Reader looks through one text after another. Its zero value is ready. It remembers a bounded piece.
type Reader struct {
	buf   [window]byte
	n     int
	cut   bool // something stood before buf
	kinds int
}

// Write takes a piece of the text.
func (r *Reader) Write(piece []byte) {
	for len(piece) > 0 {
		took := copy(r.buf[r.n:], piece)
		r.n += took
		piece = piece[took:]
		if r.n == window {
			r.kinds |= find(r.buf[:], r.cut, false)
			from := window - overlap
			for from < window && r.buf[from]&0xC0 == 0x80 { // the middle of a character
				from++
			}
			r.cut = true
			r.n = copy(r.buf[:], r.buf[from:])
		}
	}
}

// End ends the text, says which kinds it holds, and forgets it.
func (r *Reader) End() int {
	if r.n == 0 {
		return 0
	}
	kinds := r.kinds | find(r.buf[:r.n], r.cut, true)
	*r = Reader{}
	return kinds
}

// group is a run of ASCII letters and digits; joined: one space or hyphen before it, and a group before that.
type group struct {
	text   []byte
	from   int // its place
	joined bool
	digits bool
}

// unsure is how many bytes at an open end of a text may belong to the group next to them.
const unsure = 4

// find looks for everything in text. Of an unfinished text the last group may go on, so nothing ends there.
func find(text []byte, cut, finished bool) (kinds int) {
	if len(text) < shortest {
		return 0
	}
	var room [window]byte
	var all [window/2 + 1]group
	plain := narrow(room[:0], text)
	groups, end := split(all[:0], plain)
	closed := len(groups)
	if !finished && end > len(plain)-unsure {
		closed--
	}
	for i := range groups {
		if !cut || groups[i].from >= unsure { // those before may go on to the left, and were looked at just now
			kinds |= at(groups, i, closed)
		}
	}
	return kinds
}

// narrow turns full-width letters, digits and spaces into ASCII (Unicode Standard Annex #11).
func narrow(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < 0x80 || i+2 >= len(text) {
			dst = append(dst, c)
			continue
		}
		switch a, b := text[i+1], text[i+2]; {
		case c == 0xEF && a == 0xBC && b >= 0x80 && b <= 0xBF: // U+FF00 to U+FF3F
			dst = append(dst, b-0x80+0x20)
			i += 2
		case c == 0xEF && a == 0xBD && b >= 0x80 && b <= 0x9E: // U+FF40 to U+FF5E
			dst = append(dst, b-0x80+0x60)
			i += 2
		case c == 0xE3 && a == 0x80 && b == 0x80: // U+3000
			dst = append(dst, ' ')
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// split gives the groups of text and where the last one ends.
func split(dst []group, text []byte) (groups []group, end int) {
	end = -2
	for i := 0; i < len(text); {
		if !alnum(text[i]) {
			i++
			continue
		}
		g := group{digits: true, joined: end == i-1 && end > 0 && (text[end] == ' ' || text[end] == '-')}
		from := i
		for ; i < len(text) && alnum(text[i]); i++ {
			g.digits = g.digits && text[i] <= '9'
		}
		g.text, g.from, end = text[from:i], from, i
		dst = append(dst, g)
	}
	return dst, end
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
