package redisstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
)

var long = flag.Bool("long", false, "drill every fault at full length")

// drill is a fault under load. Two stores stand for two replicas of a service; the load is new
// values at either, some of which are tried again at once at the other, and all at the end at both.
type drill struct {
	name   string
	stores [2]replay.Store
	fault  func() // returns when the fault is over
	loses  bool   // acknowledged uses, as the engine is set up
	good   bool   // no good request may be refused
}

// outcome is what a drill found.
type outcome struct {
	drill
	offered  int           // new values
	refused  int           // of those
	accused  int           // of those, as used
	twice    int           // values that were accepted more than once
	recovery time.Duration // from the end of the fault to the end of the last refused request
	slowest  time.Duration
	waited   time.Duration // by a refused request, on average
}

func (o outcome) String() string {
	note := ""
	if o.loses {
		note = "  (what was lost)"
	}
	return fmt.Sprintf("%-42s %8d %8d %8d %8d %10s %10s %10s%s", o.name, o.offered, o.refused, o.accused, o.twice,
		o.recovery.Round(time.Millisecond), o.waited.Round(time.Millisecond/10), o.slowest.Round(time.Millisecond), note)
}

const heading = "fault                                           good  refused  accused    twice   recovery  mean wait    slowest"

// offer is a new value and what became of it.
type offer struct {
	use      replay.Use
	accepted atomic.Int32
}

// load makes the requests of a drill.
type load struct {
	d    drill
	over atomic.Bool

	mu     sync.Mutex
	offers []*offer
	o      outcome
	ends   []time.Time // of refused requests
	waited time.Duration
}

const workers = 24

// run runs a drill: a while of peace, the fault, and a while of peace.
func (d drill) run(t *testing.T) outcome {
	t.Helper()
	peace := lasts(2*time.Second, 300*time.Millisecond)
	eventually(t, "a store that serves", func() bool {
		return d.stores[0].Use(context.Background(), use(fmt.Sprint(time.Now().UnixNano()), time.Minute)) == nil &&
			d.stores[1].Use(context.Background(), use(fmt.Sprint(time.Now().UnixNano()), time.Minute)) == nil
	})
	l := &load{d: d, o: outcome{drill: d}}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { l.work(w) })
	}
	time.Sleep(peace)
	d.fault()
	ended := time.Now()
	// Peace is when nothing was refused for as long as any rest of a breaker or a client may take.
	for quiet := time.Now(); time.Since(quiet) < max(peace, 1500*time.Millisecond) && time.Since(ended) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		l.mu.Lock()
		if n := len(l.ends); n > 0 && l.ends[n-1].After(quiet) {
			quiet = l.ends[n-1]
		}
		l.mu.Unlock()
	}
	l.over.Store(true)
	wg.Wait()
	l.again()
	for _, offer := range l.offers {
		if offer.accepted.Load() > 1 {
			l.o.twice++
		}
	}
	for _, end := range l.ends {
		l.o.recovery = max(l.o.recovery, end.Sub(ended))
	}
	l.o.refused = len(l.ends)
	if l.o.refused > 0 {
		l.o.waited = l.waited / time.Duration(l.o.refused)
	}
	return l.o
}

// work offers new values at one store, and some of them once more at the other.
func (l *load) work(w int) {
	run := fmt.Sprint(time.Now().UnixNano(), w)
	for n := 0; !l.over.Load(); n++ {
		offer := &offer{use: use(fmt.Sprint(run, n), 5*time.Minute)}
		began := time.Now()
		err := l.d.stores[w%2].Use(context.Background(), offer.use)
		took := time.Since(began)
		if err == nil {
			offer.accepted.Add(1)
		}
		if n%4 == 0 && l.d.stores[(w+1)%2].Use(context.Background(), offer.use) == nil {
			offer.accepted.Add(1)
		}
		l.mu.Lock()
		l.offers = append(l.offers, offer)
		l.o.offered++
		l.o.slowest = max(l.o.slowest, took)
		if err != nil {
			l.ends = append(l.ends, began.Add(took))
			l.waited += took
			if errors.Is(err, replay.ErrUsed) {
				l.o.accused++
			}
		}
		l.mu.Unlock()
		time.Sleep(lasts(4*time.Millisecond, 20*time.Millisecond))
	}
}

// again tries every value once more, at both stores.
func (l *load) again() {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(l.offers); i += workers {
				for _, s := range l.d.stores {
					if s.Use(context.Background(), l.offers[i].use) == nil {
						l.offers[i].accepted.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
}

// judge fails for what must never be.
func (o outcome) judge(t *testing.T) {
	t.Helper()
	t.Log("\n" + heading + "\n" + o.String())
	if o.offered < 100 {
		t.Errorf("only %d values were offered: the drill is blind", o.offered)
	}
	if o.twice > 0 && !o.loses {
		t.Errorf("%d values were accepted twice", o.twice)
	}
	if o.accused > 0 {
		t.Errorf("%d new values were said to be used", o.accused)
	}
	if o.good && o.refused > 0 {
		t.Errorf("%d good requests were refused", o.refused)
	}
	if o.recovery > 25*time.Second {
		t.Errorf("recovery took %v", o.recovery)
	}
}
