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

// mostShapes bounds what shapes remembers; a power of two.
const mostShapes = 64

// shapes remembers limits that were made ready, each in the one place where it would be. A
// place is never given to another limit: one that finds it taken is made ready each time.
type shapes [mostShapes]atomic.Pointer[shape]

// of gives the rate and the hash of l; false: l is out of bounds.
func (c *shapes) of(h *hasher, l *Limit) (gcra.Rate, uint64, bool) {
	i := (uint64(l.Count)*31 + uint64(l.Period)*17 + uint64(l.Burst) + uint64(len(l.Name))) * 0x9e3779b97f4a7c15 >> 58
	known := c[i].Load()
	if known != nil && known.limit == *l {
		return known.rate, known.hash, true
	}
	rate, ok := l.rate()
	if !ok {
		return rate, 0, false
	}
	hash := h.limit(l)
	if known == nil {
		c[i].CompareAndSwap(nil, &shape{*l, rate, hash})
	}
	return rate, hash, true
}
