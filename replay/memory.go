package replay

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"time"
)

// maxCapacity bounds a Memory to some 5 GiB.
const maxCapacity = 1 << 28

// MemoryConfig is what a [Memory] is made from.
type MemoryConfig struct {
	_ [0]func()

	// Capacity is how many live keys the store holds, from 1 to 2^28. It takes some 20 bytes
	// for each, allocated at once; it never grows. Required: values per second, times the
	// seconds from the use of a value to its Until, and then some.
	Capacity int

	// DangerouslyNoStartGuard accepts values that were made before the store was, although
	// they may have been used before: whatever was overheard before a restart can be used
	// again after it, until its time is over.
	DangerouslyNoStartGuard bool
}

// Memory is a [Store] in the memory of one process: bounded, sharded, without a pointer that
// the garbage collector would follow.
//
// It never forgets a live key: when it has no room it answers [ErrFull]. It holds Capacity live
// keys, but for a chance below one in a million that hashing fills one shard early; where a
// key lies depends on a secret of the process.
//
// It remembers nothing from before it was made. Values of an earlier Made are refused with
// [ErrTooOld], unless that guard is declined. The guard trusts the time in the value: a client
// whose clock runs s seconds ahead makes values that can be used again for s seconds after
// a restart. Nonces, whose time is our own, or a shared store close that.
//
// The same Key with the same Until is never accepted twice by one Memory, whatever the wall
// clock does. When that clock is set back, values are refused with [ErrTooOld] whose Until is not
// later than that of a key already forgotten: by a step back of less than the values live,
// fresh ones are not touched; by a larger step they are, until the clock has caught up or the
// process is started again.
//
// Of a Key the first 96 bits are kept: keys must be digests.
type Memory struct {
	seed    maphash.Seed
	began   time.Time
	epoch   int64 // in Unix seconds: where the slots' seconds count from
	guarded bool
	shards  []shard // their number is a power of two
}

// NewMemory makes a store.
func NewMemory(c MemoryConfig) (*Memory, error) {
	if c.Capacity < 1 || c.Capacity > maxCapacity {
		return nil, fmt.Errorf("replay: Capacity %d is not between 1 and %d", c.Capacity, maxCapacity)
	}
	began := time.Now()
	m := &Memory{
		seed:  maphash.MakeSeed(),
		began: began,
		// 68 years to both sides, so that no clock set back before the start wraps round.
		epoch:   began.Unix() - 1<<31,
		guarded: !c.DangerouslyNoStartGuard,
	}
	shards, buckets := dimensions(c.Capacity)
	m.shards = make([]shard, shards)
	for i := range m.shards {
		m.shards[i].buckets = make([]bucket, buckets)
	}
	return m, nil
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

// Use is [ErrUsed], [ErrFull] or [ErrTooOld] for a refusal, and [ErrUnavailable] for a Use that
// [Use.Check] finds mistaken. It does not wait and does not look at the context.
func (m *Memory) Use(_ context.Context, u Use) error {
	now := time.Now()
	return m.use(u, now, now.Sub(m.began))
}

// use is Use at the moment now by the wall clock, when the store is as old as age by the
// monotonic one.
func (m *Memory) use(u Use, now time.Time, age time.Duration) error {
	if err := u.Check(now); err != nil {
		return err
	}
	// Ages are compared rather than moments: the wall clock may have been set since the start.
	if m.guarded && now.Sub(u.Made) > age {
		return ErrTooOld
	}
	end := u.Until.Unix() - m.epoch
	if u.Until.Nanosecond() > 0 {
		end++ // rounded up: no value is forgotten within its last second
	}
	if end < 1 || end > math.MaxUint32 {
		return errFar // the clock moved by decades
	}
	e := slot{
		hi:  binary.LittleEndian.Uint64(u.Key[:8]),
		lo:  binary.LittleEndian.Uint32(u.Key[8:12]),
		end: uint32(end),
	}
	h := e.hash(m.seed)
	s := &m.shards[h&uint64(len(m.shards)-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.use(m.seed, h, e, uint32(max(0, now.Unix()-m.epoch)))
}
