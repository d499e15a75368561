// Package scan reads a JSON text as it arrives and hands out the values that rules name.
package scan

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxRules bounds one list, and with it the table that Compile makes of it.
const maxRules = 1024

// Rules is a compiled list of rules. It never changes and may be shared.
type Rules struct {
	root *node
	text []string
}

// Len is the number of rules; a nil list has none.
func (r *Rules) Len() int {
	if r == nil {
		return 0
	}
	return len(r.text)
}

// Text gives rule i as it was written.
func (r *Rules) Text(i int) string { return r.text[i] }

// token is one step of a rule: a member name or an index, or any of them.
type token struct {
	text string
	any  bool
}

// Compile reads a list of JSON pointers (RFC 6901 §3) in which the token * stands for any
// member or index. It reports every mistake: bad syntax, rules deeper than maxDepth, a rule
// written twice, and rules of which one would name a value inside, or the same as, another's.
func Compile(pointers []string, maxDepth int) (*Rules, error) {
	if len(pointers) > maxRules {
		return nil, fmt.Errorf("%d rules, at most %d are accepted", len(pointers), maxRules)
	}
	var errs []error
	parsed := make([][]token, len(pointers))
	broken := make([]bool, len(pointers))
	for i, p := range pointers {
		tokens, err := parse(p)
		if err == nil && len(tokens) > maxDepth {
			err = fmt.Errorf("%d levels, but no deeper than %d is read", len(tokens), maxDepth)
		}
		if err != nil {
			errs, broken[i] = append(errs, fmt.Errorf("rule %q: %w", p, err)), true
		}
		parsed[i] = tokens
	}
	for i := range pointers {
		for j := range i {
			switch {
			case broken[i] || broken[j]:
			case pointers[i] == pointers[j]:
				errs = append(errs, fmt.Errorf("rule %q: written twice", pointers[i]))
			case overlap(parsed[i], parsed[j]):
				errs = append(errs, fmt.Errorf("rules %q and %q overlap", pointers[j], pointers[i]))
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	root, err := build(parsed)
	if err != nil {
		return nil, err
	}
	return &Rules{root: root, text: append([]string(nil), pointers...)}, nil
}

// parse splits a pointer into tokens and undoes ~1 and ~0 (RFC 6901 §4).
func parse(pointer string) ([]token, error) {
	if pointer == "" {
		return nil, nil // the whole document
	}
	if pointer[0] != '/' {
		return nil, errors.New("does not begin with /")
	}
	if !utf8.ValidString(pointer) {
		return nil, errors.New("not UTF-8")
	}
	var tokens []token
	for part := range strings.SplitSeq(pointer[1:], "/") {
		if part == "*" {
			tokens = append(tokens, token{any: true})
			continue
		}
		if strings.Contains(part, "*") {
			return nil, errors.New("* does not stand alone")
		}
		plain := strings.ReplaceAll(strings.ReplaceAll(part, "~1", ""), "~0", "")
		if strings.Contains(plain, "~") {
			return nil, errors.New("~ is followed by neither 0 nor 1")
		}
		// ~1 first, so that ~01 becomes ~1 and not / (RFC 6901 §4).
		tokens = append(tokens, token{text: strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")})
	}
	return tokens, nil
}

// overlap says whether some document has a value that both rules name, or that one names
// inside what the other names.
func overlap(a, b []token) bool {
	for i := range min(len(a), len(b)) {
		if !a[i].any && !b[i].any && a[i].text != b[i].text {
			return false
		}
	}
	return true
}
