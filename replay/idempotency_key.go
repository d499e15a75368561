package replay

import "strings"

// parseIdempotencyKey reads the field lines of an idempotency key. The key is of 1 to limit characters.
//
// A quoted key is a String of RFC 8941 §3.3.3 without parameters. A plain one is visible
// ASCII without double quote and comma, so that no list and no String is taken for it.
func parseIdempotencyKey(lines []string, plain bool, limit int) (string, bool) {
	if len(lines) != 1 || len(lines[0]) > 2*limit+2+maxPadding {
		return "", false
	}
	v := strings.Trim(lines[0], " ")
	if plain {
		ok := len(v) >= 1 && len(v) <= limit &&
			!strings.ContainsFunc(v, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == ',' })
		return v, ok
	}
	if len(v) < 3 || v[0] != '"' || v[len(v)-1] != '"' {
		return "", false
	}
	key, ok := unescape(v[1 : len(v)-1])
	return key, ok && len(key) <= limit
}

// maxPadding is how many spaces may stand round a key.
const maxPadding = 16

// unescape reads the inside of a String.
func unescape(s string) (string, bool) {
	if !strings.ContainsAny(s, "\\\"") {
		return s, isPrintable(s)
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return "", false
		case '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", false
			}
			b = append(b, s[i])
		default:
			b = append(b, c)
		}
	}
	return string(b), isPrintable(string(b))
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}
