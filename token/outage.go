package token

import (
	"errors"
	"fmt"
	"log/slog"
)

// outage is ErrUnavailable and why.
type outage struct{ cause error }

func (o *outage) Error() string   { return string(ErrUnavailable) + ": " + o.cause.Error() }
func (o *outage) Unwrap() []error { return []error{ErrUnavailable, o.cause} }

// LogValue is the cause in words of ours, or the type of what has none: an error's text quotes input.
func (o *outage) LogValue() slog.Value {
	if own, ok := errors.AsType[constant](o.cause); ok {
		return slog.StringValue(string(own))
	}
	return slog.StringValue(fmt.Sprintf("%T", o.cause))
}

// constant is an error whose text may be recorded.
type constant string

func (c constant) Error() string { return string(c) }
