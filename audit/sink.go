package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
)

var (
	errUnfinished = errors.New("audit: the sink did not return")
	errLost       = errors.New("audit: answered 503 because the record was not taken")
)

// health counts failures of the sink: it is broken while one of them is not yet healed by a record
// that was handed over after it and taken. Counting, not a flag, so that a slow success cannot hide
// a newer failure.
type health struct {
	failed, healed atomic.Uint64
}

func (h *health) broken() bool { return h.failed.Load() > h.healed.Load() }

func (h *health) heal(upTo uint64) {
	for {
		now := h.healed.Load()
		if now >= upTo || h.healed.CompareAndSwap(now, upTo) {
			return
		}
	}
}

// take hands a record to the sink.
func (l *Log) take(ctx context.Context, rec slog.Record) error {
	before := l.sink.failed.Load()
	err := l.handle(ctx, rec)
	if err != nil {
		l.sink.failed.Add(1)
	} else {
		l.sink.heal(before)
	}
	return err
}

// handle turns a panic of the sink into an error.
func (l *Log) handle(ctx context.Context, rec slog.Record) (err error) {
	defer func() {
		if recover() != nil {
			err = errUnfinished
		}
	}()
	return l.handler.Handle(ctx, rec)
}
