package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// ConcurrencyConfig describes a Concurrency.
type ConcurrencyConfig struct {
	_ [0]func()

	// Slots counts. Concurrencies that share one do not share counts, unless they have one Name.
	Slots *Slots

	// Name tells this limit from others: in RateLimit, in the record, and in Slots. Its bounds
	// are those of Config.Name.
	Name string

	// Key says who is calling, as Config.Key does.
	Key func(*http.Request) (string, error)

	// Max is how many requests of one caller may be in flight, 1 to 1<<20.
	Max int

	// Queue is how many more of one caller may wait, first come, first served; 0: none.
	// 1<<16 is the most.
	Queue int

	// Wait is how long one may wait, at most one minute. It stands exactly when Queue does.
	Wait time.Duration

	// NoFields leaves the RateLimit and RateLimit-Policy fields out.
	NoFields bool
}

const (
	mostQueue = 1 << 16
	mostWait  = time.Minute
)

// Concurrency refuses requests of a caller who has too many in flight in this process: one
// that is slow cannot take every connection to the database. A request is in flight until the
// handler returns, however long the client takes to read and to send.
type Concurrency struct {
	slots   *Slots
	name    string
	control string
	key     func(*http.Request) (string, error)
	max     int
	queue   int
	wait    time.Duration
	policy  string
	quiet   bool
	base    time.Time
}

// NewConcurrency makes a Concurrency. All mistakes in c are reported at once.
func NewConcurrency(c ConcurrencyConfig) (*Concurrency, error) {
	var errs []error
	mistake := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("ratelimit: ConcurrencyConfig."+text))
		}
	}
	mistake(c.Slots == nil, "Slots is missing")
	mistake(badName(c.Name), nameRule)
	mistake(c.Key == nil, "Key is missing")
	mistake(c.Max < 1 || c.Max > mostSlots, "Max must be 1 to 1<<20")
	mistake(c.Queue < 0 || c.Queue > mostQueue, "Queue must be 0 to 1<<16")
	mistake(c.Wait < 0 || c.Wait > mostWait, "Wait must be 0 to one minute")
	mistake((c.Queue > 0) != (c.Wait > 0), "Queue and Wait need each other")
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Concurrency{
		slots: c.Slots, name: c.Name, control: "concurrency:" + c.Name, key: c.Key, max: c.Max,
		queue: c.Queue, wait: c.Wait, quiet: c.NoFields, base: time.Now(),
		policy: `"` + c.Name + `";q=` + strconv.Itoa(c.Max) + `;qu="concurrent-requests"`,
	}, nil
}

const nameRule = `Name must be 1 to 30 bytes of printable ASCII without ", \ and /`

func badName(s string) bool {
	return !validName(s) || len(s) > mostName || strings.Contains(s, "/")
}

// Slot is a place that one request holds.
type Slot struct {
	of   *Concurrency
	key  slotKey
	left int
	gone atomic.Bool
}

// Leave gives the place back; the second call and those after it do nothing.
func (s *Slot) Leave() {
	if s != nil && s.of != nil && s.gone.CompareAndSwap(false, true) {
		s.of.slots.leave(s.key)
	}
}

// SetHeader tells how many places the caller has left, as RateLimit and RateLimit-Policy with
// the unit concurrent-requests (draft-ietf-httpapi-ratelimit-headers-11 §3.1.2):
//
//	RateLimit: "inflight";r=3
//	RateLimit-Policy: "inflight";q=10;qu="concurrent-requests"
func (s *Slot) SetHeader(h http.Header) {
	if s != nil && s.of != nil {
		s.of.setHeader(h, s.left)
	}
}

// Enter takes a place for r, which the caller must give back with Leave. The error is an
// *audit.Refusal: ErrInFlight or ErrWaited (429), ErrFull (503), or what Key failed with, as
// Limiter.Take has it.
func (c *Concurrency) Enter(r *http.Request) (*Slot, error) {
	k, left, err := c.enter(r)
	if err != nil {
		return nil, err
	}
	return &Slot{of: c, key: k, left: left}, nil
}

// Wrap lets a request through to next while its caller has a place, and holds it until next
// returns.
func (c *Concurrency) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k, left, err := c.enter(r)
		if err == nil {
			defer c.slots.leave(k)
		}
		if audit.Refused(w, r, err) {
			return
		}
		if err == nil {
			c.setHeader(w.Header(), left)
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Concurrency) enter(r *http.Request) (slotKey, int, error) {
	began := c.base.Add(time.Since(c.base))
	k, left, err := c.take(r)
	step(r.Context(), c.control, began, err)
	return k, left, err
}

func (c *Concurrency) take(r *http.Request) (slotKey, int, error) {
	key, err := c.key(r)
	if err != nil || key == "" || len(key) > MaxKey {
		return slotKey{}, 0, own(c.name, ErrKey, err)
	}
	k := slotKey{c.name, key}
	left, reason := c.slots.enter(r.Context(), k, c.max, c.queue, c.wait)
	if reason == "" {
		return k, left, nil
	}
	audit.Add(r.Context(), slog.String("limit", c.name))
	if reason == ErrFull {
		return k, 0, full(c.name)
	}
	h := http.Header{"Retry-After": {soon}}
	c.setHeader(h, 0)
	return k, 0, &audit.Refusal{
		Reason: reason, Cause: &refusedBy{c.name, r.Context().Err()}, Status: http.StatusTooManyRequests,
		Detail: "too many requests at once: wait for one to be answered", Header: h,
	}
}

func (c *Concurrency) setHeader(h http.Header, left int) {
	if c.quiet {
		return
	}
	put(h, rateLimit, []string{`"` + c.name + `";r=` + strconv.Itoa(left)})
	put(h, rateLimitPolicy, []string{c.policy})
}

// step reports a decision whose error, if any, holds a refusal.
func step(ctx context.Context, control string, began time.Time, err error) {
	reason := audit.Reason("")
	if err != nil {
		var f *audit.Refusal
		errors.As(err, &f)
		reason = f.Reason
	}
	audit.Step(ctx, control, began, reason)
}
