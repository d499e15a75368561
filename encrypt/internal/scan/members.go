package scan

// members reads on from the quote before a member name, as long as the text is written without white space and
// escapes: names, and strings, numbers and objects that no rule names. What is different it leaves to step.
func (s *Scanner) members(p []byte, i int) (int, error) {
	for {
		f := &s.stack[len(s.stack)-1]
		if end := s.foreseen(f, p, i); end > 0 {
			i = end
		} else {
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
			i++
			s.learn(p[from-1 : i])
		}
		s.state = wantValue
		if i == len(p) || p[i] <= ' ' {
			return i, nil
		}
		if from := i + 1; p[i] == '"' && (s.next == nil || s.next.rule == inside) {
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
			if i++; i+1 < len(p) && p[i] == ',' && p[i+1] == '"' {
				i++
				continue
			}
		} else if at, err := s.begin(p, i); err != nil || s.taken {
			return at, err
		} else {
			i = at
		}
		var more bool
		var err error
		if i, more, err = s.follow(p, i); !more {
			return i, err
		}
	}
}

// follow reads what stands between a value, or the begin of an object, and the next member name; more says that
// it got there.
func (s *Scanner) follow(p []byte, i int) (at int, more bool, err error) {
	for i+1 < len(p) {
		switch c := p[i]; {
		case s.state == wantMember:
			return i, c == '"', nil
		case s.state != wantComma:
			return i, false, nil
		case c == ',' && p[i+1] == '"' && s.stack[len(s.stack)-1].object:
			return i + 1, true, nil
		case c == ',' && p[i+1] == '{' && !s.stack[len(s.stack)-1].object:
			s.comma()
			i, err = s.begin(p, i+1)
		case c == '}':
			i, err = s.pop(p, i, true)
		default:
			return i, false, nil
		}
		if err != nil || s.taken {
			return i, false, err
		}
	}
	return i, false, nil
}
