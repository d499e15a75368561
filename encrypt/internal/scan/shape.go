package scan

import "encoding/binary"

// Bounds of what is remembered of objects. No object is judged by more than it costs to read its names.
const (
	maxShapes    = 8  // containers inside each other
	maxShape     = 16 // names of one object
	maxShapeName = 40 // bytes of a name with its quotes and colon
)

// shape is what is known of the objects at one depth: the next one there mostly has the names of the last, in the
// same order. What was found out about them holds in every text: that they are UTF-8, that no two are the same,
// and where the rules lead from the node. Texts of other rules have other nodes, or none. Of values nothing is kept.
type shape struct {
	node  *node
	names []shapeName
}

// shapeName is a name as it stood, with its quotes and colon.
type shapeName struct {
	text [maxShapeName]byte
	size int
	to   *node
}

// foresee prepares for the names of the object that was opened. Whoever watches names wants to see each of them.
func (s *Scanner) foresee(f *frame) {
	depth := len(s.stack)
	if depth > maxShapes || s.watcher != nil || len(s.guarded) > 0 {
		return
	}
	for len(s.shapes) < depth {
		s.shapes = append(s.shapes, shape{})
	}
	h := &s.shapes[depth-1]
	if f.foreseen = h.node == f.node && len(h.names) > 0; !f.foreseen {
		h.node, h.names, f.learns = f.node, h.names[:0], true
	}
}

// foreseen reads a name and its colon if they are those of the shape; 0: they are not.
func (s *Scanner) foreseen(f *frame, p []byte, i int) int {
	if !f.foreseen {
		return 0
	}
	h := &s.shapes[len(s.stack)-1]
	if f.seen < len(h.names) {
		if n := &h.names[f.seen]; n.begins(p[i:]) {
			f.seen++
			s.next = n.to
			return i + n.size
		}
	}
	s.recall(f)
	h.names, f.learns = h.names[:f.seen], true // from here on it is another shape
	return 0
}

// begins says whether p begins with the name.
func (n *shapeName) begins(p []byte) bool {
	if len(p) < 8 || n.size > 16 {
		return len(p) >= n.size && string(p[:n.size]) == string(n.text[:n.size])
	}
	differ := binary.LittleEndian.Uint64(p) ^ binary.LittleEndian.Uint64(n.text[:])
	if n.size <= 8 {
		return differ<<(64-8*n.size) == 0
	}
	return differ == 0 && len(p) >= n.size &&
		binary.LittleEndian.Uint64(p[n.size-8:]) == binary.LittleEndian.Uint64(n.text[n.size-8:])
}

// recall puts the names that were foreseen where every further name of the object is compared with them.
func (s *Scanner) recall(f *frame) {
	names := s.shapes[len(s.stack)-1].names[:f.seen]
	for i := range names {
		s.names.keep(names[i].text[1 : names[i].size-len(`":`)])
	}
	f.foreseen = false
}

// learn adds a name, with its quotes and colon, that was found good and leads to next.
func (s *Scanner) learn(text []byte) {
	f := &s.stack[len(s.stack)-1]
	if !f.learns {
		return
	}
	h := &s.shapes[len(s.stack)-1]
	if len(text) > maxShapeName || len(h.names) == maxShape {
		f.learns = false
		return
	}
	n := shapeName{size: len(text), to: s.next}
	copy(n.text[:], text)
	h.names = append(h.names, n)
}
