package scan

import (
	"bytes"
	"strconv"
	"strings"
)

// ErrGuarded says that a guarded member would pass in clear.
const ErrGuarded = Error("guarded member in clear")

// Watcher sees what passes and is no value that a rule names: the characters of strings and member names
// and the digits of numbers, in pieces, escapes undone.
type Watcher interface {
	Piece(p []byte)
	// End says that the name, or a value, is over.
	End() error
}

// Watch lets w, if it is not nil, see what passes, and refuses every member with a guarded name, in any case,
// that is no value which a rule names. Call it between Reset and Feed.
func (s *Scanner) Watch(w Watcher, guarded [][]byte) { s.watcher, s.guarded = w, guarded }

// piece shows the watcher a piece.
func (s *Scanner) piece(p []byte) {
	if s.watcher != nil && !s.taking && len(p) > 0 {
		s.watcher.Piece(p)
	}
}

// over tells the watcher that something ended.
func (s *Scanner) over() error {
	if s.watcher == nil || s.taking {
		return nil
	}
	return s.watcher.End()
}

// guard looks at a member's name when it is known where it leads to.
func (s *Scanner) guard(name []byte) error {
	if s.taking || s.next != nil && s.next.rule != inside {
		return nil
	}
	for _, g := range s.guarded {
		if bytes.EqualFold(g, name) {
			return ErrGuarded
		}
	}
	if s.watcher == nil {
		return nil
	}
	s.watcher.Piece(name)
	return s.watcher.End()
}

// Pointer is where in the text the scanner is, as a JSON pointer (RFC 6901).
func (s *Scanner) Pointer() string {
	var b strings.Builder
	for i, f := range s.stack {
		b.WriteByte('/')
		if !f.object {
			b.WriteString(strconv.Itoa(f.index))
			continue
		}
		known := len(s.names.ends)
		if i+1 < len(s.stack) {
			known = s.stack[i+1].names
		}
		if known > f.names { // the name the object has reached
			b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(string(s.names.at(known - 1))))
		}
	}
	return b.String()
}

// Leads says whether some rule leads through a member of this name, in any case, to something inside it.
func (r *Rules) Leads(name string) bool {
	for _, text := range r.text {
		tokens, _ := parse(text) // it was compiled
		for i, t := range tokens {
			if i < len(tokens)-1 && !t.any && strings.EqualFold(t.text, name) {
				return true
			}
		}
	}
	return false
}
