package replay

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// What a place of a shard says of its key: nothing is counted there, a key of nobody's is, or,
// from firstOwner on, a key of an owner, by the two counters that count it.
const (
	uncounted  = 0
	nobodys    = 1
	firstOwner = 2
)

// counters bounds the bookkeeping of owners, however many there are: two rows of so many counters.
const counters = 1 << 16

// quotas count the live keys of owners.
//
// An owner is counted once in each row, where a hash says that differs from process to process,
// and the smaller count is taken for its own. It is never below the true one, but for what other
// calls are about to add; it is above it by what strangers hold who share both counters.
type quotas struct {
	seed maphash.Seed
	mask uint32
	rows [2][]atomic.Int32
}

func newQuotas(capacity int) quotas {
	// Few owners share a counter in a small store, too.
	n := min(counters, max(1024, 1<<bits.Len(uint(capacity))))
	q := quotas{seed: maphash.MakeSeed(), mask: uint32(n - 1)}
	for i := range q.rows {
		q.rows[i] = make([]atomic.Int32, n)
	}
	return q
}

// mark names the counters of an owner, or nobody.
func (q *quotas) mark(owner Key) uint32 {
	if (owner == Key{}) {
		return nobodys
	}
	h := maphash.Bytes(q.seed, owner[:])
	return max(firstOwner, uint32(h)^uint32(h>>32))
}

// each gives the two counters of a mark.
func (q *quotas) each(mark uint32) (a, b *atomic.Int32) {
	return &q.rows[0][mark&q.mask], &q.rows[1][mark>>16&q.mask]
}

// held is how many keys the owner has.
func (q *quotas) held(mark uint32) int {
	a, b := q.each(mark)
	return int(min(a.Load(), b.Load()))
}

// add counts n more keys of the owner.
func (q *quotas) add(mark uint32, n int32) {
	if mark < firstOwner {
		return
	}
	a, b := q.each(mark)
	a.Add(n)
	b.Add(n)
}
