package replay

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
)

const (
	slots   = 8    // of a bucket: two cache lines
	maxLoad = 0.85 // of the slots of a shard; the space for one move is then always found

	// Dead keys are found by a hand that goes round the buckets: by stride buckets for as many
	// uses, and before a refusal by effort buckets, unless all were looked at in this second.
	stride = 8
	effort = 256
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
	uses    uint32
	counted int // keys here that are live, or whose death was not noticed
	hand    int // the bucket at which the search for dead keys goes on
	second  uint32
	unseen  int // buckets that were not looked at in that second
	buckets []bucket
	marks   [][slots]uint32 // for each slot whose key it counts as
	_       [24]byte        // its neighbour is on another cache line
}

// table is what the shards of a store have in common.
type table struct {
	seed   maphash.Seed
	quotas quotas
	shards []shard // their number is a power of two
	share  int     // of the store's Capacity, for each
}

// newTable gives a table for capacity keys.
func newTable(capacity int) table {
	shards, buckets := dimensions(capacity)
	t := table{
		seed:   maphash.MakeSeed(),
		quotas: newQuotas(capacity),
		shards: make([]shard, shards),
		share:  (capacity + shards - 1) / shards,
	}
	for i := range t.shards {
		t.shards[i].buckets = make([]bucket, buckets)
		t.shards[i].marks = make([][slots]uint32, buckets)
	}
	return t
}

// dimensions gives the number of shards and of the buckets in each.
func dimensions(capacity int) (shards, buckets int) {
	// As many shards as keep the spread between them small, up to what many cores need.
	shards = 1
	for shards < 256 && capacity/(2*shards) >= 4096 {
		shards *= 2
	}
	keys := float64(capacity) / float64(shards)
	if shards > 1 {
		// Keys fall on shards at random: 6.5 standard deviations, one chance in 10^8 in all.
		keys += 6.5 * math.Sqrt(keys)
	}
	return shards, max(2, int(math.Ceil(keys/(slots*maxLoad))))
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

// use remembers e, whose hash is h and whose owner's mark is mark, unless it is live at now.
func (t *table) use(h uint64, e slot, mark, now uint32) error {
	s := &t.shards[h&uint64(len(t.shards)-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
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
	if s.uses++; s.uses%stride == 0 {
		t.sweep(s, stride, now)
	}
	if err := t.admit(s, mark, now); err != nil {
		return err
	}
	switch {
	case roomA >= roomB && roomA > 0:
		t.put(s, i, freeA, e, mark)
	case roomB > 0:
		t.put(s, j, freeB, e, mark)
	case !t.moveOne(s, i, e, mark, now) && !t.moveOne(s, j, e, mark, now):
		return ErrFull
	}
	return nil
}

// caution divides the places left: what one owner may hold. The larger it is, the less can
// owners who come first take from those who come later, and the less can one owner have.
const caution = 4

// admit refuses an owner who holds its part of the places left.
//
// Hashing spreads keys evenly, so that the places left are known from one shard.
func (t *table) admit(s *shard, mark, now uint32) error {
	if mark == nobodys {
		return nil
	}
	for tried := false; ; tried = true {
		left := (t.share - s.counted) * len(t.shards)
		switch {
		case caution*t.quotas.held(mark) < left:
			return nil
		case !tried:
			t.sweep(s, effort, now) // what is refused on account of the dead would be refused wrongly
		case left <= 0:
			return ErrFull
		default:
			return errQuota
		}
	}
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

// put writes e to the free slot k of bucket i.
func (t *table) put(s *shard, i uint64, k int, e slot, mark uint32) {
	x := &s.buckets[i][k]
	s.forgot = max(s.forgot, x.end)
	t.uncount(s, &s.marks[i][k])
	*x = e
	if mark == uncounted {
		return // it was dead, until the clock was set back
	}
	s.marks[i][k] = mark
	s.counted++
	t.quotas.add(mark, 1)
}

// moveOne makes room for e in the full bucket i: it moves one of its keys to that key's other
// bucket. It is false when all of those are full.
func (t *table) moveOne(s *shard, i uint64, e slot, mark, now uint32) bool {
	from := &s.buckets[i]
	for k := range from {
		p, q := s.places(from[k].hash(t.seed))
		if p == i {
			p = q
		}
		if room, free, _ := s.buckets[p].look(slot{}, now); room > 0 {
			moved := s.marks[i][k]
			t.uncount(s, &s.marks[i][k])
			t.put(s, p, free, from[k], moved)
			from[k] = slot{} // not forgotten
			t.put(s, i, k, e, mark)
			return true
		}
	}
	return false
}

// sweep looks for dead keys in the next n buckets. They stay where they are, for the sake of
// clocks that are set back, and count no more.
func (t *table) sweep(s *shard, n int, now uint32) {
	if s.second != now {
		s.second, s.unseen = now, len(s.buckets)
	}
	n = min(n, s.unseen)
	s.unseen -= n
	for range n {
		b, marks := &s.buckets[s.hand], &s.marks[s.hand]
		for k := range b {
			if b[k].end <= now {
				t.uncount(s, &marks[k])
			}
		}
		if s.hand++; s.hand == len(s.buckets) {
			s.hand = 0
		}
	}
}

// uncount takes the key of a slot from the counts, once.
func (t *table) uncount(s *shard, mark *uint32) {
	if *mark == uncounted {
		return
	}
	s.counted--
	t.quotas.add(*mark, -1)
	*mark = uncounted
}
