package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	defaultConsents                    = 1 << 16
	defaultConsentTTL, limitConsentTTL = time.Minute, time.Hour
)

// ConsentCacheConfig configures NewConsentCache.
type ConsentCacheConfig struct {
	_ [0]func()

	// Consents is asked for what the cache does not hold. Required.
	Consents Consents

	// TTL bounds how long an answer is believed when nobody calls Invalidate. Zero: 1 min, at most 1 h.
	TTL time.Duration

	// Capacity is how many consents are held. Zero: 65536. Those used longest ago give way.
	Capacity int

	// Timeout bounds an answer, zero: 500 ms, at most 5 s. MaxInFlight bounds the calls under way, zero: 256.
	Timeout     time.Duration
	MaxInFlight int
}

// ConsentCache is Consents that remember. Requests that need the same consent at once share one call, which does
// not end with any of them. What is unknown and what failed is not remembered. Share one cache among all policies.
type ConsentCache struct {
	consents Consents
	ttl      time.Duration
	out      *outside

	mu      sync.Mutex
	lru     *simplelru.LRU[consentName, heldConsent]
	lookups map[consentName]*lookup
}

type heldConsent struct {
	consent Consent
	until   time.Time
}

// lookup is one call that is under way.
type lookup struct {
	done    chan struct{}
	consent Consent
	err     error
}

// NewConsentCache makes an empty cache, or reports every mistake in c.
func NewConsentCache(c ConsentCacheConfig) (*ConsentCache, error) {
	if c.TTL == 0 {
		c.TTL = defaultConsentTTL
	}
	if c.Capacity == 0 {
		c.Capacity = defaultConsents
	}
	var all []error
	if c.Consents == nil {
		all = append(all, errors.New("token: ConsentCacheConfig.Consents is required"))
	}
	if _, nested := c.Consents.(*ConsentCache); nested {
		all = append(all, errors.New("token: ConsentCacheConfig.Consents is a ConsentCache already"))
	}
	if c.TTL < 0 || c.TTL > limitConsentTTL {
		all = append(all, fmt.Errorf("token: ConsentCacheConfig.TTL is not within 0 and %v", limitConsentTTL))
	}
	out, err := newOutside("ConsentCacheConfig", c.Timeout, c.MaxInFlight)
	all = append(all, err)
	lru, err := simplelru.NewLRU[consentName, heldConsent](c.Capacity, nil)
	if err != nil {
		all = append(all, errors.New("token: ConsentCacheConfig.Capacity is negative"))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return &ConsentCache{consents: c.Consents, ttl: c.TTL, out: out, lru: lru, lookups: map[consentName]*lookup{}}, nil
}

// Consent gives what is remembered, or asks.
func (c *ConsentCache) Consent(ctx context.Context, issuer, id string) (Consent, error) {
	name := consentName{issuer, id}
	c.mu.Lock()
	if held, ok := c.lru.Get(name); ok {
		if time.Now().Before(held.until) {
			c.mu.Unlock()
			return held.consent.clone(), nil
		}
		c.lru.Remove(name)
	}
	f := c.lookups[name]
	if f == nil {
		f = &lookup{done: make(chan struct{})}
		c.lookups[name] = f
		go c.fly(context.WithoutCancel(ctx), name, f)
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.consent.clone(), f.err
	case <-ctx.Done():
		return Consent{}, ctx.Err()
	}
}

// fly asks for everybody who waits. Its answer is remembered only if nobody called Invalidate since it began.
func (c *ConsentCache) fly(ctx context.Context, name consentName, f *lookup) {
	until := time.Now().Add(c.ttl) // from when it was asked: the answer may be as old as that
	f.consent, f.err = call(ctx, c.out, func(ctx context.Context) (Consent, error) {
		consent, err := c.consents.Consent(ctx, name.issuer, name.id)
		return consent.clone(), err
	})
	c.mu.Lock()
	if c.lookups[name] == f {
		delete(c.lookups, name)
		if f.err == nil {
			c.lru.Add(name, heldConsent{f.consent, until})
		}
	}
	c.mu.Unlock()
	close(f.done)
}

// Invalidate forgets a consent: requests that come later ask anew, and do not join a call that began before. Whoever
// changes or withdraws a consent calls it after the change is stored.
func (c *ConsentCache) Invalidate(issuer, id string) {
	name := consentName{issuer, id}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(name)
	delete(c.lookups, name)
}
