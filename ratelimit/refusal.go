package ratelimit

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Reasons of this package's refusals.
const (
	ErrExceeded    = audit.Reason("ratelimit: exceeded")          // 429 with Retry-After
	ErrNever       = audit.Reason("ratelimit: cost above burst")  // 403: waiting does not help
	ErrUnavailable = audit.Reason("ratelimit: store unavailable") // 503 with Retry-After
	ErrKey         = audit.Reason("ratelimit: no key")            // 500: the key function failed, or gave no key or one above MaxKey
	ErrLimits      = audit.Reason("ratelimit: no limits")         // 500: LimitsOf failed, or gave limits out of bounds
	ErrCost        = audit.Reason("ratelimit: no cost")           // 500: CostOf failed, or gave a cost below 1

	ErrInFlight = audit.Reason("ratelimit: too many in flight") // 429: Concurrency, and nobody may wait any more
	ErrWaited   = audit.Reason("ratelimit: waited in vain")     // 429: Concurrency, after Wait or when the request ended
	ErrFull     = audit.Reason("ratelimit: too many waiting")   // 503: Slots are full
	ErrOverload = audit.Reason("ratelimit: overloaded")         // 503: Guard
)

// soon is the Retry-After, in seconds, of a refusal of which nobody knows how long it holds.
const soon = "1"

// refusedBy tells which limiter refused, and why if it was not the caller's doing.
type refusedBy struct {
	limiter string
	err     error
}

func (e *refusedBy) Error() string { return "ratelimit: refused by a limiter" }
func (e *refusedBy) Unwrap() error { return e.err }

// LogValue is the limiter's name, and the type of what went wrong.
func (e *refusedBy) LogValue() slog.Value {
	if e.err == nil {
		return slog.StringValue(e.limiter)
	}
	return slog.StringValue(fmt.Sprintf("%s: %T", e.limiter, e.err))
}

// RefusedBy gives the name of the Limiter, Concurrency or Guard that made the refusal in err,
// and "" when none did. With it audit.Config.Waive makes a single one report-only:
//
//	Waive: func(_ *http.Request, f *audit.Refusal) bool { return ratelimit.RefusedBy(f) == "daily" }
func RefusedBy(err error) string {
	var by *refusedBy
	if errors.As(err, &by) && by != nil {
		return by.limiter
	}
	return ""
}

// exceeded is the refusal of a request that may pass later (RFC 6585 §4).
func exceeded(limiter string, res Result) *audit.Refusal {
	h := http.Header{"Retry-After": {strconv.FormatInt(max(1, seconds(res.Retry)), 10)}}
	res.SetHeader(h)
	return &audit.Refusal{
		Reason: ErrExceeded, Cause: &refusedBy{limiter: limiter}, Status: http.StatusTooManyRequests,
		Detail: "too many requests: wait before the next one", Header: h,
	}
}

// never is the refusal of a request that no wait makes pass. A 429 would have it repeated;
// 403 tells not to (RFC 9110 §15.5.4).
func never(limiter string) *audit.Refusal {
	return &audit.Refusal{
		Reason: ErrNever, Cause: &refusedBy{limiter: limiter}, Status: http.StatusForbidden,
		Detail: "the request costs more than the limit can ever allow",
	}
}

func unavailable(limiter string, cause error) *audit.Refusal {
	return &audit.Refusal{
		Reason: ErrUnavailable, Cause: &refusedBy{limiter, cause}, Status: http.StatusServiceUnavailable,
		Detail: "the service cannot count requests now", Header: http.Header{"Retry-After": {soon}},
	}
}

// full is the refusal of a process that holds all the requests it is to hold.
func full(limiter string) *audit.Refusal {
	return &audit.Refusal{
		Reason: ErrFull, Cause: &refusedBy{limiter: limiter}, Status: http.StatusServiceUnavailable,
		Detail: "the service has too many requests to answer", Header: http.Header{"Retry-After": {soon}},
	}
}

// own passes on a refusal that a function of the Config made; its other errors are ours.
func own(limiter string, reason audit.Reason, err error) error {
	var f *audit.Refusal
	if errors.As(err, &f) && f != nil {
		return err
	}
	return &audit.Refusal{
		Reason: reason, Cause: &refusedBy{limiter, err}, Status: http.StatusInternalServerError, Detail: "internal error",
	}
}

// seconds rounds up, so that nobody is asked to come back too early.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}
