package ratelimit

import (
	"net/http"
	"slices"
	"strconv"
	"time"
	"unsafe"
)

// The fields of draft-ietf-httpapi-ratelimit-headers-11 in net/http's spelling.
const (
	rateLimit       = "Ratelimit"
	rateLimitPolicy = "Ratelimit-Policy"
)

// fields holds both values of one response in one allocation. It is made for one response
// and not written again once its bytes are a string.
type fields struct {
	values [2]string
	text   [64]byte
}

// SetHeader tells what r decided: RateLimit with the limit that decides, and RateLimit-Policy
// with all limits of the Limiter (draft-ietf-httpapi-ratelimit-headers-11 §3, §4).
//
//	RateLimit: "client";r=42;t=1
//	RateLimit-Policy: "client";q=100;w=60
//
// r is what is left, at most q, so that a burst above it is not an invitation; t is the
// seconds, rounded up, until more is left, and stands only when something is owed. q and w
// are Count and Period, of a daily quota 24 hours; w is left out when Period is no whole number
// of seconds, and for a month. A field
// that an outer limiter has set gets another line, as lists may (RFC 9651 §3.1).
//
// It does nothing for a Result that has no Limit, and for one of a Limiter without fields.
func (r Result) SetHeader(h http.Header) {
	if r.quiet || r.Never || r.Limit.Name == "" {
		return
	}
	f := new(fields)
	b := append(f.text[:0], '"')
	b = append(b, r.Limit.Name...)
	b = append(b, `";r=`...)
	b = strconv.AppendInt(b, max(0, min(r.Remaining, r.Limit.Count)), 10)
	if r.Next > 0 {
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, seconds(r.Next), 10)
	}
	f.values[0] = unsafe.String(&b[0], len(b)) // b is never written again
	f.values[1] = r.policy
	if r.policy == "" {
		f.values[1] = string(appendPolicy(nil, r.Limit))
	}
	put(h, rateLimit, f.values[0:1:1])
	put(h, rateLimitPolicy, f.values[1:2:2])
}

// put leaves no slice in h that another response holds, nor room in it for an append.
func put(h http.Header, name string, line []string) {
	if old := h[name]; len(old) > 0 {
		line = slices.Concat(old, line)
	}
	h[name] = slices.Clip(line)
}

// appendPolicy appends one quota policy item (§3.1 of the draft).
func appendPolicy(b []byte, l Limit) []byte {
	b = append(b, '"')
	b = append(b, l.Name...)
	b = append(b, `";q=`...)
	b = strconv.AppendInt(b, l.Count, 10)
	w := l.Period
	if l.Calendar.unit == daily {
		w = 24 * time.Hour
	}
	if w > 0 && w%time.Second == 0 { // months have no length
		b = append(b, ";w="...)
		b = strconv.AppendInt(b, int64(w/time.Second), 10)
	}
	return b
}
