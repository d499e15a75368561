package replay

import (
	"context"
	"errors"
	"time"

	"github.com/tegata-go/tegata/replay/internal/outage"
)

// A Store fails closed: while it cannot tell, nothing is accepted. The exceptions have names. Each
// is a decorator, so that a route chooses by the store it is given, and each reports every value
// that it accepted although the store could not tell.

// DangerouslyFailOpen accepts what s cannot tell about. While s is out of order, everything that
// was overheard can be used again, as often as its time allows; and whoever can bring s out
// of order, or see that it is, has that for the asking. It is for routes on which a second use does
// no harm.
//
// Only [ErrUnavailable] is waived, and what counts as it; not [ErrFull], which clients can bring
// about; and not for a request that has ended, since its client could end it on purpose.
//
// Report is called for each value that is accepted so, with the error of s, before Use returns; it
// must not take long. Without s or without report every use is refused.
func DangerouslyFailOpen(s Store, report func(ctx context.Context, u Use, err error)) Store {
	if s == nil || report == nil {
		return StoreFunc(func(context.Context, Use) error { return errNoPart })
	}
	return StoreFunc(func(ctx context.Context, u Use) error {
		err := s.Use(ctx, u)
		if !waivable(ctx, u, err) {
			return err
		}
		report(ctx, u, err)
		return nil
	})
}

// DangerouslyFallBack asks local when s cannot tell. While s is out of order a value can be used
// once in each process that has a local of its own, which is as many times as there are replicas,
// and after a restart of one once more unless local guards its start.
//
// Local is told of every use, also while s is well, so that what was used at this replica before
// the outage is not used here again: it needs as much room as for being the only store. What
// it has no room for is refused during an outage only. It must be a [Memory] or another
// store that does not depend on what s depends on.
//
// Report is as for [DangerouslyFailOpen], and so is what is waived. Without any of the three
// every use is refused.
func DangerouslyFallBack(s, local Store, report func(ctx context.Context, u Use, err error)) Store {
	if s == nil || local == nil || report == nil {
		return StoreFunc(func(context.Context, Use) error { return errNoPart })
	}
	return StoreFunc(func(ctx context.Context, u Use) error {
		here := local.Use(ctx, u)
		if errors.Is(here, ErrUsed) {
			return here
		}
		err := s.Use(ctx, u)
		if !waivable(ctx, u, err) {
			return err
		}
		if here != nil {
			return outage.New(ErrUnavailable, errors.Join(err, here))
		}
		report(ctx, u, err)
		return nil
	})
}

// waivable tells whether err is an outage of the store that nobody has brought about on purpose.
func waivable(ctx context.Context, u Use, err error) bool {
	switch {
	case err == nil, ctx.Err() != nil, u.Check(time.Now()) != nil:
		return false
	}
	for _, reason := range []error{ErrUsed, ErrFull, ErrTooOld} {
		if errors.Is(err, reason) {
			return false
		}
	}
	return true
}
