package replay

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// RunMemoryConfig is what a [RunMemory] is made from.
type RunMemoryConfig struct {
	_ [0]func()

	// Capacity is how many keys are held, from 1 to 2^24. Required.
	Capacity int

	// Bytes is how many bytes of answers are held, from 1 to 2^40. Required.
	Bytes int64

	// PerOwner is how many keys one owner can have, up to Capacity; zero means an eighth of it,
	// so that nobody's keys take the room of all others. An owner whose answers have as great a share of
	// Bytes begins nothing more.
	PerOwner int

	// DangerouslyForgetsAtRestart must be set: after a restart every request can run again,
	// also one that was under way. For what must not happen twice use a store that outlives the
	// process, as redisstore has one.
	DangerouslyForgetsAtRestart bool
}

// RunMemory is a [RunStore] in the memory of one process: for tests, and for what may happen twice
// when the process is started again. It is bounded and refuses when it is full of live keys.
type RunMemory struct {
	c     RunMemoryConfig
	mu    sync.Mutex
	runs  map[Key]*run
	ends  runHeap
	owned map[Key]holding
	bytes int64
	share int64 // of Bytes: what one owner can have
}

// holding is what an owner has.
type holding struct {
	keys  int
	bytes int64
}

// run is what is remembered of a key.
type run struct {
	Run
	answer []byte
	lease  time.Time // under way until then
	end    time.Time
	at     int // in the heap
}

// NewRunMemory makes a store.
func NewRunMemory(c RunMemoryConfig) (*RunMemory, error) {
	var all []error
	if c.Capacity < 1 || c.Capacity > 1<<24 {
		all = append(all, fmt.Errorf("replay: Capacity %d is not between 1 and %d", c.Capacity, 1<<24))
	}
	if c.Bytes < 1 || c.Bytes > 1<<40 {
		all = append(all, fmt.Errorf("replay: Bytes %d is not between 1 and %d", c.Bytes, int64(1<<40)))
	}
	if c.PerOwner < 0 || c.PerOwner > c.Capacity {
		all = append(all, fmt.Errorf("replay: PerOwner %d is not between 0 and Capacity", c.PerOwner))
	}
	if !c.DangerouslyForgetsAtRestart {
		all = append(all, errors.New("replay: a RunMemory forgets at a restart: DangerouslyForgetsAtRestart is not set"))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	if c.PerOwner == 0 {
		c.PerOwner = max(1, c.Capacity/8)
	}
	capacity, each := int64(c.Capacity), int64(c.PerOwner)
	share := c.Bytes/capacity*each + c.Bytes%capacity*each/capacity // Bytes*each may not fit
	return &RunMemory{c: c, runs: map[Key]*run{}, owned: map[Key]holding{}, share: max(1, share)}, nil
}

// Begin is [RunStore].
func (m *RunMemory) Begin(_ context.Context, r Run) ([]byte, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.ends) > 0 && !m.ends[0].end.After(now) {
		m.remove(m.ends[0])
	}
	switch x := m.runs[r.Key]; {
	case x == nil:
	case x.Fingerprint != r.Fingerprint:
		return nil, ErrMismatch
	case x.answer != nil:
		return bytes.Clone(x.answer), nil
	case now.Before(x.lease):
		return nil, ErrInFlight
	default:
		return nil, ErrUnresolved
	}
	switch has := m.owned[r.Owner]; {
	case len(m.runs) >= m.c.Capacity || m.bytes >= m.c.Bytes:
		return nil, ErrFull
	case has.keys >= m.c.PerOwner || has.bytes >= m.share:
		return nil, errQuota
	}
	m.add(r, now)
	return nil, nil
}

// Finish is [RunStore]. It is [ErrFull] when the answer finds no room: nobody then knows what came of the run.
func (m *RunMemory) Finish(_ context.Context, r Run, answer []byte) error {
	if err := r.Check(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.runs[r.Key]
	if x == nil {
		x = m.add(r, time.Now())
	}
	if x.ID != r.ID {
		return ErrUnresolved
	}
	x.lease = time.Time{}
	if len(answer) == 0 || x.answer != nil {
		return nil
	}
	if m.bytes+int64(len(answer)) > m.c.Bytes {
		return ErrFull
	}
	x.answer = bytes.Clone(answer)
	m.count(x, 0, int64(len(answer)))
	return nil
}

// Forget is [RunStore].
func (m *RunMemory) Forget(_ context.Context, r Run) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.runs[r.Key]
	switch {
	case x == nil:
		return nil
	case x.answer != nil, r.ID != [16]byte{} && x.ID != r.ID, r.ID == [16]byte{} && time.Now().Before(x.lease):
		return ErrUnresolved
	}
	m.remove(x)
	return nil
}

func (m *RunMemory) add(r Run, now time.Time) *run {
	x := &run{Run: r, lease: now.Add(r.Lease), end: now.Add(r.TTL)}
	m.runs[r.Key] = x
	m.count(x, 1, 0)
	heap.Push(&m.ends, x)
	return x
}

func (m *RunMemory) remove(x *run) {
	heap.Remove(&m.ends, x.at)
	delete(m.runs, x.Key)
	m.count(x, -1, -int64(len(x.answer)))
}

// count counts keys and bytes of x, also for its owner.
func (m *RunMemory) count(x *run, keys int, size int64) {
	m.bytes += size
	if x.Owner == (Key{}) {
		return
	}
	has := m.owned[x.Owner]
	has.keys, has.bytes = has.keys+keys, has.bytes+size
	if m.owned[x.Owner] = has; has.keys == 0 {
		delete(m.owned, x.Owner)
	}
}

// runHeap has the run that ends first at its top.
type runHeap []*run

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return h[i].end.Before(h[j].end) }
func (h runHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push is heap.Interface.
func (h *runHeap) Push(x any) {
	r := x.(*run)
	r.at = len(*h)
	*h = append(*h, r)
}

// Pop is heap.Interface.
func (h *runHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return x
}
