package scan

// members reads members of an object from the quote before a name on: as many as are written without white
// space and escapes and hold strings that no rule names, and then the begin of one that is different.
func (s *Scanner) members(p []byte, i int) (int, error) {
	for {
		from := i + 1
		if i = plain(p, from); i == len(p) || p[i] != '"' {
			return s.beginName(p, from-1)
		}
		if err := s.member(p[from:i]); err != nil {
			return i, err
		}
		if i++; i == len(p) || p[i] != ':' {
			return i, nil
		}
		s.state = wantValue
		if i++; i == len(p) || p[i] <= ' ' {
			return i, nil
		}
		if p[i] != '"' || s.next != nil && s.next.rule != inside {
			return s.begin(p, i)
		}
		from = i + 1
		if i = plain(p, from); i == len(p) || p[i] != '"' {
			return s.begin(p, from-1)
		}
		s.state = wantComma
		if s.watcher != nil {
			s.piece(p[from:i])
			if err := s.over(); err != nil {
				return i, err
			}
		}
		if i++; i+1 >= len(p) || p[i] != ',' || p[i+1] != '"' {
			return i, nil
		}
		i++
	}
}
