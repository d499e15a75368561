// Package strictjson reads small JSON texts that came from strangers.
//
// It accepts what RFC 8259 allows and RFC 7493 (I-JSON) keeps unambiguous: UTF-8 only, no lone
// surrogates, every member name once in its object, nothing after the value. Depth and the number
// of members are bounded. Strings are given back as parts of the text itself wherever they hold no
// escapes, so that reading a token's claims allocates next to nothing.
package strictjson

import (
	"errors"
)

// Bounds of one text. Both are far above what tokens, proofs and key sets need.
const (
	MaxDepth   = 32
	MaxMembers = 1024
)

// Errors. They name the kind of fault only: a text from outside is never quoted.
var (
	ErrSyntax    = errors.New("strictjson: syntax")
	ErrUTF8      = errors.New("strictjson: not UTF-8")
	ErrDuplicate = errors.New("strictjson: duplicate member")
	ErrTooLarge  = errors.New("strictjson: too deep or too many members")
	ErrType      = errors.New("strictjson: not of the wanted type")
)

type reader struct {
	s       string
	i       int
	depth   int
	members int
	skim    bool // duplicates below the first level are somebody else's to find
}

// Valid reports whether s is exactly one JSON value under the rules of this package.
func Valid(s string) error {
	r := reader{s: s}
	r.space()
	if err := r.value(); err != nil {
		return err
	}
	return r.end()
}

// Members calls member for each member of the object that s is, in order, after the member was
// checked to every depth. The name is decoded; the value is its exact JSON text. An error from
// member ends the walk and is returned.
func Members(s string, member func(name, value string) error) error {
	r := reader{s: s}
	return r.top('{', func() error { return r.object(member) })
}

// Elements calls element with the exact JSON text of each element of the array that s is.
func Elements(s string, element func(value string) error) error {
	r := reader{s: s}
	return r.top('[', func() error { return r.array(element) })
}

// Skim is Members for a list of things that are read one by one afterwards: what stands twice
// inside a value is left for that reading, so that one broken part does not spoil the others.
func Skim(s string, member func(name, value string) error) error {
	r := reader{s: s, skim: true}
	return r.top('{', func() error { return r.object(member) })
}

// SkimElements is Elements as Skim is Members.
func SkimElements(s string, element func(value string) error) error {
	r := reader{s: s, skim: true}
	return r.top('[', func() error { return r.array(element) })
}

// String decodes a value that Members or Elements gave; ErrType when it is no string.
func String(value string) (string, error) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return "", ErrType
	}
	return unescape(value[1 : len(value)-1]), nil
}

// top reads the one value of the text, which must begin with open.
func (r *reader) top(open byte, read func() error) error {
	r.space()
	switch {
	case r.i >= len(r.s):
		return ErrSyntax
	case r.s[r.i] != open:
		return ErrType
	}
	if err := read(); err != nil {
		return err
	}
	return r.end()
}

func (r *reader) end() error {
	r.space()
	if r.i != len(r.s) {
		return ErrSyntax
	}
	return nil
}

func (r *reader) space() {
	for r.i < len(r.s) {
		switch r.s[r.i] {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return
		}
	}
}

// next skips white space and takes c if it stands there.
func (r *reader) next(c byte) bool {
	r.space()
	if r.i < len(r.s) && r.s[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *reader) enter() error {
	r.depth++
	if r.depth > MaxDepth {
		return ErrTooLarge
	}
	r.i++
	return nil
}

func (r *reader) array(element func(value string) error) error {
	if err := r.enter(); err != nil {
		return err
	}
	if r.next(']') {
		r.depth--
		return nil
	}
	for {
		r.space()
		start := r.i
		if err := r.value(); err != nil {
			return err
		}
		if element != nil {
			if err := element(r.s[start:r.i]); err != nil {
				return err
			}
		}
		if r.next(']') {
			r.depth--
			return nil
		}
		if !r.next(',') {
			return ErrSyntax
		}
	}
}

func (r *reader) object(member func(name, value string) error) error {
	if err := r.enter(); err != nil {
		return err
	}
	if r.next('}') {
		r.depth--
		return nil
	}
	var seen names
	for {
		r.space()
		name, err := r.name()
		if err != nil {
			return err
		}
		if (!r.skim || r.depth == 1) && !seen.add(name) {
			return ErrDuplicate
		}
		if !r.next(':') {
			return ErrSyntax
		}
		r.space()
		start := r.i
		if err := r.value(); err != nil {
			return err
		}
		if member != nil {
			if err := member(name, r.s[start:r.i]); err != nil {
				return err
			}
		}
		if r.next('}') {
			r.depth--
			return nil
		}
		if !r.next(',') {
			return ErrSyntax
		}
	}
}

func (r *reader) name() (string, error) {
	if r.members++; !r.skim && r.members > MaxMembers {
		return "", ErrTooLarge
	}
	if r.i >= len(r.s) || r.s[r.i] != '"' {
		return "", ErrSyntax
	}
	start := r.i
	if err := r.str(); err != nil {
		return "", err
	}
	return unescape(r.s[start+1 : r.i-1]), nil
}
