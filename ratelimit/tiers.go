package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// Tiers are the limits of several plans by name, which can be replaced while requests run: a
// request sees either all the old ones or all the new ones.
//
// A limit that stays as it was keeps its counts. One that is changed begins full, so that a
// replacement gives each caller at most one burst more.
type Tiers struct {
	now atomic.Pointer[map[string][]Limit]
}

// NewTiers makes Tiers; its errors are those of Replace.
func NewTiers(tiers map[string][]Limit) (*Tiers, error) {
	t := new(Tiers)
	if err := t.Replace(tiers); err != nil {
		return nil, err
	}
	return t, nil
}

// Replace puts tiers in place of those that hold now. When anything is wrong with them, all
// of it is reported, tier by tier, and the old ones stay. At most 64 tiers are taken.
func (t *Tiers) Replace(tiers map[string][]Limit) error {
	var errs []error
	if len(tiers) == 0 || len(tiers) > mostPlans {
		errs = append(errs, fmt.Errorf("ratelimit: Tiers takes 1 to %d tiers", mostPlans))
	}
	kept := make(map[string][]Limit, len(tiers))
	for name, limits := range tiers {
		if _, err := newPlan("tier", limits); err != nil {
			errs = append(errs, fmt.Errorf("tier %q: %w", name, err))
		}
		kept[name] = slices.Clone(limits)
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return errors.Join(errs...)
	}
	t.now.Store(&kept)
	return nil
}

// Of is a Config.LimitsOf: the limits of the tier that tier names. A tier that is not there is
// an error, so a plan must be added before the first customer has it.
func (t *Tiers) Of(tier func(*http.Request) (string, error)) func(*http.Request) ([]Limit, error) {
	return func(r *http.Request) ([]Limit, error) {
		name, err := tier(r)
		if err != nil {
			return nil, err
		}
		limits, ok := (*t.now.Load())[name]
		if !ok {
			return nil, errNoTier
		}
		return limits, nil
	}
}

var errNoTier = errors.New("ratelimit: no such tier")
