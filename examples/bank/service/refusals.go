package service

import (
	"net/http"

	"github.com/tegata-go/tegata/audit"
)

// Reasons of the bank's own. They are answers of the application and not controls, so report-only never waives
// them: a payment that cannot be read cannot be made.
const (
	ErrAccount  = audit.Reason("bank: no such account")
	ErrMedia    = audit.Reason("bank: body is not JSON by its media type")
	ErrCoding   = audit.Reason("bank: body has a content coding")
	ErrBody     = audit.Reason("bank: body not read")
	ErrTooLarge = audit.Reason("bank: body too large")
	ErrJSON     = audit.Reason("bank: body is not one JSON text")
	ErrPayment  = audit.Reason("bank: not a payment order")
	ErrDebtor   = audit.Reason("bank: no such debtor account")
)

func noAccount() error {
	return &audit.Refusal{Reason: ErrAccount, Status: http.StatusNotFound, Detail: "there is no such resource", Final: true}
}

func notJSON() error {
	return &audit.Refusal{Reason: ErrMedia, Status: http.StatusUnsupportedMediaType, Detail: "the body must be application/json",
		Header: http.Header{"Accept": {"application/json"}}, Final: true} // RFC 9110 §15.5.16
}

func coded() error {
	return &audit.Refusal{Reason: ErrCoding, Status: http.StatusUnsupportedMediaType, Detail: "the body must have no content coding",
		Header: http.Header{"Accept-Encoding": {"identity"}}, Final: true} // RFC 9110 §12.5.3
}

func unread(cause error) error {
	return &audit.Refusal{Reason: ErrBody, Cause: cause, Status: http.StatusBadRequest, Detail: "the body did not arrive whole", Final: true}
}

func tooLarge() error {
	return &audit.Refusal{Reason: ErrTooLarge, Status: http.StatusRequestEntityTooLarge, Detail: "the body is too large", Final: true}
}

func malformed() error {
	return &audit.Refusal{Reason: ErrJSON, Status: http.StatusBadRequest, Detail: "the body must be one JSON object in UTF-8 without duplicate names", Final: true}
}

func noPayment() error {
	return &audit.Refusal{Reason: ErrPayment, Status: http.StatusUnprocessableEntity, Detail: "a member of the payment is missing, unknown or not valid", Final: true}
}

func noDebtor() error {
	return &audit.Refusal{Reason: ErrDebtor, Status: http.StatusUnprocessableEntity, Detail: "the debtor account does not exist", Final: true}
}
