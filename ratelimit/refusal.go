package ratelimit

import (
	"errors"
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
)

// outageRetry is the Retry-After of a 503 in seconds: nobody knows how long, so soon.
const outageRetry = "1"

// exceeded is the refusal of a request that may pass later (RFC 6585 §4).
func exceeded(res Result) *audit.Refusal {
	h := http.Header{"Retry-After": {strconv.FormatInt(max(1, seconds(res.Retry)), 10)}}
	res.SetHeader(h)
	return &audit.Refusal{
		Reason: ErrExceeded, Status: http.StatusTooManyRequests,
		Detail: "too many requests: wait before the next one", Header: h,
	}
}

// never is the refusal of a request that no wait makes pass. A 429 would have it repeated;
// 403 tells not to (RFC 9110 §15.5.4).
func never() *audit.Refusal {
	return &audit.Refusal{
		Reason: ErrNever, Status: http.StatusForbidden,
		Detail: "the request costs more than the limit can ever allow",
	}
}

func unavailable(cause error) *audit.Refusal {
	return &audit.Refusal{
		Reason: ErrUnavailable, Cause: cause, Status: http.StatusServiceUnavailable,
		Detail: "the service cannot count requests now", Header: http.Header{"Retry-After": {outageRetry}},
	}
}

// own passes on a refusal that a function of the Config made; its other errors are ours.
func own(reason audit.Reason, err error) error {
	var f *audit.Refusal
	if errors.As(err, &f) && f != nil {
		return err
	}
	return &audit.Refusal{
		Reason: reason, Cause: err, Status: http.StatusInternalServerError, Detail: "internal error",
	}
}

// seconds rounds up, so that nobody is asked to come back too early.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
