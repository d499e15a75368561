package audit

import (
	"context"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxFacts    = 32
	maxKey      = 64
	maxText     = 256
	inlineFacts = 12 // what needs no allocation of its own
)

// Add puts facts into the request's record. It is safe for concurrent use, and harmless without a
// Log outside or after the record was written.
//
// A fact's key is 1 to 64 of a-z A-Z 0-9 . _ -; its value is a bool, number, string, duration, time
// or a slog.LogValuer that gives one, resolved at once. Strings are cut at 256 bytes and lose
// control characters. A fact is written once: the first one stays. What does not fit, is over the
// bound of 32 facts, takes a name of the record's own or would rewrite a fact is dropped and counted
// as `dropped`. Layers of this library add client, subject, token, jkt, x5t.
//
// WARNING: never a token, key, account number or name: a digest.
func Add(ctx context.Context, attrs ...slog.Attr) {
	c := from(ctx)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range attrs {
		v := attrs[i].Value
		if v.Kind() == slog.KindLogValuer {
			v = c.resolve(v)
		}
		c.add(attrs[i].Key, v)
	}
}

// resolve asks a slog.LogValuer, which is foreign code and may call Add, outside the lock.
func (c *record) resolve(v slog.Value) slog.Value {
	c.mu.Unlock()
	defer c.mu.Lock()
	return v.Resolve()
}

// add puts in one fact or drops it; c.mu is held.
func (c *record) add(name string, v slog.Value) {
	if c.recorded {
		return
	}
	v, ok := factValue(v)
	if !ok || !isName(name, maxKey) || reserved(name) {
		c.dropped++
		return
	}
	if v.Kind() == slog.KindString && strings.Contains(v.String(), c.id) {
		c.dropped++ // the interaction id stands in a line once, under its own name
		return
	}
	for i := range c.facts {
		if f := &c.facts[i]; len(f.Key) == len(name) && strings.EqualFold(f.Key, name) {
			if !f.Value.Equal(v) {
				c.dropped++
			}
			return
		}
	}
	if len(c.facts) == maxFacts {
		c.dropped++
		return
	}
	c.facts = append(c.facts, slog.Attr{Key: name, Value: v})
}

// factValue gives what of v may stand in a record. A slog.LogValuer is resolved by then; where that
// panicked, slog left a value of KindAny.
func factValue(v slog.Value) (slog.Value, bool) {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(clean(v.String())), true
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindTime, slog.KindUint64:
		return v, true
	}
	return slog.Value{}, false
}

// reserved names are the record's own, and those that sinks write themselves. Case does not
// matter, since it does not to many readers of JSON.
func reserved(name string) bool {
	switch strings.ToLower(name) {
	case slog.TimeKey, slog.LevelKey, slog.MessageKey, slog.SourceKey,
		keySchema, keyInteraction, keyReplaced, keyMethod, keyRoute, keyStatus, keyDecision, keyReason, keyCode,
		keyWaived, keyCause, keyPeer, keyLatency, keyTrace, keyDropped, keyAhead, keyAborted, keyHijacked:
		return true
	}
	return false
}

// isName reports whether s is 1 to limit bytes of letters, digits, '.', '_' and '-'.
func isName(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// clean gives s without anything that could forge or break a line of a log, cut at maxText bytes:
// control and format characters, line separators and what is no UTF-8 become '?'.
func clean(s string) string {
	if len(s) <= maxText {
		i := 0
		if plain(s) {
			return s
		}
		for i < len(s) && s[i] >= ' ' && s[i] < 0x7f {
			i++
		}
		if i == len(s) {
			return s
		}
	}
	b := make([]byte, 0, min(len(s), maxText))
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsGraphic(r) {
			r = '?'
		}
		if len(b)+utf8.RuneLen(r) > maxText {
			break
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}
