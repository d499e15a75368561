package ratelimit

import (
	"math/bits"
	"sync"

	"github.com/tegata-go/tegata/ratelimit/internal/gcra"
)

const (
	firstSlots = 16 // of a shard that has seen its first key
	spare      = 64 // slots of a full shard kept for the shared buckets
	handStep   = 8  // slots looked over for every unseen key
)

// slot is one bucket: owed until at+frac/den, 32 bytes without a pointer.
type slot struct {
	tag  tag
	at   int64 // nanoseconds of the store's clock
	frac uint64
}

// over is true when nothing is owed any more: forgetting such a bucket changes no answer.
func (s *slot) over(now int64) bool { return s.at < now || s.at == now && s.frac == 0 }

// shard is an open-addressing table with linear probing. Buckets that owe nothing are
// removed by a hand that moves on when unseen keys arrive; deletion closes the gap, so no
// tombstones lengthen the probes.
type shard struct {
	mu     sync.Mutex
	slots  []slot
	used   int
	hand   int
	shared uint64   // decisions made by a shared bucket
	_      [72]byte // 128 in all: what one processor writes is in no line, nor pair of lines, of another's
}

// most is how many slots may be used before the table grows or, at its greatest length,
// before unseen keys share buckets.
func (s *shard) most(keys int) int { return min(len(s.slots)*4/5, keys) }

// sizeFor is the greatest length. It leaves a gap behind the keys and the spare slots, at
// which every probe ends.
func sizeFor(keys int) int { return keys + keys/4 + spare + 1 }

func (s *shard) home(t tag) int {
	hi, _ := bits.Mul64(t.a, uint64(len(s.slots)))
	return int(hi)
}

func (s *shard) next(i int) int {
	if i++; i == len(s.slots) {
		return 0
	}
	return i
}

// find gives the slot of t, or the empty one where it would go, which is -1 in no table.
func (s *shard) find(t tag) (at int, found bool) {
	if len(s.slots) == 0 {
		return -1, false
	}
	for i := s.home(t); ; i = s.next(i) {
		switch s.slots[i].tag {
		case t:
			return i, true
		case tag{}:
			return i, false
		}
	}
}

// debt is what the bucket at i owes at now. More than can be owed is what a quota's clock
// finds that went back, into a day that was over: all of it is spent.
func (s *shard) debt(i int, now int64, r *gcra.Rate) gcra.Span {
	b := &s.slots[i]
	if b.over(now) {
		return gcra.Span{}
	}
	return r.AtMost(gcra.Span{Q: b.at - now, R: b.frac})
}

// put writes what t owes from now on. There is room for it.
func (s *shard) put(t tag, now int64, debt gcra.Span) {
	i, found := s.find(t)
	if !found {
		s.used++
	}
	s.slots[i] = slot{t, now + debt.Q, debt.R}
}

// room makes room for n unseen keys; false: the shard is full of keys that owe.
func (s *shard) room(n, keys int, now int64) bool {
	s.sweep(now)
	for s.used+n > s.most(keys) && len(s.slots) < sizeFor(keys) {
		s.grow(keys, now)
	}
	return s.used+n <= s.most(keys)
}

// sweep moves the hand over a few slots and removes those that owe nothing.
func (s *shard) sweep(now int64) {
	for range min(handStep, len(s.slots)) {
		if s.slots[s.hand].tag != (tag{}) && s.slots[s.hand].over(now) {
			s.remove(s.hand)
			continue // the slot may hold its successor now
		}
		s.hand = s.next(s.hand)
	}
}

// remove empties slot i and moves back what would no longer be found behind the gap.
func (s *shard) remove(i int) {
	n := len(s.slots)
	for j := s.next(i); s.slots[j].tag != (tag{}); j = s.next(j) {
		home := s.home(s.slots[j].tag)
		if (j-home+n)%n >= (j-i+n)%n {
			s.slots[i], i = s.slots[j], j
		}
	}
	s.slots[i] = slot{}
	s.used--
}

// grow lengthens the table by half and drops what owes nothing. It is the only allocation.
func (s *shard) grow(keys int, now int64) {
	old := s.slots
	s.slots = make([]slot, min(firstSlots+len(old)*3/2, sizeFor(keys)))
	s.used, s.hand = 0, 0
	for i := range old {
		if old[i].tag == (tag{}) || old[i].over(now) {
			continue
		}
		at, _ := s.find(old[i].tag)
		s.slots[at] = old[i]
		s.used++
	}
}
