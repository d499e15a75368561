package replay

import (
	"context"
	"errors"
	"time"

	"github.com/tegata-go/tegata/replay/internal/outage"
)

// Run is one execution of a request under an idempotency key.
type Run struct {
	// Key is the digest of client and idempotency key; never zero.
	Key Key

	// Fingerprint is the digest of the request; never zero.
	Fingerprint Key

	// Owner is whose quota the key counts against, as a digest; zero is nobody's.
	Owner Key

	// ID is random and belongs to this run alone: a command whose reply was lost, and which was sent
	// again, is recognised by it. Never zero, but for an operator's Forget.
	ID [16]byte

	// Lease is how long the run is taken to be under way, from a second to TTL.
	Lease time.Duration

	// TTL is how long the key is remembered, counted from Begin, up to MaxLifetime.
	TTL time.Duration
}

var (
	errRunID    = outage.New(ErrUnavailable, errors.New("replay: zero ID of a Run"))
	errRunTimes = outage.New(ErrUnavailable, errors.New("replay: Lease or TTL of a Run out of bounds"))
)

// Check refuses, with [ErrUnavailable] because the mistake is ours, what no store may begin.
func (r Run) Check() error {
	switch {
	case r.Key == Key{} || r.Fingerprint == Key{}:
		return errZeroKey
	case r.ID == [16]byte{}:
		return errRunID
	case r.Lease < time.Second || r.Lease > r.TTL || r.TTL > MaxLifetime:
		return errRunTimes
	}
	return nil
}

// RunStore remembers what came of requests. A key is unknown, under way, of unknown outcome, or
// answered; it is forgotten when its TTL is over, and for no other reason but Forget.
//
// Every error that is none of the reasons named here counts as [ErrUnavailable]. A store that cannot
// tell never says nil. Its methods are safe for concurrent use, atomic, and bounded in time.
type RunStore interface {
	// Begin returns nil and nil to exactly one of all calls with the same Key, however many
	// arrive at once: that one may run. To the others it returns the answer that Finish
	// brought, or an error: [ErrMismatch] when the Fingerprint is another, whatever else holds;
	// [ErrInFlight] within the lease of a run that has not finished; [ErrUnresolved] after
	// it, or when it was finished without an answer; [ErrFull] or [ErrQuota] when there is no
	// room. The end of a lease never lets another run begin.
	Begin(ctx context.Context, run Run) (answer []byte, err error)

	// Finish keeps the answer of a run, which is not empty, also after its lease, and also when
	// the key is unknown by now. Without an answer it ends the lease: nobody knows what came
	// of the run. It is [ErrUnresolved] when the key belongs to another run.
	Finish(ctx context.Context, run Run, answer []byte) error

	// Forget makes a key unknown whose run had no effect. It is [ErrUnresolved], and changes
	// nothing, when the key is answered or belongs to another run. A zero ID means any run whose
	// lease is over: an operator has found out that it had no effect. An unknown key is nil.
	Forget(ctx context.Context, run Run) error
}
