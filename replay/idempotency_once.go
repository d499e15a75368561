package replay

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// UniquePeriod is how long an identifier that a client gave to a message stays used: a day
// (Open Finance Brasil Security Profile §6.1: the jti of a signed payment is unique per client for 24 hours).
const UniquePeriod = 24 * time.Hour

// maxID bounds identifiers of messages. They are UUIDs, mostly.
const maxID = 256

// ID is an identifier that a client gave to a message, and that it may use once in a [UniquePeriod].
type ID struct {
	// Kind says what is identified: "payment jws", "request". Identifiers of different kinds never meet.
	Kind string

	// Client is whose identifier it is: token.ClientKey.
	Client string

	// Value is the identifier, of 1 to 256 bytes: the jti, the x-request-id.
	Value string

	// Made is when the message was made, by its iat. A [Memory] needs it for its start-up guard, and
	// refuses what has none. The age of a message is for its verifier to judge.
	Made time.Time
}

// UseID uses an identifier, once the message that carries it was verified. The error is an
// *audit.Refusal: 403 with [ErrUsed] or [ErrTooOld] for an identifier that was used or may have been, 400 with
// [ErrKey] for an empty or too long one, 500 without a client, 503 when the store cannot tell.
func UseID(ctx context.Context, s Store, id ID) error {
	if id.Client == "" || id.Kind == "" {
		return clientless(nil)
	}
	if id.Value == "" || len(id.Value) > maxID {
		return &audit.Refusal{Reason: ErrKey, Status: http.StatusBadRequest, Code: invalidRequest,
			Detail: "the message has no usable identifier"}
	}
	now := time.Now()
	if id.Made.After(now) { // by a clock that is ahead of ours; the store counts from the present
		id.Made = now
	}
	err := s.Use(ctx, Use{
		Key:   Digest("unique id", id.Kind, id.Client, id.Value),
		Owner: Digest("unique id client", id.Client),
		Made:  id.Made,
		Until: now.Add(UniquePeriod),
	})
	reason := ErrUsed
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUsed):
	case errors.Is(err, ErrTooOld):
		reason = ErrTooOld
	default:
		return outageOf(outageIn(err), err)
	}
	return &audit.Refusal{Reason: reason, Status: http.StatusForbidden, Detail: "the message was sent before"}
}
