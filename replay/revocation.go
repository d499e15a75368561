package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay/internal/outage"
)

// ErrRevoked says that what was asked about has been revoked.
const ErrRevoked = audit.Reason("replay: revoked")

const (
	// MaxRevocation bounds how far ahead a revocation may end. Certificates live for 398 days
	// at most (CA/Browser Forum Baseline Requirements §6.3.2), and names of certificates
	// are revoked too.
	MaxRevocation = 400 * 24 * time.Hour

	// RevocationGrace is how much longer than asked a revocation holds: tokens are accepted a
	// little beyond their exp, by clocks that differ.
	RevocationGrace = 2 * time.Minute

	// maxRevocations bounds a list to some 1 GiB.
	maxRevocations = 1 << 24
)

var (
	errRevokedFar  = outage.New(ErrUnavailable, errors.New("replay: until is more than MaxRevocation ahead"))
	errNoBefore    = outage.New(ErrUnavailable, errors.New("replay: issuedBefore is zero"))
	errClockIsBack = outage.New(ErrUnavailable, errors.New("replay: the clock was set back beyond what was forgotten"))
)

// RevocationsConfig is what [Revocations] are made from.
type RevocationsConfig struct {
	_ [0]func()

	// Capacity is how many names can be revoked at once, from 1 to 2^24. It takes some 60
	// bytes for each that is. Required.
	Capacity int
}

// Revocations is a list of names that were revoked, in the memory of one process. It is a
// token.Revocations: names are what package token makes (IDName, SubjectName, ClientName,
// ProofKeyName, CertificateName), or any other [Digest] that the asker knows.
//
// A revocation holds for every question that is asked after Revoke returned. Revocations never
// forgets one before its time: when it has no room it says so to the caller of Revoke.
// Nothing takes a revocation back.
//
// Asking takes no lock and allocates nothing. A name that is revoked takes a copy of some 64 others.
//
// WARNING: a restart forgets. Whoever revokes keeps a record of it, and revokes again at start-up
// before the first request ([Revocations.All] and [Revocations.Add]), or shares a list by
// replay/redisstore.
type Revocations struct {
	capacity int
	revision atomic.Uint64
	shards   []atomic.Pointer[[]revoked] // their number is a power of two; each list is sorted and never changed
	forgot   atomic.Int64                // in Unix milliseconds: the latest end of all that was forgotten

	mu   sync.Mutex // of writers
	held int
	next int64 // in Unix milliseconds: before it nothing is over, so that a search would be vain
}

// Revocation is one entry of the list.
type Revocation struct {
	Name Key

	// IssuedBefore is when what is revoked was issued before; zero is whenever.
	IssuedBefore time.Time

	// Until is what Revoke was told.
	Until time.Time
}

// NewRevocations makes an empty list.
func NewRevocations(c RevocationsConfig) (*Revocations, error) {
	if c.Capacity < 1 || c.Capacity > maxRevocations {
		return nil, fmt.Errorf("replay: Capacity %d is not between 1 and %d", c.Capacity, maxRevocations)
	}
	shards := 1
	for shards < c.Capacity/64 {
		shards *= 2
	}
	return &Revocations{capacity: c.Capacity, shards: make([]atomic.Pointer[[]revoked], shards)}, nil
}

// Revoke revokes everything of that name, whenever it was issued, until the moment until and for
// [RevocationGrace] longer. For a token, a key or a certificate until is its latest expiry;
// for a subject or a client it is how long they are shut out: to end the tokens they have, and
// no later ones, use [Revocations.RevokeBefore].
//
// The error is [ErrTooOld] when until is over, [ErrFull] when there is no room, and
// [ErrUnavailable] for a zero name and for an until more than [MaxRevocation] ahead. Revoking
// again never shortens.
func (r *Revocations) Revoke(_ context.Context, name Key, until time.Time) error {
	now := time.Now()
	if !until.After(now) {
		return ErrTooOld
	}
	return r.add(Revocation{Name: name, Until: until}, now)
}

// RevokeBefore revokes what is of that name and was issued before the moment issuedBefore, or
// nobody knows when. Until is the latest expiry of all that it can concern: for tokens, the
// present plus the longest that tokens live.
//
// Times of issue are whole seconds in a token (RFC 7519 §4.1.6), and rounded down: a token that was
// issued within the second of issuedBefore counts as issued before it, unless issuedBefore is a
// whole second. The errors are those of Revoke; a zero issuedBefore is a mistake, [ErrUnavailable].
func (r *Revocations) RevokeBefore(_ context.Context, name Key, issuedBefore, until time.Time) error {
	now := time.Now()
	switch {
	case issuedBefore.IsZero():
		return errNoBefore
	case !until.After(now):
		return ErrTooOld
	}
	return r.add(Revocation{name, issuedBefore, until}, now)
}

// Add takes one entry of another list, as [Revocations.All] gave it. It is [ErrTooOld] only when the
// grace is over too; the other errors are those of Revoke.
func (r *Revocations) Add(e Revocation) error { return r.add(e, time.Now()) }

func (r *Revocations) add(e Revocation, now time.Time) error {
	switch {
	case e.Name == Key{}:
		return errZeroKey
	case now.Sub(e.Until) >= RevocationGrace:
		return ErrTooOld
	case e.Until.Sub(now) > MaxRevocation:
		return errRevokedFar
	}
	x := revoked{name: e.Name}
	if e.IssuedBefore.IsZero() {
		x.all = ceilMilli(e.Until)
	} else {
		x.before, x.until = ceilMilli(e.IssuedBefore), ceilMilli(e.Until)
	}
	return r.revoke(x, now.UnixMilli())
}

// ceilMilli rounds up: no revocation ends, or begins, within its last millisecond.
func ceilMilli(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

// Revision changes with every revocation, after it can be found: an answer that was given at
// one revision holds until there is another.
func (r *Revocations) Revision() uint64 { return r.revision.Load() }

// Revoked is nil, [ErrRevoked] if any of names is revoked for what was issued then, or
// [ErrUnavailable] when the wall clock was set back by more than [RevocationGrace], to where
// revocations counted that are forgotten by now. A zero issued is unknown, and before everything.
func (r *Revocations) Revoked(_ context.Context, names []Key, issued time.Time) error {
	at, now := issued.UnixMilli(), int64(0)
	for i := range names {
		e := r.find(&names[i])
		if e == nil {
			continue
		}
		if now == 0 {
			now = time.Now().UnixMilli()
		}
		if e.concerns(at, now) {
			return ErrRevoked
		}
	}
	// Asked last: what is no longer found was noted before it went.
	if forgot := r.forgot.Load(); forgot != 0 && time.Now().UnixMilli() < forgot {
		return errClockIsBack
	}
	return nil
}

// All gives every revocation that still holds, in no order. What is revoked meanwhile may be missing.
func (r *Revocations) All() iter.Seq[Revocation] {
	return func(yield func(Revocation) bool) {
		now := time.Now().UnixMilli()
		for i := range r.shards {
			for _, e := range r.list(i) {
				if e.all != 0 && now < e.all+graceMilli && !yield(Revocation{Name: e.name, Until: time.UnixMilli(e.all)}) {
					return
				}
				before := Revocation{e.name, time.UnixMilli(e.before), time.UnixMilli(e.until)}
				if e.until != 0 && now < e.until+graceMilli && !yield(before) {
					return
				}
			}
		}
	}
}
