package ratelimit

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
)

// plan is a list of limits made ready for requests.
type plan struct {
	given  []Limit // as the Config or LimitsOf wrote it
	limits []Limit // the same under the limiter's name
	policy string  // RateLimit-Policy
}

// newPlan checks limits and names them: limiter, or limiter/name.
func newPlan(limiter string, given []Limit) (*plan, error) {
	p := &plan{given: slices.Clone(given), limits: slices.Clone(given)}
	var policy []byte
	seen := make(map[string]bool, len(given))
	for i := range p.limits {
		l := &p.limits[i]
		if strings.Contains(l.Name, "/") {
			return nil, errors.New("ratelimit: a limit's name must not contain a slash")
		}
		l.Name = strings.TrimSuffix(limiter+"/"+l.Name, "/")
		if seen[l.Name] {
			return nil, errors.New("ratelimit: limits of one limiter need different names")
		}
		seen[l.Name] = true
		if i > 0 {
			policy = append(policy, ", "...)
		}
		policy = appendPolicy(policy, *l)
	}
	if Check("key", 1, p.limits) != nil {
		return nil, errors.New("ratelimit: 1 to 8 limits are needed, each with a printable name, " +
			"Count 1 to 1e12, Period 1 ms to 366 days, Burst up to 1e12 and filled within 366 days")
	}
	p.policy = string(policy)
	return p, nil
}

// mostPlans bounds what is remembered of LimitsOf: tiers are few.
const mostPlans = 64

// plans remembers the plans of the lists that LimitsOf gives, by what is in them: a list that
// its owner changes later is another list. At mostPlans all are forgotten and made ready again.
type plans struct{ known atomic.Pointer[[]*plan] }

func (c *plans) of(limiter string, given []Limit) (*plan, error) {
	known := c.known.Load()
	if known != nil {
		for _, p := range *known {
			if slices.Equal(p.given, given) {
				return p, nil
			}
		}
	}
	p, err := newPlan(limiter, given)
	if err != nil {
		return nil, err
	}
	var more []*plan
	if known != nil && len(*known) < mostPlans {
		more = slices.Clone(*known)
	}
	more = append(more, p)
	c.known.CompareAndSwap(known, &more) // lost to another request: made ready again next time
	return p, nil
}
