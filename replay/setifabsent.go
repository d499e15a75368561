package replay

import (
	"context"
	"time"

	"github.com/tegata-go/tegata/replay/internal/outage"
)

// SetIfAbsent stores key until the moment until if it is absent, in one atomic step, and tells
// whether it stored it. It is a [Store]: any engine that has such a step needs one line.
//
//	store := replay.SetIfAbsent(func(ctx context.Context, key replay.Key, until time.Time) (bool, error) {
//		return engine.Add(ctx, fmt.Sprintf("%x", key), until)
//	})
//
// The function must not look first and store afterwards, must not forget the key before until
// by the slowest clock of all who share the engine, must not evict to make room, and must end in
// bounded time by itself. An engine that can lose what it stored, at a restart or a failover,
// lets what it lost be used again: Use does not ask when the value was made.
type SetIfAbsent func(ctx context.Context, key Key, until time.Time) (stored bool, err error)

// Use is [ErrUsed] for a key that was there, and [ErrUnavailable] for any error of the function.
// The error's text is constant; the function's error is in its chain.
func (f SetIfAbsent) Use(ctx context.Context, u Use) error {
	if f == nil {
		return errNoFunc
	}
	if err := u.Check(time.Now()); err != nil {
		return err
	}
	switch stored, err := f(ctx, u.Key, u.Until); {
	case err != nil:
		return outage.New(ErrUnavailable, err)
	case !stored:
		return ErrUsed
	}
	return nil
}
