package scan

// step reads at least one byte of p from i on, unless it ends a number, and says how far it got.
func (s *Scanner) step(p []byte, i int) (int, error) {
	switch {
	case s.state == inString:
		return s.text(p, i)
	case s.state >= inMinus:
		return s.number(p, i)
	case s.state > inString:
		return s.character(p, i)
	}
	c := p[i]
	if c <= ' ' {
		return space(p, i)
	}
	switch s.state {
	case wantValue:
		return s.begin(p, i)
	case wantElement:
		if c == ']' {
			return s.pop(p, i, false)
		}
		return s.begin(p, i)
	case wantName, wantMember:
		if c == '"' {
			return s.beginName(p, i)
		}
		if c == '}' && s.state == wantMember {
			return s.pop(p, i, true)
		}
	case wantColon:
		if c == ':' {
			s.state = wantValue
			return i + 1, nil
		}
	case wantComma:
		switch c {
		case ',':
			s.comma()
			if i++; s.state == wantName && i < len(p) && p[i] == '"' {
				return s.beginName(p, i)
			}
			return i, nil
		case ']', '}':
			return s.pop(p, i, c == '}')
		}
	}
	return i, ErrSyntax
}

// space skips white space (RFC 8259 §2).
func space(p []byte, i int) (int, error) {
	for ; i < len(p); i++ {
		switch p[i] {
		case ' ', '\n', '\r', '\t':
		default:
			if p[i] < ' ' {
				return i, ErrSyntax
			}
			return i, nil
		}
	}
	return i, nil
}

// beginName reads the quote before a member name.
func (s *Scanner) beginName(p []byte, i int) (int, error) {
	s.state, s.naming, s.name = inString, true, s.name[:0]
	return s.text(p, i+1)
}

// comma expects the next member or element.
func (s *Scanner) comma() {
	f := &s.stack[len(s.stack)-1]
	if f.object {
		s.state = wantName
		return
	}
	s.state, s.next = wantValue, nil
	if f.index++; f.node != nil {
		s.next = f.node.element(f.index)
	}
}

// begin reads the first byte of a value.
func (s *Scanner) begin(p []byte, i int) (int, error) {
	if s.next != nil && s.next.rule != inside {
		s.out = append(s.out, p[s.mark:i]...)
		s.mark, s.taking, s.rule, s.floor = i, true, s.next.rule, len(s.stack)
		s.next = nil
	}
	switch c := p[i]; c {
	case '"':
		s.state, s.naming = inString, false
		return s.text(p, i+1)
	case '{', '[':
		return i + 1, s.push(c == '{')
	case 't':
		s.state, s.literal = inLiteral, "true"[1:]
	case 'f':
		s.state, s.literal = inLiteral, "false"[1:]
	case 'n':
		s.state, s.literal = inLiteral, "null"[1:]
	case '-':
		s.state = inMinus
	case '0':
		s.state = inZero
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		s.state = inInteger
		s.piece(p[i : i+1])
		return s.number(p, i+1)
	default:
		return i, ErrSyntax
	}
	return i + 1, nil
}

// push opens a container.
func (s *Scanner) push(object bool) error {
	if len(s.stack) >= s.limits.Depth {
		return ErrDepth
	}
	if len(s.stack) == cap(s.stack) {
		s.stack = append(s.stack, frame{})[:len(s.stack)]
	}
	s.stack = s.stack[:len(s.stack)+1]
	f := &s.stack[len(s.stack)-1]
	f.node, f.object, f.index, f.names = s.next, object, 0, len(s.names.ends)
	f.foreseen, f.learns, f.seen = false, false, 0
	if object {
		s.state = wantMember
		s.foresee(f)
		return nil
	}
	if s.state = wantElement; s.next != nil {
		s.next = s.next.element(0)
	}
	return nil
}

// pop closes a container, which must be of the kind that the byte closes.
func (s *Scanner) pop(p []byte, i int, object bool) (int, error) {
	last := len(s.stack) - 1
	if s.stack[last].object != object {
		return i, ErrSyntax
	}
	if object {
		s.names.drop(s.stack[last].names, last+1)
	}
	s.stack = s.stack[:last]
	return s.end(p, i+1)
}

// member has read a name.
func (s *Scanner) member(name []byte) error {
	depth := len(s.stack)
	f := &s.stack[depth-1]
	if f.foreseen {
		s.recall(f)
	}
	if err := s.names.add(f.names, depth, name); err != nil {
		return err
	}
	s.state, s.next = wantColon, nil
	var err error
	if f.node != nil {
		s.next, err = f.node.member(name)
	}
	if err == nil && (s.watcher != nil || len(s.guarded) > 0) {
		err = s.guard(name)
	}
	return err
}

// end has read a value whose last byte stands before p[i].
func (s *Scanner) end(p []byte, i int) (int, error) {
	if s.state = wantComma; len(s.stack) == 0 {
		s.state = wantNothing
	}
	if !s.taking || len(s.stack) != s.floor {
		return i, s.over()
	}
	text := p[s.mark:i]
	if len(s.value) > 0 {
		if err := s.keep(text); err != nil {
			return i, err
		}
		text = s.value
	}
	if len(text) > s.limits.Value {
		return i, ErrValue
	}
	var err error
	s.out, err = s.taker.Value(s.out, s.rule, s.floor, text)
	clear(s.value)
	s.value, s.mark, s.taking, s.taken = s.value[:0], i, false, true
	return i, err
}
