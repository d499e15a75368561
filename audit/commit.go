package audit

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

const schema = 1

// Names of the record's own attributes.
const (
	keySchema      = "schema"
	keyInteraction = "interaction_id"
	keyReplaced    = "interaction_id_invalid"
	keyMethod      = "method"
	keyRoute       = "route"
	keyStatus      = "status"
	keyDecision    = "decision"
	keyReason      = "reason"
	keyCode        = "code"
	keyWaived      = "waived"
	keyCause       = "cause"
	keyClient      = "client"
	keyPeer        = "peer"
	keyLatency     = "latency_us"
	keyTrace       = "trace_id"
	keyDropped     = "dropped"
	keyAhead       = "ahead"
	keyAborted     = "aborted"
	keyHijacked    = "hijacked"

	ownAttrs = 19
)

// commit hands the record to the sink, once; later calls give the first one's result. c.gate is
// held. mark, when given, is an attribute that is true.
func (c *record) commit(status int, mark string) error {
	if c.attempted {
		return c.failure
	}
	c.attempted, c.failure = true, errUnfinished
	var room [ownAttrs + inlineFacts]slog.Attr // one array, one AddAttrs, one allocation
	now := time.Now()
	c.mu.Lock()
	said := c.told()
	c.recorded = true
	decision, _ := c.verdict()
	attrs := c.attrs(room[:0], now, status, mark, said)
	c.mu.Unlock()
	level := slog.LevelInfo
	if decision != "allow" {
		level = slog.LevelWarn
	}
	rec := slog.NewRecord(now, level, "request", 0)
	rec.AddAttrs(attrs...)
	c.failure = c.log.take(lasting{c}, rec)
	c.mu.Lock()
	c.taken = c.failure == nil
	if !c.taken && c.shut == nil {
		c.shut = sinkRefusal()
	}
	if c.refusal == nil {
		c.refusal = c.shut
	}
	c.mu.Unlock()
	return c.failure
}

// told gives what is said of the refusal's cause; c.mu is held, but not while a cause, which is foreign code and may
// call Add, is asked. A refusal that comes meanwhile is asked in turn.
func (c *record) told() (said string) {
	var asked *Refusal
	for c.refusal != asked {
		if asked = c.refusal; asked.Cause != nil {
			c.mu.Unlock()
			said = cause(asked.Cause, c.id)
			c.mu.Lock()
		}
	}
	return said
}

// attrs lays out the record; c.mu is held. Said is the text of the cause, or empty.
func (c *record) attrs(b []slog.Attr, now time.Time, status int, mark, said string) []slog.Attr {
	decision, reason := c.verdict()
	b = append(b,
		slog.Int(keySchema, schema),
		slog.String(keyInteraction, c.id),
		slog.String(keyMethod, method(c.req.Method)),
		slog.String(keyRoute, route(c.req)))
	if status != 0 {
		b = append(b, slog.Int(keyStatus, status))
	}
	b = append(b, slog.String(keyDecision, decision))
	if reason != "" {
		b = append(b, slog.String(keyReason, clean(string(reason))))
	}
	if f := c.refusal; f != nil && isName(f.Code, maxCode) {
		b = append(b, slog.String(keyCode, f.Code))
	}
	if said != "" {
		b = append(b, slog.String(keyCause, said))
	}
	if len(c.waived) > 0 {
		b = append(b, slog.Any(keyWaived, c.waived))
	}
	b = c.appendFacts(b)
	b = append(b, slog.String(keyPeer, address(c.peer)), slog.Int64(keyLatency, now.Sub(c.began).Microseconds()))
	if c.trace != "" {
		b = append(b, slog.String(keyTrace, c.trace))
	}
	if c.replaced {
		b = append(b, slog.Bool(keyReplaced, true))
	}
	if mark != "" {
		b = append(b, slog.Bool(mark, true))
	}
	if c.dropped > 0 {
		b = append(b, slog.Int(keyDropped, c.dropped))
	}
	return b
}

// appendFacts gives the facts, among them the client that a refusal named.
func (c *record) appendFacts(b []slog.Attr) []slog.Attr {
	named := c.client == ""
	for _, a := range c.facts {
		named = named || a.Key == keyClient
	}
	if client := clean(c.client); !named && !strings.Contains(client, c.id) {
		b = append(b, slog.String(keyClient, client))
	}
	return append(b, c.facts...)
}

// method gives r's method if it looks like one. A method is any token the client likes.
func method(m string) string {
	if m == "" || len(m) > 16 {
		return "OTHER"
	}
	for i := range len(m) {
		if m[i] < 'A' || m[i] > 'Z' {
			return "OTHER"
		}
	}
	return m
}

// route gives the pattern that the router matched. For the redirect with which http.ServeMux
// answers a CONNECT it writes the raw path there, so a pattern counts only if it names the method.
func route(r *http.Request) string {
	if r.Method == http.MethodConnect && !strings.HasPrefix(r.Pattern, "CONNECT ") {
		return ""
	}
	return clean(r.Pattern)
}

// address gives the host of a net address, or a constant if there is none in it.
func address(s string) string {
	host := s
	if strings.HasPrefix(s, "[") {
		host, _, _ = strings.Cut(s[1:], "]")
	} else if strings.Count(s, ":") == 1 {
		host, _, _ = strings.Cut(s, ":")
	}
	host, _, _ = strings.Cut(host, "%") // a zone is a name of this machine's
	if _, err := netip.ParseAddr(host); err != nil {
		return "unknown"
	}
	return host
}

// cause gives the type of an error, or what it says of itself for a log: an error's text quotes
// input. It holds no interaction id.
func cause(err error, id string) string {
	said := ""
	switch e := any(err).(type) { // the error itself: what it wraps has its own words
	case Reason:
		said = string(e)
	case *Refusal:
		if e != nil {
			said = string(e.Reason)
		}
	case slog.LogValuer:
		if v, ok := factValue(slog.AnyValue(e).Resolve()); ok {
			said = v.String()
		}
	}
	if said == "" || strings.Contains(said, id) {
		said = fmt.Sprintf("%T", err)
	}
	return clean(said)
}
