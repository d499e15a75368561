package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
)

const maxWaived = 16

// Decide judges what a door returned and records it: nil means that there is nothing to refuse, or
// that Config.Waive lets the request pass. An err that holds no *Refusal is ErrInternal, 500. A
// refusal that was waived is waived again when it is handed over again, and recorded once; one that
// is Final never is. The first refusal that stands is the record's reason.
//
// Without a Log outside nothing is recorded and nothing waived. When the sink was broken as the
// record was opened, or lost this record, Decide gives the ErrSink refusal whatever err is.
func Decide(r *http.Request, err error) *Refusal {
	c := from(r.Context())
	if c == nil {
		if err == nil {
			return nil
		}
		return refusalOf(err)
	}
	c.mu.Lock()
	shut := c.shut
	c.mu.Unlock()
	if shut != nil || err == nil {
		return shut
	}
	f := refusalOf(err)
	if !f.Final && c.passes(r, f) {
		return nil
	}
	c.deny(f)
	return f
}

// Refused decides about err and answers the refusal, if there is one: true means that the answer
// has been given and the caller returns. False for nil and for what was waived.
//
// The answer is a problem of RFC 9457 with Cache-Control: no-store; see Answer. If the header is
// already out the refusal is recorded through Config.Done, and Refused panics with
// http.ErrAbortHandler, so that a cut answer is never taken for a whole one.
func Refused(w http.ResponseWriter, r *http.Request, err error) bool {
	f := Decide(r, err)
	if f == nil {
		return false
	}
	if c := from(r.Context()); c != nil && c.sent.Load() {
		panic(http.ErrAbortHandler)
	}
	write(w, r, f)
	return true
}

// passes asks the waiver about f, unless it let this very refusal pass before.
func (c *record) passes(r *http.Request, f *Refusal) bool {
	c.mu.Lock()
	pardoned := c.pardoned // it only grows
	c.mu.Unlock()
	if slices.ContainsFunc(pardoned, f.same) { // which may ask an error, foreign code
		return true
	}
	if c.log.waive == nil || !c.log.waives(r, f) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == "" {
		c.client = f.Client
	}
	if len(c.pardoned) < maxWaived {
		c.pardoned = append(c.pardoned, f)
	}
	reason := clean(string(f.Reason))
	switch {
	case slices.Contains(c.waived, reason):
	case len(c.waived) < maxWaived:
		c.waived = append(c.waived, reason)
	default:
		c.dropped++
	}
	return true
}

// same reports whether two refusals are the same error handed over twice: a foreign error becomes
// a new refusal each time.
func (f *Refusal) same(other *Refusal) bool {
	return f == other || f.Reason == ErrInternal && other.Reason == ErrInternal && f.Cause != nil && errors.Is(f.Cause, other.Cause)
}

func (l *Log) waives(r *http.Request, f *Refusal) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return l.waive(r, f)
}

// deny records a refusal that stands.
func (c *record) deny(f *Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recorded && c.late == "" && f != c.refusal {
		c.late = f.Reason
	}
	if c.refusal == nil {
		c.refusal = f
	}
	if c.client == "" {
		c.client = f.Client
	}
}

// verdict is the decision and its reason; c.mu is held.
func (c *record) verdict() (decision string, reason Reason) {
	switch {
	case c.refusal != nil:
		return "deny", c.refusal.Reason
	case len(c.waived) > 0:
		return "would_deny", Reason(c.waived[0])
	}
	return "allow", ""
}

func sinkRefusal() *Refusal {
	return &Refusal{Reason: ErrSink, Status: http.StatusServiceUnavailable, Detail: "the request cannot be recorded", Final: true}
}

// panicRefusal keeps of a panic's value nothing but its type.
func panicRefusal(p any) *Refusal {
	return &Refusal{Reason: ErrPanic, Cause: panicked(fmt.Sprintf("%T", p)),
		Status: http.StatusInternalServerError, Detail: "internal error", Final: true}
}

type panicked string

func (p panicked) Error() string        { return "audit: panic with a value of type " + string(p) }
func (p panicked) LogValue() slog.Value { return slog.StringValue(string(p)) }
