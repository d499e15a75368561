package scan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxNodes bounds the table: rules with many * and many names at the same levels multiply.
const maxNodes = 1 << 16

// node is a place in a document that some rule names or reaches into.
type node struct {
	rule  int // the rule that names this value, or inside
	edges []edge
	any   *node // every member or element that no edge names
	plain bool  // all names of edges are ASCII
}

// inside is the rule of a place that rules only lead through.
const inside = -1

// edge leads to the member name, or to the element index if the name is a canonical index.
type edge struct {
	name  []byte
	index int // -1: no index
	to    *node
}

// member finds what stands under a member name. A name that differs from a rule's only in
// case is ErrVariant: encoding/json in a handler would take it for the rule's own member.
func (n *node) member(name []byte) (*node, error) {
	for i := range n.edges {
		if e := &n.edges[i]; len(e.name) == len(name) && bytes.Equal(e.name, name) {
			return e.to, nil
		}
	}
	for i := range n.edges {
		// Folding keeps the length of ASCII, and of its letters all but one bit; beyond it the Kelvin sign
		// folds to k.
		e := &n.edges[i]
		if len(name) > 0 && len(e.name) > 0 && (name[0]^e.name[0])&^0x20 != 0 && name[0]|e.name[0] < utf8.RuneSelf {
			continue
		}
		if n.plain && len(e.name) != len(name) && !hasHigh(name) {
			continue
		}
		if bytes.EqualFold(e.name, name) {
			return nil, ErrVariant
		}
	}
	return n.any, nil
}

func hasHigh(name []byte) bool {
	for _, c := range name {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// element finds what stands at an index of an array.
func (n *node) element(index int) *node {
	for i := range n.edges {
		if n.edges[i].index == index {
			return n.edges[i].to
		}
	}
	return n.any
}

// builder turns rules, which may be followed side by side through *, into nodes of which a
// scanner is always at exactly one.
type builder struct {
	rules [][]token
	made  map[string]*node
}

func build(rules [][]token) (*node, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	b := &builder{rules: rules, made: map[string]*node{}}
	all := make([]int, len(rules))
	for i := range all {
		all[i] = i
	}
	return b.node(all, 0)
}

// node makes the node at which the rules named by alive have depth tokens behind them.
func (b *builder) node(alive []int, depth int) (*node, error) {
	key := binary.AppendUvarint(nil, uint64(depth))
	for _, r := range alive {
		key = binary.AppendUvarint(key, uint64(r))
	}
	if n := b.made[string(key)]; n != nil {
		return n, nil
	}
	if len(b.made) >= maxNodes {
		return nil, fmt.Errorf("the rules combine into more than %d places", maxNodes)
	}
	n := &node{rule: inside, plain: true}
	b.made[string(key)] = n
	if len(b.rules[alive[0]]) == depth { // overlapping rules were refused: it is the only one
		n.rule = alive[0]
		return n, nil
	}
	seen := map[string]bool{}
	for _, r := range alive {
		t := b.rules[r][depth]
		if t.any || seen[t.text] {
			continue
		}
		seen[t.text] = true
		to, err := b.node(b.follow(alive, depth, t.text, true), depth+1)
		if err != nil {
			return nil, err
		}
		name := []byte(t.text)
		n.plain = n.plain && !hasHigh(name)
		n.edges = append(n.edges, edge{name: name, index: index(t.text), to: to})
	}
	if rest := b.follow(alive, depth, "", false); len(rest) > 0 {
		var err error
		if n.any, err = b.node(rest, depth+1); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// follow keeps the rules whose next token is *, and, if named, those whose token is name.
func (b *builder) follow(alive []int, depth int, name string, named bool) []int {
	var out []int
	for _, r := range alive {
		if t := b.rules[r][depth]; t.any || named && t.text == name {
			out = append(out, r)
		}
	}
	return out
}

// index reads an array index: digits without leading zeros (RFC 6901 §4).
func index(text string) int {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && strconv.Itoa(n) == text {
		return n
	}
	return -1
}
