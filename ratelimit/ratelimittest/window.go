package ratelimittest

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// Admission is a Take that was admitted: decided at a moment not before Began and not after Ended.
type Admission struct {
	Began, Ended time.Time
	Cost         int64
}

// Law tells whether what one caller was admitted under l, by all processes together, is within
// Burst + Count*t/Period over every window of any length t, wherever it begins. It looks at all
// windows that begin where one admission began and end where one ended: no other holds more of
// those that were surely decided inside it. Times of several processes are of one clock, without
// monotonic readings. Slack is how far that clock and the store's may run apart meanwhile.
func Law(l ratelimit.Limit, admitted []Admission, slack time.Duration) error {
	burst := l.Burst
	if burst == 0 {
		burst = l.Count
	}
	byEnd := slices.Clone(admitted)
	slices.SortFunc(byEnd, func(a, b Admission) int { return a.Ended.Compare(b.Ended) })
	for i := range byEnd {
		from, sum := byEnd[i].Began, int64(0)
		for _, a := range byEnd { // in order of their ends: each closes a window
			if a.Began.Before(from) {
				continue
			}
			sum += a.Cost
			hi, lo := bits.Mul64(uint64(l.Count), uint64(a.Ended.Sub(from)+slack))
			gained := uint64(1 << 62)
			if hi < uint64(l.Period) {
				gained, _ = bits.Div64(hi, lo, uint64(l.Period))
			}
			if most := uint64(burst) + gained; uint64(sum) > most {
				return fmt.Errorf("%d admitted within %v, the law allows %d", sum, a.Ended.Sub(from), most)
			}
		}
	}
	return nil
}

// windows lets several take at once, in bursts and with pauses, and asks Law of what they got.
func windows(s ratelimit.Store, o Options) error {
	if o.FixedWindow {
		return nil // twice Count within a Period, by its nature
	}
	for _, l := range []ratelimit.Limit{
		{Name: "windows", Count: 700, Period: time.Second, Burst: 11},
		{Name: "windows", Count: 30, Period: time.Second, Burst: 1},
		{Name: "windows", Count: 1300, Period: 999_999_937, Burst: 100},
	} {
		var mu sync.Mutex
		var admitted []Admission
		var failed error
		var wg sync.WaitGroup
		end := time.Now().Add(o.short())
		for i := range uint64(4) {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(i, 1))
				for time.Now().Before(end) {
					a := Admission{Began: time.Now(), Cost: min(1+rnd.Int64N(3), l.Burst)}
					r, err := s.Take(context.Background(), "caller", a.Cost, []ratelimit.Limit{l})
					a.Ended = time.Now()
					mu.Lock()
					if err != nil {
						failed = unexpected("one of several at once", r, err)
					} else if r.OK {
						admitted = append(admitted, a)
					}
					mu.Unlock()
					time.Sleep(time.Duration(rnd.Int64N(int64(3 * time.Millisecond))))
				}
			})
		}
		wg.Wait()
		if failed != nil {
			return failed
		}
		if len(admitted) == 0 {
			return fmt.Errorf("nothing was admitted under %+v", l)
		}
		if err := Law(l, admitted, o.Slack); err != nil {
			return err
		}
	}
	return nil
}
