package scan

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// Bounds of what is remembered to find a member name that is used twice.
const (
	maxNames    = 10_000  // names of one object
	maxNameText = 4 << 20 // bytes of names of all open objects
	fewNames    = 24      // up to here a walk beats a table
	keepNames   = 512     // up to here a table is used again
)

// names holds the member names of all open objects, the innermost last.
type names struct {
	seed   maphash.Seed // a client that could foresee hashes could make the tables slow
	marks  []uint64     // of each name: what tells most apart at a glance
	ends   []int        // of each name in text
	text   []byte
	tables []table // by depth; made only for objects with many names
}

// table leads from the hash of a name to its place in names.
type table struct{ of map[uint64]int }

// add remembers name in the object whose names begin at first; depth is the object's.
func (n *names) add(first, depth int, name []byte) error {
	count := len(n.ends) - first
	if count >= maxNames || len(n.text)+len(name) > maxNameText {
		return ErrNames
	}
	m := mark(name)
	if count < fewNames {
		for i := first; i < len(n.marks); i++ {
			if n.marks[i] == m && bytes.Equal(n.at(i), name) {
				return ErrDuplicate
			}
		}
	} else if n.known(first, depth, name) {
		return ErrDuplicate
	}
	n.text = append(n.text, name...)
	n.marks = append(n.marks, m)
	n.ends = append(n.ends, len(n.text))
	return nil
}

// keep remembers a name that is known to be new.
func (n *names) keep(name []byte) {
	n.text = append(n.text, name...)
	n.marks = append(n.marks, mark(name))
	n.ends = append(n.ends, len(n.text))
}

// mark folds the length and the ends of a name together.
func mark(name []byte) uint64 {
	n := len(name)
	switch {
	case n >= 8:
		return binary.LittleEndian.Uint64(name) + bits.RotateLeft64(binary.LittleEndian.Uint64(name[n-8:]), 29) + uint64(n)
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(name))<<32 | uint64(binary.LittleEndian.Uint32(name[n-4:]))
	case n > 0:
		return uint64(name[0])<<16 | uint64(name[n/2])<<8 | uint64(name[n-1])
	}
	return 0
}

// known looks name up in the object's table, which it makes when the object has become large.
func (n *names) known(first, depth int, name []byte) bool {
	for len(n.tables) < depth {
		n.tables = append(n.tables, table{})
	}
	t := &n.tables[depth-1]
	if t.of == nil {
		t.of = make(map[uint64]int, 4*fewNames)
	}
	if len(t.of) == 0 {
		for i := first; i < len(n.ends); i++ {
			t.of[maphash.Bytes(n.seed, n.at(i))] = i
		}
	}
	h := maphash.Bytes(n.seed, name)
	i, ok := t.of[h]
	if !ok {
		t.of[h] = len(n.ends)
		return false
	}
	if bytes.Equal(n.at(i), name) {
		return true
	}
	for i := first; i < len(n.ends); i++ { // two names, one hash
		if bytes.Equal(n.at(i), name) {
			return true
		}
	}
	return false
}

// at gives the name at place i.
func (n *names) at(i int) []byte {
	if i == 0 {
		return n.text[:n.ends[0]]
	}
	return n.text[n.ends[i-1]:n.ends[i]]
}

// drop forgets the names of the object that ends.
func (n *names) drop(first, depth int) {
	if first < len(n.ends) {
		start := 0
		if first > 0 {
			start = n.ends[first-1]
		}
		n.text, n.marks, n.ends = n.text[:start], n.marks[:first], n.ends[:first]
	}
	if depth > len(n.tables) {
		return
	}
	// A large table is not kept: every small object that follows would pay for its clearing.
	if t := &n.tables[depth-1]; len(t.of) > keepNames {
		t.of = nil
	} else {
		clear(t.of)
	}
}

// reset forgets everything, and gives memory back that an unusual document needed.
func (n *names) reset() {
	if cap(n.text) > keepBytes || len(n.tables) > 0 {
		*n = names{seed: n.seed}
	}
	if n.seed == (maphash.Seed{}) {
		n.seed = maphash.MakeSeed()
	}
	n.text, n.marks, n.ends = n.text[:0], n.marks[:0], n.ends[:0]
}
