// Package replay lets a value be used once.
//
// The values are DPoP proofs, signed requests, payment orders: whatever is valid for a while
// and may take effect only once. What was used is remembered by a [Store] until it could no
// longer be accepted. [Memory] is the store of one process; replay/redisstore is one that
// replicas share; [SetIfAbsent] makes a store of any engine that can set a key only if it is
// absent; replay/replaytest tells whether a store keeps the rules.
//
// A store is asked last, when everything else about the request was believed (RFC 9449 §4.3,
// §11.1): a value that is spent on a request that fails otherwise is spent by whoever overheard it.
//
// [Nonces] are the other half of RFC 9449: nonces that carry the server's time and need no
// memory at all (§8, §9). They make a value young, not unique: the store still does that.
package replay

import (
	"context"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Reasons of this package. A [Store] returns the first five bare, or wrapped so that errors.Is
// finds them; the door that asked turns them into refusals.
const (
	// ErrUsed says that the value was used before.
	ErrUsed = audit.Reason("replay: used")

	// ErrFull says that nothing more can be remembered without forgetting a live value.
	// It is a lack of ours and says nothing about the value.
	ErrFull = audit.Reason("replay: store full")

	// ErrQuota is an [ErrFull] for one Owner only, who holds as much as the store grants it.
	ErrQuota = audit.Reason("replay: owner's quota used up")

	// ErrTooOld says that the value's time is over, or that the store does not reach back to
	// when the value was made and cannot tell whether it was used.
	ErrTooOld = audit.Reason("replay: too old")

	// ErrUnavailable says that the store cannot tell. It is an outage of ours. Any error of a
	// store that is none of these counts as this one.
	ErrUnavailable = audit.Reason("replay: store unavailable")

	// ErrNonce says that a nonce is none of ours, expired, or from the future.
	ErrNonce = audit.Reason("replay: nonce not valid")
)

// MaxLifetime bounds how far ahead of now an Until may lie. It leaves room for values that are
// unique for a day (Open Finance Brasil: the jti of a payment order) and for every clock.
const MaxLifetime = 48 * time.Hour

// Use is one use of one value.
type Use struct {
	// Key is the value's digest. Whoever can make a value must not be able to choose its key:
	// use [Digest]. The zero Key is a mistake and never accepted.
	Key Key

	// Owner is whose quota the value counts against, as a digest; zero is nobody's. A value
	// is the same value whoever owns it. A store without quotas ignores Owner. Owners are who
	// could be asked to stop: clients that are known, not keys that anybody makes.
	Owner Key

	// Made is the earliest moment at which the value can have existed. A store that remembers
	// less than that answers [ErrTooOld].
	Made time.Time

	// Until is the moment from which the value is no longer accepted by any verifier, whatever
	// its clock: for a DPoP proof the time in it, plus the age allowed, plus the skew allowed on
	// both sides (RFC 9449 §11.1). It is an instant of the wall clock, because that is what
	// verifiers judge by. It lies after now, and not more than [MaxLifetime] after it.
	Until time.Time
}

// Check refuses what no store may accept at the moment now: an Until that is not after it, with
// [ErrTooOld]; a zero Key, an Until more than [MaxLifetime] ahead, or a Made after Until, with
// [ErrUnavailable], because the mistake is ours. Stores call it first.
func (u Use) Check(now time.Time) error {
	switch {
	case u.Key == Key{}:
		return errZeroKey
	case !u.Until.After(now):
		return ErrTooOld
	case u.Until.Sub(now) > MaxLifetime:
		return errFar
	case u.Made.After(u.Until):
		return errOrder
	}
	return nil
}

// Store remembers what was used.
//
// Use returns nil to exactly one of all calls with the same Key, however many arrive at once,
// and remembers the Key until u.Until at least. Every other answer is a refusal: [ErrUsed],
// [ErrFull], [ErrTooOld], [ErrUnavailable], or any other error, which counts as
// [ErrUnavailable]. A store that cannot tell never returns nil. Use is safe for concurrent use,
// one atomic step, and bounded in time.
type Store interface {
	Use(ctx context.Context, u Use) error
}

// StoreFunc is a function that is a [Store].
type StoreFunc func(ctx context.Context, u Use) error

// Use calls f.
func (f StoreFunc) Use(ctx context.Context, u Use) error { return f(ctx, u) }
