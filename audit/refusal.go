package audit

import (
	"errors"
	"net/http"
)

// Reason names one cause of refusal. Reasons are constants and errors, so that
// errors.Is(err, token.ErrExpired) works on whatever a door returned.
type Reason string

// Error is the reason's own text, for example "token: expired".
func (r Reason) Error() string { return string(r) }

// Reasons of this package.
const (
	ErrInternal         = Reason("audit: internal error")
	ErrMisplaced        = Reason("audit: misplaced layer")
	ErrSink             = Reason("audit: record not taken")
	ErrPanic            = Reason("audit: panic")
	ErrNotFound         = Reason("audit: not found")
	ErrMethodNotAllowed = Reason("audit: method not allowed")
)

// text can be filled from outside this package by an untyped constant only:
// words of a client do not compile.
type text string

// Refusal says no, once, to one request. It is made for that request and never shared.
//
// Reason and Cause are for the record. Status, Code, Detail and Header are for the client:
// they must not tell more than the client may know.
type Refusal struct {
	Reason Reason
	Cause  error // recorded by its type only, unless it is a slog.LogValuer

	Status int
	Code   string      // the field's standard error code: invalid_token, insufficient_scope ...
	Detail text        // one constant sentence
	Header http.Header // set, never added: WWW-Authenticate, DPoP-Nonce, Retry-After ...

	Client string // the client id, once its token was verified
	Final  bool   // report-only cannot waive it
}

// Error is the reason's text: nothing of the request and nothing of the cause.
func (f *Refusal) Error() string {
	if f == nil { // a nil *Refusal in an error is still an error
		return string(ErrInternal)
	}
	return string(f.Reason)
}

// Is makes errors.Is(err, reason) true for this refusal's reason.
func (f *Refusal) Is(target error) bool {
	reason, ok := target.(Reason)
	return ok && f != nil && reason == f.Reason
}

// Unwrap gives the cause.
func (f *Refusal) Unwrap() error {
	if f == nil {
		return nil
	}
	return f.Cause
}

// refusalOf gives the refusal inside err; an error that is none is our own fault.
func refusalOf(err error) *Refusal {
	var f *Refusal
	if errors.As(err, &f) && f != nil {
		return f
	}
	return &Refusal{Reason: ErrInternal, Cause: err, Status: http.StatusInternalServerError, Detail: "internal error"}
}
