package replay

import (
	"errors"
	"net/http"

	"github.com/tegata-go/tegata/audit"
)

// Reasons of [Idempotency], beside [ErrUnavailable], [ErrFull] and [ErrQuota], which are 503 and final here.
// Report-only can waive none that would run one request twice.
const (
	ErrKeyMissing = audit.Reason("replay: no idempotency key")                 // 400
	ErrKey        = audit.Reason("replay: malformed idempotency key")          // 400
	ErrBody       = audit.Reason("replay: body not read")                      // 400
	ErrTooLarge   = audit.Reason("replay: body too large")                     // 413
	ErrMismatch   = audit.Reason("replay: idempotency key of another request") // 422
	ErrInFlight   = audit.Reason("replay: request under way")                  // 409, final, with Retry-After
	ErrUnresolved = audit.Reason("replay: outcome unknown")                    // 409, final
	ErrNotKept    = audit.Reason("replay: answer not kept")                    // 409, final
	ErrClient     = audit.Reason("replay: no client")                          // 500, final
)

// refusal gives the answer to what a store, or the reading of a request, said.
func (i *Idempotency) refusal(err error) *audit.Refusal {
	var f *audit.Refusal
	switch {
	case errors.Is(err, ErrKeyMissing):
		f = &audit.Refusal{Reason: ErrKeyMissing, Status: http.StatusBadRequest, Code: invalidRequest, Detail: "an idempotency key is required"}
	case errors.Is(err, ErrKey):
		f = &audit.Refusal{Reason: ErrKey, Status: http.StatusBadRequest, Code: invalidRequest, Detail: "exactly one well-formed idempotency key is required"}
	case errors.Is(err, ErrBody):
		return &audit.Refusal{Reason: ErrBody, Cause: err, Status: http.StatusBadRequest, Code: invalidRequest, Detail: "the body could not be read"}
	case errors.Is(err, ErrTooLarge):
		return &audit.Refusal{Reason: ErrTooLarge, Cause: err, Status: http.StatusRequestEntityTooLarge, Detail: "the body is too large"}
	case errors.Is(err, ErrMismatch):
		f = &audit.Refusal{Reason: ErrMismatch, Status: http.StatusUnprocessableEntity, Detail: "the idempotency key was used for another request"}
	case errors.Is(err, ErrInFlight):
		f = &audit.Refusal{Reason: ErrInFlight, Status: http.StatusConflict, Final: true,
			Detail: "a request with this idempotency key is being processed"}
	case errors.Is(err, ErrUnresolved):
		f = &audit.Refusal{Reason: ErrUnresolved, Status: http.StatusConflict, Final: true,
			Detail: "the outcome of an earlier request with this idempotency key is not known: it is not run again"}
	case errors.Is(err, errAnswerGone):
		f = &audit.Refusal{Reason: ErrNotKept, Status: http.StatusConflict, Final: true,
			Detail: "the request with this idempotency key was processed; its answer is no longer available"}
	default: // the store may know of this very request
		f = outageOf(outageIn(err), err)
		f.Final = true
		return f
	}
	f.Header = http.Header{}
	if i.link != "" {
		f.Header.Set("Link", i.link)
	}
	if f.Reason == ErrInFlight {
		f.Header.Set("Retry-After", "1")
	}
	return f
}

const invalidRequest = "invalid_request"

// outageIn tells which outage err is.
func outageIn(err error) audit.Reason {
	switch {
	case errors.Is(err, ErrQuota):
		return ErrQuota
	case errors.Is(err, ErrFull):
		return ErrFull
	}
	return ErrUnavailable
}

func outageOf(reason audit.Reason, cause error) *audit.Refusal {
	return &audit.Refusal{Reason: reason, Cause: cause, Status: http.StatusServiceUnavailable,
		Detail: "temporarily unavailable", Header: http.Header{"Retry-After": {"1"}}}
}

// clientless passes on a refusal that Config.Client made; its other errors are ours.
func clientless(err error) *audit.Refusal {
	var f *audit.Refusal
	if errors.As(err, &f) && f != nil {
		return f
	}
	return &audit.Refusal{Reason: ErrClient, Cause: err, Status: http.StatusInternalServerError, Detail: "internal error", Final: true}
}
