package scan

// number goes on with a number (RFC 8259 §6). What it cannot be part of ends it unread.
func (s *Scanner) number(p []byte, i int) (int, error) {
	from := i
	for ; i < len(p); i++ {
		next := follows(s.state, p[i])
		if next == wantNothing {
			break
		}
		s.state = next
	}
	s.piece(p[from:i])
	if i == len(p) {
		return i, nil
	}
	switch s.state {
	case inZero, inInteger, inFraction, inPower:
		return s.end(p, i)
	}
	return i, ErrSyntax
}

// follows is the state behind c, or wantNothing if c is no part of the number.
func follows(in state, c byte) state {
	if c >= '0' && c <= '9' {
		switch in {
		case inMinus:
			if c == '0' {
				return inZero
			}
			return inInteger
		case inInteger, inFraction, inPower:
			return in
		case inPoint:
			return inFraction
		case inExponent, inSign:
			return inPower
		}
		return wantNothing // a digit behind a leading zero
	}
	switch c {
	case '.':
		if in == inZero || in == inInteger {
			return inPoint
		}
	case 'e', 'E':
		if in == inZero || in == inInteger || in == inFraction {
			return inExponent
		}
	case '+', '-':
		if in == inExponent {
			return inSign
		}
	}
	return wantNothing
}
