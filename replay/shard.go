package replay

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"sync"
)

const (
	slots   = 8    // of a bucket: two cache lines
	maxLoad = 0.85 // of the slots of a shard; the space for one move is then always found
)

// slot holds one key. It is free when it is no longer live, and was never used when end is 0.
type slot struct {
	hi  uint64 // 96 bits of the key
	lo  uint32
	end uint32 // the second from which it is not live
}

type bucket [slots]slot

// shard is a table in which every key may lie in two buckets, chosen by a hash of its 96 bits.
type shard struct {
	mu      sync.Mutex
	forgot  uint32 // the latest end of all keys written over
	buckets []bucket
	_       [24]byte // its neighbour is on another cache line
}

// hash is the same for equal keys and differs from process to process.
func (e slot) hash(seed maphash.Seed) uint64 {
	var b [12]byte
	binary.LittleEndian.PutUint64(b[:8], e.hi)
	binary.LittleEndian.PutUint32(b[8:], e.lo)
	return maphash.Bytes(seed, b[:])
}

// places gives the two buckets for a hash, which differ.
func (s *shard) places(h uint64) (i, j uint64) {
	n := uint64(len(s.buckets))
	i, _ = bits.Mul64(h, n)
	// The multiplication makes other high bits; the hash's own high bits chose i.
	j, _ = bits.Mul64(h*0x9e3779b97f4a7c15, n-1)
	if j >= i {
		j++
	}
	return i, j
}

// use remembers e, whose hash is h, unless it is live at now.
func (s *shard) use(seed maphash.Seed, h uint64, e slot, now uint32) error {
	i, j := s.places(h)
	a, b := &s.buckets[i], &s.buckets[j]
	roomA, freeA, usedA := a.look(e, now)
	roomB, freeB, usedB := b.look(e, now)
	if usedA || usedB {
		return ErrUsed
	}
	// What was forgotten may be this very value: by a clock that was set back its time is not
	// over, by the clock of then it was. With a clock that only moves on end is always later.
	if e.end <= s.forgot {
		return ErrTooOld
	}
	switch {
	case roomA >= roomB && roomA > 0:
		s.put(&a[freeA], e)
	case roomB > 0:
		s.put(&b[freeB], e)
	default:
		full := s.moveOne(seed, i, now)
		if full == nil {
			full = s.moveOne(seed, j, now)
		}
		if full == nil {
			return ErrFull
		}
		*full = e
	}
	return nil
}

// look counts the slots that are free at now and finds one of them, and tells whether e's key is live.
func (b *bucket) look(e slot, now uint32) (room, free int, used bool) {
	for k := range b {
		switch x := &b[k]; {
		case x.end <= now:
			room, free = room+1, k
		case x.hi == e.hi && x.lo == e.lo:
			used = true
		}
	}
	return room, free, used
}

// put writes e to a free slot.
func (s *shard) put(x *slot, e slot) {
	s.forgot = max(s.forgot, x.end)
	*x = e
}

// moveOne moves one key of the full bucket i to its other bucket and gives the slot it left;
// nil when all of those are full.
func (s *shard) moveOne(seed maphash.Seed, i uint64, now uint32) *slot {
	from := &s.buckets[i]
	for k := range from {
		p, q := s.places(from[k].hash(seed))
		if p == i {
			p = q
		}
		to := &s.buckets[p]
		if room, free, _ := to.look(slot{}, now); room > 0 {
			s.put(&to[free], from[k])
			return &from[k]
		}
	}
	return nil
}
