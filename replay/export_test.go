package replay

import "time"

// UseAt is Use at the moment now, when the store is as old as age: only so can a test set the clock back.
func (m *Memory) UseAt(u Use, now time.Time, age time.Duration) error { return m.use(u, now, age) }

// HeldAt is how many keys owner holds and how many there are, once those that are dead at now were found.
func (m *Memory) HeldAt(owner Key, now time.Time) (held, all int) {
	t := &m.table
	for i := range t.shards {
		s := &t.shards[i]
		t.sweep(s, len(s.buckets), uint32(now.Unix()-m.epoch))
		all += s.counted
	}
	return t.quotas.held(t.quotas.mark(owner)), all
}
