package redisstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tegata-go/tegata/replay"
)

const (
	revocationPage   = 1000             // entries read at once
	revocationBatch  = 100              // entries written again at once
	revocationReread = 30 * time.Second // after which the whole list is read anew
	revocationPause  = 50 * time.Millisecond
)

// known is what a replica knows of the list in Redis.
type known struct {
	epoch string
	last  uint64    // the place in the log up to which everything is known
	whole time.Time // when the whole list was last read
}

// flight is one catching up, which everybody waits for.
type flight struct {
	done chan struct{}
	err  error
}

// refresh waits until the list was brought up to date. It shares what is under way; after a failure
// nothing is tried for a while, unless always is true.
func (r *Revocations) refresh(ctx context.Context, always bool) error {
	r.mu.Lock()
	f := r.flight
	if f == nil {
		if !always && time.Now().Before(r.retry) {
			r.mu.Unlock()
			return unavailable(errNotCurrent)
		}
		f = &flight{done: make(chan struct{})}
		r.flight = f
		go r.fly(context.WithoutCancel(ctx), f)
	}
	r.mu.Unlock()
	timer := time.NewTimer(r.calls.timeout)
	defer timer.Stop()
	select {
	case <-f.done:
		return f.err
	case <-timer.C:
		return unavailable(errNotCurrent)
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

var errNotCurrent = errors.New("redisstore: revocations are not up to date")

func (r *Revocations) fly(ctx context.Context, f *flight) {
	f.err = guarded(ctx, r.catchUp)
	r.mu.Lock()
	r.flight = nil
	if f.err != nil {
		r.retry = time.Now().Add(revocationPause)
	}
	r.mu.Unlock()
	close(f.done)
}

// catchUp reads what is new, or everything: after having been out of touch, now and then, and when Redis
// holds another list than the one that is known.
func (r *Revocations) catchUp(ctx context.Context) error {
	began := time.Now()
	k := r.known
	var seen list // the whole list, when it is read
	if !r.current(began) || began.Sub(k.whole) >= revocationReread {
		seen, k.last = make(list), 0
	}
	for restarts := 0; ; {
		asked, wrote := time.Now(), r.wrote.Load()
		p, err := r.page(ctx, k.last)
		if err != nil {
			return err
		}
		if p.epoch != k.epoch || p.last < max(k.last, wrote) {
			r.wrote.CompareAndSwap(wrote, 0)
			if restarts++; restarts > 3 {
				return unavailable(errAnswer)
			}
			seen, k.epoch, k.last = make(list), p.epoch, 0
			continue
		}
		if p.epoch == "" && seen == nil {
			seen = make(list) // Redis holds nothing, which is quickly compared
		}
		if err := r.take(p, seen); err != nil {
			return err
		}
		if len(p.names) == revocationPage {
			k.last = p.upto
			continue
		}
		k.last = p.last
		r.asked.Store(&asked)
		break
	}
	if seen != nil {
		k.whole = began
		if r.restore(ctx, seen) != nil {
			k.whole = began.Add(5*time.Second - revocationReread) // soon again
		}
	}
	r.known = k
	return nil
}

// list is what Redis was seen to hold: of each name until when all of it is revoked, and until when what
// was issued before when.
type list map[replay.Key]struct{ all, before, until time.Time }

// covers tells whether the list says of e all that there is to say.
func (l list) covers(e replay.Revocation) bool {
	x := l[e.Name]
	if e.IssuedBefore.IsZero() {
		return !e.Until.After(x.all)
	}
	return !e.Until.After(x.until) && !e.IssuedBefore.After(x.before)
}

// take adds the entries of a page to the list.
func (r *Revocations) take(p page, seen list) error {
	for i, name := range p.names {
		x := seen[name]
		for _, e := range p.entries[i] {
			if e.IssuedBefore.IsZero() {
				x.all = e.Until
			} else {
				x.before, x.until = e.IssuedBefore, e.Until
			}
			if seen != nil {
				seen[name] = x
			}
			e.Name = name
			if err := r.list.Add(e); err != nil && !errors.Is(err, replay.ErrTooOld) {
				return unavailable(err)
			}
		}
	}
	return nil
}

// restore writes to Redis what is known here and was not seen there: it was lost, or never arrived.
func (r *Revocations) restore(ctx context.Context, seen list) error {
	var lost []replay.Revocation
	for e := range r.list.All() {
		if seen.covers(e) {
			continue
		}
		if lost = append(lost, e); len(lost) == revocationBatch {
			if err := r.publish(ctx, lost); err != nil {
				return err
			}
			lost = lost[:0]
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return r.publish(ctx, lost)
}

// page is what readRevocations answers.
type page struct {
	epoch      string
	last, upto uint64
	names      []replay.Key
	entries    [][]replay.Revocation
}

func (r *Revocations) page(ctx context.Context, after uint64) (p page, err error) {
	var answer []any
	err = r.calls.do(ctx, func(ctx context.Context) (err error) {
		got, err := r.read.Run(ctx, r.client, r.keys,
			time.Now().UnixMilli(), r.maxSkew.Milliseconds(), strconv.FormatUint(after, 10), revocationPage).Slice()
		if err != nil {
			return unavailable(err)
		}
		answer = got
		return nil
	}, nil)
	if err != nil {
		return page{}, err
	}
	if len(answer) == 1 && answer[0] == int64(revocationsSkew) {
		return page{}, unavailable(errSkew)
	}
	p, ok := parsePage(answer)
	if !ok {
		return page{}, unavailable(errAnswer)
	}
	return p, nil
}

// parsePage reads an answer. What is not exactly as the scripts write it is no answer.
func parsePage(answer []any) (p page, ok bool) {
	if len(answer) != 6 || answer[0] != int64(revocationsDone) {
		return page{}, false
	}
	names, okNames := answer[3].([]any)
	values, okValues := answer[4].([]any)
	if !okNames || !okValues || len(names) != len(values) || len(names) > revocationPage {
		return page{}, false
	}
	epoch, okEpoch := answer[1].(string)
	last, okLast := parseUint(answer[2])
	upto, okUpto := parseUint(answer[5])
	if !okEpoch || !okLast || !okUpto {
		return page{}, false
	}
	p = page{epoch: epoch, last: last, upto: upto}
	for i := range names {
		name, _ := names[i].(string)
		value, _ := values[i].(string)
		if len(name) != len(replay.Key{}) {
			return page{}, false
		}
		entries, ok := parseRevocation(value)
		if !ok {
			return page{}, false
		}
		p.names = append(p.names, replay.Key([]byte(name)))
		p.entries = append(p.entries, entries)
	}
	return p, true
}

// parseRevocation reads all:before:until.
func parseRevocation(value string) (entries []replay.Revocation, ok bool) {
	a, rest, ok1 := strings.Cut(value, ":")
	b, u, ok2 := strings.Cut(rest, ":")
	all, okAll := parseUint(a)
	before, okBefore := parseUint(b)
	until, okUntil := parseUint(u)
	if !ok1 || !ok2 || !okAll || !okBefore || !okUntil || (before == 0) != (until == 0) || all == 0 && until == 0 {
		return nil, false
	}
	if all != 0 {
		entries = append(entries, replay.Revocation{Until: time.UnixMilli(int64(all))})
	}
	if until != 0 {
		entries = append(entries, replay.Revocation{IssuedBefore: time.UnixMilli(int64(before)), Until: time.UnixMilli(int64(until))})
	}
	return entries, true
}

// parseUint reads a whole number that a float64 holds exactly.
func parseUint(v any) (uint64, bool) {
	text, ok := v.(string)
	if !ok || len(text) > 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 53)
	return n, err == nil
}
