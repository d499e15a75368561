package audit

import (
	"encoding/json"
	"log/slog"
	"math"
	"strconv"
	"time"
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
		b = append(appendName(b, name), '{')
	}
	return b
}

// appendAttr appends a member, or nothing for an attribute that slog.Handler says to ignore.
func appendAttr(b []byte, a *slog.Attr) []byte {
	value := a.Value.Resolve()
	kind := value.Kind()
	switch {
	case kind == slog.KindGroup:
		return appendGroup(b, a.Key, value.Group())
	case a.Key == "" && kind == slog.KindAny && value.Any() == nil:
		return b
	}
	return appendValue(appendName(b, a.Key), value, kind)
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

// appendName appends a member's name with the separators on either side of it.
func appendName(b []byte, name string) []byte {
	return append(appendString(appendSeparator(b), name), ':')
}
