package strictjson

import "slices"

// few is how many members of an object are compared one by one; above it a map takes over, so that
// no text costs quadratic time.
const few = 16

// names is the set of member names of one object.
type names struct {
	n     int
	marks uint64 // a bit that each name in few has, and few others
	few   [few]string
	many  map[string]struct{}
}

// add is false when name was there already.
func (s *names) add(name string) bool {
	if s.many == nil {
		mark := markOf(name)
		if s.marks&mark != 0 && slices.Contains(s.few[:s.n], name) {
			return false
		}
		s.marks |= mark
		if s.n < few {
			s.few[s.n] = name
			s.n++
			return true
		}
		s.many = make(map[string]struct{}, 4*few)
		for _, old := range s.few {
			s.many[old] = struct{}{}
		}
	}
	if _, ok := s.many[name]; ok {
		return false
	}
	s.many[name] = struct{}{}
	return true
}

// markOf is the same for equal names: most names are told apart by it alone.
func markOf(name string) uint64 {
	n := len(name)
	if n == 0 {
		return 1
	}
	return 1 << ((uint(name[0])*7 + uint(name[n/2])*3 + uint(name[n-1]) + uint(n)*11) & 63)
}
