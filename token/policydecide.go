package token

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Verdict is what a decision point says. Only Permit lets pass.
type Verdict uint8

const (
	// Deny is the zero Verdict.
	Deny Verdict = iota
	// Permit lets the request pass.
	Permit
)

// Question is what a decision point is asked: who wants to do what. It holds nothing of the request that could
// change while it is being answered.
type Question struct {
	Grant  Grant
	Method string
	Route  string            // the pattern that matched, empty outside a mux
	Path   string            // of the URL, decoded
	More   map[string]string // from DecisionConfig.More
}

// Decider is an external decision point: OPA, Cedar, an AuthZEN service. An error is an outage. It must heed ctx.
type Decider interface {
	Decide(ctx context.Context, q Question) (Verdict, error)
}

// DeciderFunc is a function that is a Decider.
type DeciderFunc func(ctx context.Context, q Question) (Verdict, error)

// Decide calls f.
func (f DeciderFunc) Decide(ctx context.Context, q Question) (Verdict, error) { return f(ctx, q) }

// DecisionConfig configures NewDecisionPolicy.
type DecisionConfig struct {
	_ [0]func()

	// Decider is asked on every request. Required.
	Decider Decider

	// More gives further facts for the question: path values, header fields. It is called before the Decider, in the
	// request's own goroutine, and makes a new map each time. Nil: none.
	More func(*http.Request) map[string]string

	// Timeout bounds an answer, zero: 500 ms, at most 5 s. MaxInFlight bounds the calls under way, zero: 256.
	Timeout     time.Duration
	MaxInFlight int
}

// NewDecisionPolicy makes a Policy that lets pass what the Decider permits in time. Everything else is refused: a
// denial with 403; an error, a panic, silence and too many calls under way with 503.
func NewDecisionPolicy(c DecisionConfig) (Policy, error) {
	out, err := newOutside("DecisionConfig", c.Timeout, c.MaxInFlight)
	if c.Decider == nil {
		err = errors.Join(errors.New("token: DecisionConfig.Decider is required"), err)
	}
	if err != nil {
		return nil, err
	}
	return func(r *http.Request, g Grant) error {
		if g.by == nil {
			return misplaced()
		}
		q := Question{Grant: g, Method: r.Method, Route: r.Pattern, Path: r.URL.Path}
		if c.More != nil {
			q.More = c.More(r)
		}
		verdict, err := call(r.Context(), out, func(ctx context.Context) (Verdict, error) { return c.Decider.Decide(ctx, q) })
		switch {
		case err != nil:
			return g.refuse(ErrDeciderUnavailable, err, "")
		case verdict != Permit:
			return g.refuse(ErrDenied, nil, "")
		}
		return nil
	}, nil
}
