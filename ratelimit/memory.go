package ratelimit

import (
	"context"
	"errors"
	"math/bits"
	"time"

	"github.com/tegata-go/tegata/ratelimit/internal/gcra"
)

// MemoryConfig describes a Memory.
type MemoryConfig struct {
	_ [0]func()

	// MaxKeys is how many buckets are held: one for every limit of every caller who owes
	// something. 0 means 1 048 576, which takes 42 MB when full. At most 1<<30. Keys spread
	// over the shards evenly, not exactly: the first of them are full a few hundredths early.
	MaxKeys int
}

// Memory is a Store in this process's memory, for one process. It starts nothing and needs
// no closing.
//
// It is bounded. A bucket takes 32 bytes, with the room around it 40 to 64 once there are
// thousands; one that owes nothing is forgotten, which changes no answer. When MaxKeys buckets
// owe something, no bucket in debt is forgotten and no unseen caller is refused outright: the
// unseen share one bucket per limit in each of up to 256 shards, by their key. While the store
// is full all of them together are admitted at most as many times the limit as there are
// shards, and one caller, who may have moved from a shared bucket into one of his own, at most
// twice his limit. Shared counts such decisions. Whoever can send under many keys can fill a
// store, so limits of peers and limits of those who are verified have a Memory each.
type Memory struct {
	hash   hasher
	shapes shapes
	base   time.Time
	shards []shard
	mask   uint64
	max    int // buckets of one shard
}

const (
	defaultKeys = 1 << 20
	mostKeys    = 1 << 30
	mostShards  = 256
	shardKeys   = 1024 // a shard holds at least this many, so that keys spread evenly
)

// NewMemory makes an empty store.
func NewMemory(c MemoryConfig) (*Memory, error) {
	if c.MaxKeys < 0 || c.MaxKeys > mostKeys {
		return nil, errors.New("ratelimit: MemoryConfig.MaxKeys must be 0 to 1<<30")
	}
	keys := c.MaxKeys
	if keys == 0 {
		keys = defaultKeys
	}
	n := 1
	if keys > shardKeys {
		n = min(mostShards, 1<<(bits.Len(uint(keys/shardKeys))-1))
	}
	return &Memory{
		hash: newHasher(), base: time.Now(), shards: make([]shard, n), mask: uint64(n - 1), max: (keys + n - 1) / n,
	}, nil
}

// Take implements Store. It never waits on anything but a short lock, ignores ctx and
// allocates only when a shard grows or a limit is new.
func (m *Memory) Take(_ context.Context, key string, cost int64, limits []Limit) (res Result, err error) {
	if !inBounds(key, cost, len(limits)) {
		return Result{}, ErrBounds
	}
	if len(limits) == 1 { // the same with less to clear
		var b [1]gcra.Bucket
		var p [1]place
		err = m.take(key, cost, limits, b[:], p[:], &res)
		return res, err
	}
	var b [MaxLimits]gcra.Bucket
	var p [MaxLimits]place
	err = m.take(key, cost, limits, b[:len(limits)], p[:len(limits)], &res)
	return res, err
}

// place is where one limit of one Take is counted, and the moment on the limit's clock.
type place struct {
	tag  tag
	hash uint64 // of the limit
	now  int64
}

// take fills res, which is zero, unless there is an error.
func (m *Memory) take(key string, cost int64, limits []Limit, buckets []gcra.Bucket, places []place, res *Result) error {
	k := m.hash.key(key)
	now := int64(time.Since(m.base))
	for i := range limits {
		l := &limits[i]
		known := m.shapes.of(&m.hash, l)
		if known == nil {
			return ErrBounds
		}
		b, p := &buckets[i], &places[i]
		b.Rate, p.tag, p.hash, p.now = &known.rate, k.under(known.hash), known.hash, now
		if l.Calendar.unit != none {
			t := time.Now()
			clock, end := l.Window(t) // times without a monotonic part: differences by the wall clock
			p.now, b.Ends = int64(clock.Sub(m.base)), int64(end.Sub(t))
		}
	}
	s := &m.shards[k.b>>32&m.mask]

	s.mu.Lock()
	if !m.load(s, buckets, places, now) {
		s.mu.Unlock()
		return ErrUnavailable // more limits than a full shard has shared buckets for
	}
	var a gcra.Report
	gcra.Decide(buckets, cost, &a)
	if a.OK && cost > 0 {
		for i := range places {
			s.put(places[i].tag, places[i].now, buckets[i].Owed)
		}
	}
	s.mu.Unlock()
	res.fill(&a, &limits[a.Index])
	return nil
}

// load reads what every limit owes and makes sure that it can be written back: unseen tags
// get room, or in a full shard they become those of the shared buckets.
func (m *Memory) load(s *shard, buckets []gcra.Bucket, places []place, now int64) bool {
	unseen := false
	for i := range places {
		if at, found := s.find(places[i].tag); found {
			buckets[i].Owed = s.debt(at, places[i].now, buckets[i].Rate)
		} else {
			unseen = true
		}
	}
	// Room for all of them: the hand may remove one that was found and owes nothing.
	if !unseen || s.room(len(places), m.max, now) {
		return true
	}
	s.shared++
	for i := range places {
		p := &places[i]
		if _, found := s.find(p.tag); found {
			continue
		}
		p.tag = tag{}.under(p.hash)
		if at, found := s.find(p.tag); found {
			buckets[i].Owed = s.debt(at, p.now, buckets[i].Rate)
		} else if s.used+len(places) > m.max+spare {
			return false
		}
	}
	return true
}

// Len is how many buckets are held now, those that owe nothing but were not yet met again
// included.
func (m *Memory) Len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.used
		s.mu.Unlock()
	}
	return n
}

// Shared is how many decisions fell to shared buckets because the store was full. More than
// none asks for a greater MaxKeys or names a flood.
func (m *Memory) Shared() uint64 {
	n := uint64(0)
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.shared
		s.mu.Unlock()
	}
	return n
}
