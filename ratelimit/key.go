package ratelimit

import "strconv"

// Key joins parts into one key that no other list of parts gives: each part stands behind
// its length, so ("a:b", "c") differs from ("a", "b:c"). No parts, or an empty one, give the
// empty key, which a Limiter refuses: an absent client id is not one caller shared by all.
func Key(parts ...string) string {
	size := 0
	for _, p := range parts {
		if p == "" {
			return ""
		}
		size += len(p) + 1 + digits(len(p))
	}
	b := make([]byte, 0, size)
	for _, p := range parts {
		b = strconv.AppendInt(b, int64(len(p)), 10)
		b = append(b, ':')
		b = append(b, p...)
	}
	return string(b)
}

func digits(n int) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}
