package encrypt

import (
	"errors"
	"net/http"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt/internal/scan"
)

// Reasons of this package. Report-only can waive those of requests: the handler then gets the
// body as it was sent. It cannot let a field leave in clear.
const (
	ErrOpen      = audit.Reason("encrypt: not opened")              // 400, one for all that does not open
	ErrJSON      = audit.Reason("encrypt: malformed request")       // 400
	ErrBody      = audit.Reason("encrypt: body not read")           // 400
	ErrTooLarge  = audit.Reason("encrypt: too large")               // 413, the body or one field
	ErrMediaType = audit.Reason("encrypt: unsupported media type")  // 415, with Accept
	ErrEncoding  = audit.Reason("encrypt: content encoding")        // 415, with Accept-Encoding
	ErrRecipient = audit.Reason("encrypt: no key to seal to")       // 403, final; Recipient gave none
	ErrBinding   = audit.Reason("encrypt: nothing to bind to")      // 500, final; Client or Record gave nothing
	ErrStored    = audit.Reason("encrypt: stored value not opened") // 500, final
	ErrErased    = audit.Reason("encrypt: key erased")              // 403, final; of a customer
	ErrKeys      = audit.Reason("encrypt: keys unavailable")        // 503, final, with Retry-After
	ErrUnsealed  = audit.Reason("encrypt: field in clear")          // 500, final
	ErrResponse  = audit.Reason("encrypt: malformed response")      // 500, final
	ErrExhausted = audit.Reason("encrypt: key used up")             // 503, final, with Retry-After
)

// why names, for the record, which of the causes of one reason it was: constant texts only.
type why = scan.Error

// notOpened says that something did not open, unless that was no fault of its own.
func notOpened(cause error) error {
	if known := reasonOf(cause); known != "" && known != ErrOpen {
		return cause
	}
	return &audit.Refusal{Reason: ErrOpen, Cause: cause, Status: http.StatusBadRequest,
		Code: "invalid_request", Detail: "a field could not be opened"}
}

// uniform makes an error for a client of one that says that a key was erased.
func uniform(err error) error {
	if reasonOf(err) != ErrErased {
		return err
	}
	return &audit.Refusal{Reason: ErrOpen, Cause: causeErased, Status: http.StatusBadRequest,
		Code: "invalid_request", Detail: "a field could not be opened"}
}

// ofRequest turns a fault of the scanner into the refusal of a request.
func ofRequest(err error) error {
	var known *audit.Refusal
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, scan.ErrValue) {
		return tooLarge(err)
	}
	return &audit.Refusal{Reason: ErrJSON, Cause: err, Status: http.StatusBadRequest,
		Code: "invalid_request", Detail: "the body is not acceptable JSON"}
}

func tooLarge(cause error) error {
	return &audit.Refusal{Reason: ErrTooLarge, Cause: cause, Status: http.StatusRequestEntityTooLarge,
		Detail: "the body is too large"}
}

// ofResponse turns a fault of the scanner into the refusal of a response.
func ofResponse(err error) error {
	var known *audit.Refusal
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, scan.ErrValue) || errors.Is(err, scan.ErrGuarded) {
		return unsealed(err)
	}
	return &audit.Refusal{Reason: ErrResponse, Cause: err, Status: http.StatusInternalServerError,
		Detail: "internal error", Final: true}
}

func unsupported() error {
	return &audit.Refusal{Reason: ErrMediaType, Status: http.StatusUnsupportedMediaType, Detail: "the body is not JSON",
		Header: http.Header{"Accept": {jsonType}}} // RFC 9110 §15.5.16
}

func notJOSE(mediaType string) error {
	return &audit.Refusal{Reason: ErrMediaType, Status: http.StatusUnsupportedMediaType, Detail: "the body is not encrypted",
		Header: http.Header{"Accept": {mediaType}}}
}

func coded() error {
	return &audit.Refusal{Reason: ErrEncoding, Status: http.StatusUnsupportedMediaType,
		Detail: "the body has a content coding", Header: http.Header{"Accept-Encoding": {"identity"}}} // RFC 7694 §3
}

// ofStored turns whatever went wrong with something stored into a refusal.
func ofStored(cause error) error {
	var known *audit.Refusal
	if errors.As(cause, &known) && known.Reason != ErrOpen {
		return cause
	}
	return &audit.Refusal{Reason: ErrStored, Cause: cause, Status: http.StatusInternalServerError,
		Detail: "internal error", Final: true}
}

func unavailable(cause error) error {
	return &audit.Refusal{Reason: ErrKeys, Cause: cause, Status: http.StatusServiceUnavailable, Detail: "temporarily unavailable",
		Header: http.Header{"Retry-After": {"5"}}, Final: true}
}

// outage keeps a refusal that a function of the configuration chose.
func outage(err error) error {
	var known *audit.Refusal
	if errors.As(err, &known) {
		return err
	}
	return unavailable(err)
}

func erased() error {
	return &audit.Refusal{Reason: ErrErased, Status: http.StatusForbidden, Detail: "the data was erased", Final: true}
}

func unsealed(cause error) error {
	return &audit.Refusal{Reason: ErrUnsealed, Cause: cause, Status: http.StatusInternalServerError,
		Detail: "internal error", Final: true}
}

func noRecipient() error {
	return &audit.Refusal{Reason: ErrRecipient, Status: http.StatusForbidden,
		Detail: "the client has no encryption key", Final: true}
}

func exhausted() error {
	return &audit.Refusal{Reason: ErrExhausted, Status: http.StatusServiceUnavailable, Detail: "temporarily unavailable",
		Header: http.Header{"Retry-After": {"60"}}, Final: true}
}

// reasonOf gives the reason inside err for audit.Step; none is "".
func reasonOf(err error) audit.Reason {
	var f *audit.Refusal
	if err == nil || !errors.As(err, &f) {
		return ""
	}
	return f.Reason
}
