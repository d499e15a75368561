package replay

// ParseIdempotencyKey reads the field lines of a key.
func ParseIdempotencyKey(lines []string, plain bool, limit int) (string, bool) {
	return parseIdempotencyKey(lines, plain, limit)
}

// UnmarshalAnswer reads what a store holds; again is what is written for what was read.
func UnmarshalAnswer(b []byte, keep map[string]bool) (a *Answer, again []byte, err error) {
	if a, err = unmarshalAnswer(b, keep); err != nil {
		return nil, nil, err
	}
	return a, a.marshal(keep), nil
}

// MarshalAnswer writes what a store holds.
func MarshalAnswer(a *Answer, keep map[string]bool) []byte { return a.marshal(keep) }
