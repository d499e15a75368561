package ratelimit

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// GuardConfig describes a Guard.
type GuardConfig struct {
	_ [0]func()

	// Name tells this guard from others in the record. Its bounds are those of Config.Name.
	Name string

	// Target is how long half of the requests may take at most, 1 ms to one minute. It is well
	// above what they take when the service is idle, and well below what a client waits.
	Target time.Duration

	// Min and Max bound how many requests may be in flight, whatever was measured. 0 means 4
	// and 4096; 1<<20 is the most.
	Min, Max int

	// Retry is the Retry-After of a refusal, in whole seconds; 0 means one.
	Retry time.Duration
}

// Guard sheds load: it bounds the requests in flight in this process, and finds the bound by
// itself. While the service keeps up, the bound is out of the way; once it is saturated, more
// requests inside only make each of them slower, and the Guard refuses them at once with 503
// and Retry-After instead.
//
// It measures windows of at least Target and 32 requests that began inside the window. When
// the median of a window is above Target, the bound shrinks by as much (a gradient: in a
// saturated service time grows with the number inside), at most to half. When it is not, and
// the bound was nearly reached, the bound grows: it doubles until the first window above
// Target, by a sixteenth from then on. It starts at the greater of 16 and Min.
//
// The median is taken so that a few slow ones do not count: a client who sends or reads
// slowly makes only his own requests slow, and moves the bound only when half of all requests
// are his. So a Guard stands behind what limits each client, and inside what reads bodies.
// Streams, long polls and health checks stay outside; kinds of requests that differ much in
// what they take have a Guard each.
//
// Handlers that never return would keep a bound they fill shut for ever. When the bound is full and
// for 32 Targets nobody came in or left, those inside are written off: as many others are let in
// beside them, all together at most Max.
type Guard struct {
	name    string
	control string
	target  time.Duration
	min     int
	most    int
	retry   string
	base    time.Time

	mu       sync.Mutex
	limit    int
	inside   int           // without those written off
	lost     int           // written off: they came in before cut
	cut      time.Duration // since base
	moved    time.Duration // since base: somebody came in or left
	peak     int           // most inside in this window
	learning bool          // no window was above target yet
	began    time.Duration // of the window, since base
	slow     [5]int        // requests by how long they took, see edges
	samples  int
}

const (
	windowSamples = 32
	firstLimit    = 16
	patience      = 32 // Targets without a move
)

// edges are the classes of a window: up to so many quarters of Target, and the rest.
var edges = [...]int64{4, 5, 6, 8}

// NewGuard makes a Guard. All mistakes in c are reported at once.
func NewGuard(c GuardConfig) (*Guard, error) {
	var errs []error
	mistake := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("ratelimit: GuardConfig."+text))
		}
	}
	if c.Min == 0 {
		c.Min = 4
	}
	if c.Max == 0 {
		c.Max = max(4096, c.Min)
	}
	mistake(badName(c.Name), nameRule)
	mistake(c.Target < time.Millisecond || c.Target > time.Minute, "Target must be 1 ms to one minute")
	mistake(c.Min < 1 || c.Max < c.Min || c.Max > mostSlots, "Min and Max must be 1 to 1<<20, and Max not below Min")
	mistake(c.Retry < 0 || c.Retry > time.Hour || c.Retry%time.Second != 0, "Retry must be whole seconds, at most one hour")
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Guard{
		name: c.Name, control: "guard:" + c.Name, target: c.Target, min: c.Min, most: c.Max,
		retry: strconv.FormatInt(max(1, seconds(c.Retry)), 10), base: time.Now(),
		limit: min(c.Max, max(c.Min, firstLimit)), learning: true,
	}, nil
}

// Limit is how many requests may be in flight now.
func (g *Guard) Limit() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limit
}

// InFlight is how many requests are in flight now.
func (g *Guard) InFlight() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside + g.lost
}

// Pass is one request that a Guard let in.
type Pass struct {
	of    *Guard
	began time.Duration
	gone  atomic.Bool
}

// Leave tells that the request is answered; the second call and those after it do nothing.
func (p *Pass) Leave() {
	if p != nil && p.of != nil && p.gone.CompareAndSwap(false, true) {
		p.of.leave(p.began)
	}
}

// Enter lets r in, whose end the caller must tell with Leave. The error is an *audit.Refusal:
// ErrOverload (503).
func (g *Guard) Enter(r *http.Request) (*Pass, error) {
	began, err := g.enter(r)
	if err != nil {
		return nil, err
	}
	return &Pass{of: g, began: began}, nil
}

// Wrap lets a request through to next while the service keeps up.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, err := g.enter(r)
		if audit.Refused(w, r, err) {
			return
		}
		if err == nil { // one that was waived is not counted inside
			defer g.leave(began)
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Guard) enter(r *http.Request) (time.Duration, error) {
	began, ok := g.in()
	var err error
	if !ok {
		err = &audit.Refusal{
			Reason: ErrOverload, Cause: &refusedBy{limiter: g.name}, Status: http.StatusServiceUnavailable,
			Detail: "the service has more to do than it can", Header: http.Header{"Retry-After": {g.retry}},
		}
	}
	step(r.Context(), g.control, g.base.Add(began), err)
	return began, err
}

// in reads the clock under the lock: who came in before cut is told by it.
func (g *Guard) in() (now time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now = time.Since(g.base)
	if full := g.inside+g.lost >= g.most; full || g.inside >= g.limit {
		g.peak = max(g.peak, g.inside)
		if full || now-g.moved < patience*g.target {
			return now, false
		}
		g.lost, g.inside, g.cut = g.lost+g.inside, 0, now
	}
	g.inside++
	g.peak, g.moved = max(g.peak, g.inside), now
	return now, true
}

// leave takes the sample, and closes the window when it holds enough. A request that began in
// an earlier window tells of the bound that held then, and does not count.
func (g *Guard) leave(began time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Since(g.base)
	g.moved = now
	if began < g.cut {
		g.lost--
	} else {
		g.inside--
	}
	if began < g.began {
		return
	}
	class := 0
	for class < len(edges) && int64(now-began)*4 > int64(g.target)*edges[class] {
		class++
	}
	g.slow[class]++
	g.samples++
	if g.samples >= windowSamples && now-g.began >= g.target {
		g.adjust()
		g.began, g.peak, g.samples, g.slow = now, g.inside, 0, [len(g.slow)]int{}
	}
}

// adjust moves the bound by what the window has shown.
func (g *Guard) adjust() {
	median, n := 0, g.slow[0]
	for n*2 < g.samples {
		median++
		n += g.slow[median]
	}
	switch {
	case median > 0:
		g.learning = false
		quarters := edges[min(median, len(edges)-1)]
		g.limit = max(g.min, int(int64(g.limit)*4/quarters))
	case g.peak*4 < g.limit*3: // not tried
	case g.learning:
		g.limit = min(g.most, g.limit*2)
	default:
		g.limit = min(g.most, g.limit+g.limit/16+1)
	}
}
