package ratelimit

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Config describes a Limiter.
type Config struct {
	_ [0]func()

	// Store counts. Limiters that share one do not share counts, unless they have one Name.
	Store Store

	// Name tells this limiter from others: in RateLimit, in the record, and in the store.
	// Up to 30 bytes of printable ASCII without double quote, backslash and slash.
	Name string

	// Key says who is calling. An empty key is an error, and so is one above MaxKey bytes.
	// An *audit.Refusal it returns is passed on; any other error is 500.
	Key func(*http.Request) (string, error)

	// Limits are the same for everybody. All hold at once. A single one needs no name; of
	// several each has its own, shown as "limiter/name".
	Limits []Limit

	// LimitsOf, in place of Limits, gives those of one caller: tiers, or limits that change
	// while running. No limits are an error, never a free pass. Errors are treated as Key's.
	LimitsOf func(*http.Request) ([]Limit, error)

	// Cost is what a request takes from every limit; 0 means 1.
	Cost int64

	// CostOf, in place of Cost, prices one request, 1 or more. Errors are treated as Key's.
	CostOf func(*http.Request) (int64, error)

	// Exempt lets a request pass that this limiter is not for: uncounted, without fields. An
	// error is treated as Key's. Nil exempts nothing.
	Exempt func(*http.Request) (bool, error)

	// Penalty is what a refusal made further in costs the caller in addition, by its reason; 0
	// or less is nothing. It tightens the limit of whoever fails: a peer may send 1000 good
	// requests a minute, but only 20 forged ones when each costs 50 more. Penalize must be told
	// of the refusals. It is fast and safe for concurrent use. Those that audit.Config.Waive
	// let pass count as well.
	//
	// WARNING: Key must be what nobody else can present: PeerAddress, or ByCertificate. Under a
	// client id that a request claims, anybody who knows it locks that client out. Name the
	// reasons of forgery and guessing, such as a bad signature; an outage, an expired token or
	// a missing nonce is no attack.
	Penalty func(audit.Reason) int64

	// NoFields leaves the RateLimit and RateLimit-Policy fields out: for a limit that callers
	// need not know. Retry-After stays.
	NoFields bool
}

// mostName leaves a limit's name as much room again, and the slash.
const mostName = 30

// Limiter refuses requests that go beyond the limits of their caller.
type Limiter struct {
	store    Store
	name     string
	control  string
	key      func(*http.Request) (string, error)
	parts    func(*http.Request) ([]string, error) // nil: a request is counted for its caller once
	plan     *plan                                 // nil: limitsOf and plans
	limitsOf func(*http.Request) ([]Limit, error)
	plans    plans
	cost     int64
	costOf   func(*http.Request) (int64, error)
	exempt   func(*http.Request) (bool, error)
	penalty  func(audit.Reason) int64
	quiet    bool
	base     time.Time
}

// New makes a Limiter. All mistakes in c are reported at once.
func New(c Config) (*Limiter, error) {
	l := &Limiter{
		store: c.Store, name: c.Name, control: "ratelimit:" + c.Name, key: c.Key,
		limitsOf: c.LimitsOf, cost: max(c.Cost, 1), costOf: c.CostOf,
		exempt: c.Exempt, penalty: c.Penalty, quiet: c.NoFields, base: time.Now(),
	}
	var errs []error
	mistake := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("ratelimit: "+text))
		}
	}
	mistake(c.Store == nil, "Config.Store is missing")
	mistake(badName(c.Name), "Config."+nameRule)
	mistake(c.Key == nil, "Config.Key is missing")
	mistake(len(c.Limits) == 0 && c.LimitsOf == nil, "Config.Limits or Config.LimitsOf is missing")
	mistake(len(c.Limits) > 0 && c.LimitsOf != nil, "Config.Limits and Config.LimitsOf exclude each other")
	mistake(c.Cost < 0, "Config.Cost is negative")
	mistake(c.Cost != 0 && c.CostOf != nil, "Config.Cost and Config.CostOf exclude each other")
	if len(c.Limits) > 0 && !badName(c.Name) {
		p, err := newPlan(c.Name, c.Limits)
		if err != nil {
			errs = append(errs, err)
		} else {
			errs = append(errs, l.fits(p)...)
		}
		l.plan = p
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return l, nil
}

// fits finds fixed limits that the cost can never pass or that the store does not serve.
func (l *Limiter) fits(p *plan) (errs []error) {
	for i := range p.limits {
		if l.costOf == nil && l.cost > p.limits[i].burst() {
			errs = append(errs, errors.New("ratelimit: Config.Cost is above the burst of a limit: no request could pass"))
		}
	}
	if s, ok := l.store.(interface{ Check([]Limit) error }); ok {
		if err := s.Check(p.limits); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Wrap lets a request through to next while its caller is within the limits.
func (l *Limiter) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := l.Take(r)
		if audit.Refused(w, r, err) {
			return
		}
		if err == nil { // a refusal that was waived leaves no trace in the answer
			res.SetHeader(w.Header())
		}
		if l.penalty != nil {
			l.punish(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Take counts r. The error is an *audit.Refusal: ErrExceeded (429), ErrNever (403),
// ErrUnavailable (503), one that the Config's functions made, or a failure of theirs (500).
// The Result tells of ErrExceeded and ErrNever too.
func (l *Limiter) Take(r *http.Request) (Result, error) {
	began := l.base.Add(time.Since(l.base)) // the monotonic clock alone: Step needs no date
	res, err := l.take(r)
	step(r.Context(), l.control, began, err)
	return res, err
}

func (l *Limiter) take(r *http.Request) (Result, error) {
	if is, err := l.exempted(r); is || err != nil {
		return Result{OK: is}, err
	}
	key, p, err := l.caller(r)
	if err != nil {
		return Result{}, err
	}
	cost := l.cost
	if l.costOf != nil {
		if cost, err = l.costOf(r); err != nil || cost < 1 {
			return Result{}, own(l.name, ErrCost, err)
		}
	}
	var res Result
	if l.parts != nil {
		if res, err = l.takeEach(r, key, p.limits); err != nil {
			return Result{}, err
		}
	} else if res, err = l.store.Take(r.Context(), key, cost, p.limits); err != nil {
		return Result{}, unavailable(l.name, err)
	}
	res.policy, res.quiet = p.policy, l.quiet
	if res.OK {
		return res, nil
	}
	audit.Add(r.Context(), slog.String("limit", res.Limit.Name))
	if res.Never {
		return res, never(l.name)
	}
	return res, exceeded(l.name, res)
}

// exempted tells whether the limiter is not for r.
func (l *Limiter) exempted(r *http.Request) (bool, error) {
	if l.exempt == nil {
		return false, nil
	}
	is, err := l.exempt(r)
	if err != nil {
		return false, own(l.name, ErrKey, err)
	}
	return is, nil
}

// caller is whom r is counted for, and under which limits.
func (l *Limiter) caller(r *http.Request) (string, *plan, error) {
	key, err := l.key(r)
	if err != nil || key == "" || len(key) > MaxKey {
		return "", nil, own(l.name, ErrKey, err)
	}
	if l.plan != nil {
		return key, l.plan, nil
	}
	given, err := l.limitsOf(r)
	if err != nil {
		return "", nil, own(l.name, ErrLimits, err)
	}
	p, err := l.plans.of(l.name, given)
	if err != nil {
		return "", nil, own(l.name, ErrLimits, err)
	}
	return key, p, nil
}
