package ratelimit

import (
	"sync/atomic"

	"github.com/tegata-go/tegata/ratelimit/internal/gcra"
)

// shape is a limit made ready for decisions in one Memory.
type shape struct {
	limit Limit
	rate  gcra.Rate
	hash  uint64
}

// Bounds on what shapes remembers; powers of two.
const (
	mostShapes = 256
	shapeWays  = 4 // places where one limit may be
)

// shapes remembers limits that were made ready, each in the few places where it may be. One that
// finds all of them taken gets a place of its own choice among them, so that limits which are used
// no more, after a reload, make room.
type shapes [mostShapes]atomic.Pointer[shape]

// of gives l made ready; nil: l is out of bounds.
func (c *shapes) of(h *hasher, l *Limit) *shape {
	i := (uint64(l.Count)*31 + uint64(l.Period)*17 + uint64(l.Burst) + uint64(len(l.Name))) * 0x9e3779b97f4a7c15 >> 56
	for way := range uint64(shapeWays) {
		if known := c[(i+way)%mostShapes].Load(); known == nil {
			break
		} else if known.limit == *l {
			return known
		}
	}
	rate, ok := l.rate()
	if !ok {
		return nil
	}
	s := &shape{*l, rate, h.limit(l)}
	for way := range uint64(shapeWays) {
		if c[(i+way)%mostShapes].CompareAndSwap(nil, s) {
			return s
		}
	}
	c[(i+s.hash%shapeWays)%mostShapes].Store(s)
	return s
}
