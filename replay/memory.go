package replay

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// DefaultCapacity is what a [MemoryConfig] means that names no Capacity: some 110 MB.
const DefaultCapacity = 1 << 22

// maxCapacity bounds a Memory to some 7 GiB.
const maxCapacity = 1 << 28

// MemoryConfig is what a [Memory] is made from.
type MemoryConfig struct {
	_ [0]func()

	// Capacity is how many live keys the store holds, from 1 to 2^28; zero means
	// DefaultCapacity. It takes some 25 bytes for each, allocated at once; it never grows.
	// It should be 5 times what the busiest owner needs, because of the quotas: values per
	// second, times the seconds from the use of a value to its Until.
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
// keys of nobody, but for a chance below one in a million that hashing fills one shard early;
// where a key lies depends on a secret of the process.
//
// An owner may hold a quarter as many live keys as there are places left, and is refused with
// [ErrQuota] beyond that: alone it gets a fifth of Capacity, and each that comes later a fifth
// of what is left then. When n of them take all they can get, they end with 1/(n+4) of Capacity
// each and leave 4/(n+4) of it. So an owner is not refused that needs no more than a fifth of
// the places it finds left, but for the spread between the parts of the store, of which there are up to
// 256: the places left are counted in the one where a value falls, and taken for all. The standard
// deviation of that, as a share of the places left, is the square root of the keys in a part
// divided by the places left in it: by default 0.4 % when a fifth of the store is used, 1.5 % when three fifths
// are, and more the fuller it is. One who makes 1000 values a second, of which each lives
// for 5 minutes, and who comes after four others that took all they could get, needs an
// eighth less than that fifth by default: more than eight deviations. Keys of nobody have no quota.
//
// The bookkeeping is bounded, however many owners there are: each is counted in two of some
// 131,000 counters, where a secret of the process says, and the smaller count is taken. Keys that
// have just ended may count a little longer, for a fifteenth of Capacity further uses at most.
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
	began   time.Time
	epoch   int64 // in Unix seconds: where the slots' seconds count from
	guarded bool
	table   table
}

// NewMemory makes a store.
func NewMemory(c MemoryConfig) (*Memory, error) {
	if c.Capacity == 0 {
		c.Capacity = DefaultCapacity
	}
	if c.Capacity < 1 || c.Capacity > maxCapacity {
		return nil, fmt.Errorf("replay: Capacity %d is not between 1 and %d", c.Capacity, maxCapacity)
	}
	began := time.Now()
	return &Memory{
		began: began,
		// 68 years to both sides, so that no clock set back before the start wraps round.
		epoch:   began.Unix() - 1<<31,
		guarded: !c.DangerouslyNoStartGuard,
		table:   newTable(c.Capacity),
	}, nil
}

// Use is [ErrUsed], [ErrFull], [ErrQuota] or [ErrTooOld] for a refusal, and [ErrUnavailable] for
// a Use that [Use.Check] finds mistaken. It does not wait and does not look at the context.
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
	t := &m.table
	return t.use(e.hash(t.seed), e, t.quotas.mark(u.Owner), uint32(max(0, now.Unix()-m.epoch)))
}
