package token

import (
	"net/http"
	"slices"
)

// All demands what each of the policies demands, in order, and stops at the first refusal. Without policies it
// refuses; it panics on a nil one.
func All(policies ...Policy) Policy {
	policies = mustBePolicies("All", policies)
	return func(r *http.Request, g Grant) error {
		if len(policies) == 0 {
			return g.refuse(ErrNoPolicy, nil, "")
		}
		for _, p := range policies {
			if err := p(r, g); err != nil {
				return err
			}
		}
		return nil
	}
}

// Any lets pass what one of the policies lets pass, asked in order. When none does, the first outage is the
// answer, because nobody knows what that policy would have said; without an outage it is the first refusal. An
// outage by itself never lets pass. Without policies Any refuses; it panics on a nil one.
func Any(policies ...Policy) Policy {
	policies = mustBePolicies("Any", policies)
	return func(r *http.Request, g Grant) error {
		if len(policies) == 0 {
			return g.refuse(ErrNoPolicy, nil, "")
		}
		var first error
		for _, p := range policies {
			err := p(r, g)
			switch {
			case err == nil:
				return nil
			case first == nil, isOutage(err) && !isOutage(first):
				first = err
			}
		}
		return first
	}
}

func mustBePolicies(name string, policies []Policy) []Policy {
	for _, p := range policies {
		if p == nil {
			panic("token: " + name + ": nil policy")
		}
	}
	return slices.Clone(policies)
}
