package replay

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// revoked is what is revoked of one name, in Unix milliseconds. It holds no pointer that the
// garbage collector would follow.
type revoked struct {
	name   Key
	all    int64 // whatever was issued is revoked until then; 0: not
	before int64 // what was issued before is revoked until until
	until  int64
}

const graceMilli = int64(RevocationGrace / 1e6)

// concerns tells whether what was issued at that moment is revoked now.
func (e *revoked) concerns(issued, now int64) bool {
	return e.all != 0 && now < e.all+graceMilli ||
		e.until != 0 && issued < e.before && now < e.until+graceMilli
}

// over tells whether nothing of e holds any longer.
func (e *revoked) over(now int64) bool { return now >= max(e.all, e.until)+graceMilli }

// merge gives what is revoked by both, at the moment now. What is over does not count: a name that
// was shut out once is not shut out again by what ends its old tokens.
func (e *revoked) merge(old *revoked, now int64) revoked {
	m := *e
	if now < old.all+graceMilli {
		m.all = max(m.all, old.all)
	}
	if now < old.until+graceMilli {
		m.before, m.until = max(m.before, old.before), max(m.until, old.until)
	}
	return m
}

// shard is where a name belongs. Names are digests.
func (r *Revocations) shard(name *Key) int {
	return int(binary.LittleEndian.Uint32(name[:4])) & (len(r.shards) - 1)
}

// list is the i-th shard, sorted by name. It is shared and never changed.
func (r *Revocations) list(i int) []revoked {
	if p := r.shards[i].Load(); p != nil {
		return *p
	}
	return nil
}

// search finds name in list, or where it would be.
func search(list []revoked, name *Key) (at int, found bool) {
	low, high := 0, len(list)
	for low < high {
		mid := int(uint(low+high) / 2)
		switch c := bytes.Compare(list[mid].name[:], name[:]); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// find gives what is revoked of name, or nil.
func (r *Revocations) find(name *Key) *revoked {
	list := r.list(r.shard(name))
	if at, found := search(list, name); found {
		return &list[at]
	}
	return nil
}

// revoke adds e. What changes can be found before the revision tells of it: the other way round an
// answer from before would be taken for one from after.
func (r *Revocations) revoke(e revoked, now int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.find(&e.name)
	if old == nil && r.held >= r.capacity {
		r.sweep(now)
		if r.held >= r.capacity {
			return ErrFull
		}
	}
	if old != nil {
		e = e.merge(old, now)
		if e == *old {
			return nil
		}
	}
	r.put(e, now)
	if end := max(e.all, e.until); r.next == 0 || end < r.next {
		r.next = end
	}
	r.revision.Add(1)
	return nil
}

// put writes e in place of what there was of its name, and leaves out what is over.
func (r *Revocations) put(e revoked, now int64) {
	i := r.shard(&e.name)
	old := r.list(i)
	list := make([]revoked, 0, len(old)+1)
	for k := range old {
		switch x := &old[k]; {
		case x.name == e.name:
		case x.over(now):
			r.forget(x)
		default:
			list = append(list, *x)
		}
	}
	at, _ := search(list, &e.name)
	list = slices.Insert(list, at, e)
	r.held += len(list) - len(old)
	r.shards[i].Store(&list)
}

// sweep forgets all that is over, unless nothing can be.
func (r *Revocations) sweep(now int64) {
	if now < r.next+graceMilli {
		return
	}
	r.next = 0
	for i := range r.shards {
		old := r.list(i)
		list := make([]revoked, 0, len(old))
		for k := range old {
			x := &old[k]
			if x.over(now) {
				r.forget(x)
				continue
			}
			list = append(list, *x)
			if end := max(x.all, x.until); r.next == 0 || end < r.next {
				r.next = end
			}
		}
		if len(list) < len(old) {
			r.held += len(list) - len(old)
			r.shards[i].Store(&list)
		}
	}
}

// forget notes that x is about to go. It is noted before: who no longer finds x knows why.
func (r *Revocations) forget(x *revoked) {
	r.forgot.Store(max(r.forgot.Load(), x.all, x.until))
}
