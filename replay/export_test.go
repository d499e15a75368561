package replay

import "time"

// UseAt is Use at the moment now, when the store is as old as age: only so can a test set the clock back.
func (m *Memory) UseAt(u Use, now time.Time, age time.Duration) error { return m.use(u, now, age) }
