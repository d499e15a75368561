package scan

import "log/slog"

// Error is one fault of a text. It holds nothing of the text.
type Error string

// Faults.
const (
	ErrSyntax    = Error("not JSON")
	ErrShort     = Error("ends too early")
	ErrUTF8      = Error("not UTF-8")
	ErrSurrogate = Error("half a surrogate pair")
	ErrDuplicate = Error("member name used twice")
	ErrVariant   = Error("member name differs from a rule's in case only")
	ErrDepth     = Error("too deep")
	ErrNames     = Error("too many member names")
	ErrValue     = Error("value too large")
)

// Error is the fault's text.
func (e Error) Error() string { return string(e) }

// LogValue lets a record name the fault: it is a constant of this package.
func (e Error) LogValue() slog.Value { return slog.StringValue(string(e)) }

// keepBytes is the size up to which a buffer is kept for the next text.
const keepBytes = 64 << 10

// Taker gets each value that a rule names: its exact text, and the number of containers
// round it. It appends to dst what shall stand in its place.
type Taker interface {
	Value(dst []byte, rule, depth int, text []byte) ([]byte, error)
}

// Limits bounds what a text may cost.
type Limits struct {
	Depth int // containers inside each other
	Value int // bytes of a value that a rule names
}

// Scanner checks one JSON text (RFC 8259) that is given to it in pieces of any size and
// passes it on byte for byte, except for the values that rules name. Beyond the grammar it
// refuses what readers disagree on: names used twice, bytes that are not UTF-8, escapes that
// are half a surrogate pair (RFC 7493 §2.1 and §2.3). Call Reset before the first Feed.
type Scanner struct {
	limits  Limits
	taker   Taker
	watcher Watcher
	guarded [][]byte

	state  state
	stack  []frame
	next   *node // where the value stands that comes next
	names  names
	shapes []shape // by depth

	naming  bool   // the string is a member name
	name    []byte // what is known of a name with escapes, or begun in an earlier piece
	utf8    tail
	hex     rune // of \u
	digits  int
	high    rune // a high surrogate that waits for the low one
	literal string
	one     [4]byte // a character that was escaped

	out    []byte
	mark   int // where in the piece the text begins that was neither passed on nor kept
	taking bool
	taken  bool // a value was replaced since Feed looked
	rule   int
	floor  int    // containers round the value being taken
	value  []byte // what earlier pieces held of it
}

// frame is an open container.
type frame struct {
	node     *node // nil: no rule reaches inside
	index    int   // of the next element
	names    int   // where the object's names begin
	seen     int   // how many names were those of the shape
	object   bool
	foreseen bool // so far all were, and they are not in names
	learns   bool // the shape gets its names
}

// state is what the scanner expects.
type state uint8

const (
	wantValue   state = iota
	wantElement       // a value, or the end of an empty array
	wantName
	wantMember // a name, or the end of an empty object
	wantColon
	wantComma   // or the end of the container
	wantNothing // white space
	inString
	inEscape
	inHex
	inLow // the two characters before the digits of a low surrogate
	inLowU
	inLiteral
	inMinus
	inZero
	inInteger
	inPoint
	inFraction
	inExponent
	inSign
	inPower
)

// Reset prepares for a new text. rules may be nil; then taker is not used.
func (s *Scanner) Reset(rules *Rules, limits Limits, taker Taker) {
	clear(s.value[:cap(s.value)]) // it may hold part of a value that was to be sealed
	n, stack, name, value := s.names, s.stack[:0], s.name[:0], s.value[:0]
	n.reset()
	if cap(name) > keepBytes {
		name = nil
	}
	if cap(value) > keepBytes {
		value = nil
	}
	*s = Scanner{limits: limits, taker: taker, names: n, shapes: s.shapes, stack: stack, name: name, value: value}
	if rules != nil {
		s.next = rules.root
	}
}

// Feed reads p and appends to dst what is known of the result. It stops early, after a value
// that a rule names, once dst holds room bytes: n says how much of p was read. After an error
// what dst holds is of no use and Feed must not be called again.
func (s *Scanner) Feed(dst, p []byte, room int) (out []byte, n int, err error) {
	s.out, s.mark = dst, 0
	for n < len(p) && err == nil {
		switch { // nearly always a member follows
		case s.state == wantComma && p[n] == ',' && n+1 < len(p) && p[n+1] == '"' && s.stack[len(s.stack)-1].object:
			n, err = s.members(p, n+1)
		case s.state == wantMember && p[n] == '"':
			n, err = s.members(p, n)
		default:
			n, err = s.step(p, n)
		}
		if s.taken {
			s.taken = false
			if len(s.out) >= room {
				break
			}
		}
	}
	if err == nil {
		err = s.keep(p[s.mark:n])
	}
	out, s.out = s.out, nil
	return out, n, err
}

// keep passes on the rest of a piece, or holds it back if it is part of a value being taken.
func (s *Scanner) keep(rest []byte) error {
	if !s.taking {
		s.out = append(s.out, rest...)
		return nil
	}
	if len(s.value)+len(rest) > s.limits.Value {
		return ErrValue
	}
	s.value = append(s.value, rest...)
	return nil
}

// Finish says that the text has ended and appends what was held back for that.
func (s *Scanner) Finish(dst []byte) ([]byte, error) {
	s.out, s.mark = dst, 0
	var err error
	switch s.state {
	case inZero, inInteger, inFraction, inPower: // only its end can tell that a number is over
		_, err = s.end(nil, 0)
	}
	if err == nil && s.state != wantNothing {
		err = ErrShort
	}
	dst, s.out = s.out, nil
	return dst, err
}
