package audit

import (
	"encoding/json"
	"log/slog"
	"math"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// appendSeparator appends the comma that a member needs which is not an object's first.
func appendSeparator(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' {
		return append(b, ',')
	}
	return b
}

// appendMember appends members formatted before.
func appendMember(b, members []byte) []byte {
	if len(members) == 0 {
		return b
	}
	return append(appendSeparator(b), members...)
}

// appendGroups opens groups.
func appendGroups(b []byte, names []string) []byte {
	for _, name := range names {
		b = appendString(appendSeparator(b), name)
		b = append(b, ':', '{')
	}
	return b
}

// appendAttr appends a member, or nothing for an attribute that slog.Handler says to ignore.
func appendAttr(b []byte, a *slog.Attr) []byte {
	kind := a.Value.Kind()
	value := a.Value
	if kind == slog.KindLogValuer {
		value = value.Resolve()
		kind = value.Kind()
	}
	switch {
	case kind == slog.KindGroup:
		return appendGroup(b, a.Key, value.Group())
	case a.Key == "" && kind == slog.KindAny && value.Any() == nil:
		return b
	}
	b = appendString(appendSeparator(b), a.Key)
	return appendValue(append(b, ':'), value, kind)
}

// appendGroup appends the members of a group, inline if it has no name.
func appendGroup(b []byte, name string, members []slog.Attr) []byte {
	bare := len(b)
	if name != "" {
		b = appendGroups(b, []string{name})
	}
	inner := len(b)
	for i := range members {
		b = appendAttr(b, &members[i])
	}
	if len(b) == inner {
		return b[:bare]
	}
	if name != "" {
		b = append(b, '}')
	}
	return b
}

func appendValue(b []byte, v slog.Value, kind slog.Kind) []byte {
	switch kind {
	case slog.KindString:
		return appendString(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindDuration:
		return strconv.AppendInt(b, int64(v.Duration()), 10) // as slog.JSONHandler does
	case slog.KindFloat64:
		f := v.Float64()
		if math.IsNaN(f) || math.IsInf(f, 0) { // JSON has no such number
			return appendString(b, strconv.FormatFloat(f, 'g', -1, 64))
		}
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	case slog.KindTime:
		b = append(b, '"')
		return append(v.Time().UTC().AppendFormat(b, time.RFC3339Nano), '"')
	}
	return appendAny(b, v.Any())
}

// appendAny appends what is no basic kind. An error is its text, as slog.JSONHandler has it.
func appendAny(b []byte, v any) []byte {
	switch v := v.(type) {
	case []string:
		b = append(b, '[')
		for i, s := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, s)
		}
		return append(b, ']')
	case json.Marshaler:
	case error:
		return appendString(b, v.Error())
	}
	text, err := json.Marshal(v)
	if err != nil {
		return appendString(b, "!ERROR:"+err.Error())
	}
	return append(b, text...)
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string that shows on one line as what it is: whatever is not
// graphic is escaped, and bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	i := plain(s)
	if i == len(s) {
		return append(append(b, s...), '"')
	}
	start := 0
	for i < len(s) {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if unicode.IsGraphic(r) && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		b = appendEscaped(b, r)
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// plain gives the length of a start of s in which each byte is printable ASCII and neither a quote
// nor a backslash; it may stop up to 7 bytes early, but not when all of s is plain.
func plain(s string) (n int) {
	for ; n+8 <= len(s); n += 8 {
		if !plain8(s[n : n+8]) {
			return n
		}
	}
	if n < len(s) && n > 0 && plain8(s[len(s)-8:]) {
		return len(s)
	}
	for ; n < len(s); n++ {
		if c := s[n]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return n
		}
	}
	return n
}

// plain8 looks at eight bytes at once. A borrow or carry between bytes can only come from a byte
// that is not plain itself.
func plain8(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	_ = s[7]
	x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	quote, slash := x^ones*'"', x^ones*'\\'
	return (x|(x+ones)|(x-ones*' ')|((quote-ones)&^quote)|((slash-ones)&^slash))&highs == 0
}

func appendEscaped(b []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r > 0xffff:
		r -= 0x10000
		b = appendEscaped(b, 0xd800+r>>10)
		return appendEscaped(b, 0xdc00+r&0x3ff)
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
