// Package outage makes errors that tell why a store is unavailable without saying it aloud.
package outage

import "github.com/tegata-go/tegata/audit"

// failure has the text of its reason only: the texts of engines quote addresses, users and keys.
type failure struct {
	reason audit.Reason
	cause  error
}

// New gives an error that is reason and cause for errors.Is and errors.As, and reads as reason.
func New(reason audit.Reason, cause error) error { return &failure{reason, cause} }

func (f *failure) Error() string   { return string(f.reason) }
func (f *failure) Unwrap() []error { return []error{f.reason, f.cause} }
