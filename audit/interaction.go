package audit

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
)

// interaction gives the request's interaction id: the one that was sent when it is exactly one
// line holding a UUID (FAPI 1.0 Baseline 6.2.1-11), else a fresh one. replaced is true when
// something else was sent.
func interaction(h http.Header) (id string, replaced bool) {
	sent := h[interactionHeader]
	if len(sent) == 1 && isUUID(sent[0]) {
		return sent[0], false
	}
	return newUUID(), len(sent) > 0
}

// isUUID reports whether s is 8-4-4-4-12 hexadecimal digits of any case (RFC 9562 section 4).
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
			continue
		}
		if c := s[i] | 0x20; (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// newUUID makes a random UUID (RFC 9562 section 5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var d [36]byte
	hex.Encode(d[0:8], b[0:4])
	hex.Encode(d[9:13], b[4:6])
	hex.Encode(d[14:18], b[6:8])
	hex.Encode(d[19:23], b[8:10])
	hex.Encode(d[24:36], b[10:16])
	d[8], d[13], d[18], d[23] = '-', '-', '-', '-'
	return string(d[:])
}

// traceID gives the trace-id of a valid traceparent (W3C Trace Context section 3.2), or nothing.
func traceID(h http.Header) string {
	sent := h["Traceparent"]
	if len(sent) != 1 {
		return ""
	}
	s := sent[0]
	if len(s) < 55 || len(s) > maxText || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return ""
	}
	version, trace, parent, flags := s[:2], s[3:35], s[36:52], s[53:55]
	if !isLowerHex(version) || !isLowerHex(trace) || !isLowerHex(parent) || !isLowerHex(flags) {
		return ""
	}
	if version == "ff" || strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" {
		return ""
	}
	if len(s) > 55 && (version == "00" || s[55] != '-') {
		return "" // only later versions may say more
	}
	return trace
}

func isLowerHex(s string) bool {
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}
