package token

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Statuses of a Consent. A bank's own words may stand beside them: ConsentConfig.Active.
const (
	ConsentActive    = "active"
	ConsentWithdrawn = "withdrawn"
)

// Consent is what a customer agreed to. The zero Consent permits nothing.
type Consent struct {
	Status      string
	Permissions []string
	Accounts    []string  // to which the permissions apply
	Expires     time.Time // required: a consent without an end has ended

	// Client and Subject are whom it was given to, and by whom. Empty: not compared with the token.
	Client, Subject string
}

// Consents knows what customers agreed to. An error that is ErrConsentUnknown says that there is no such consent,
// any other is an outage.
type Consents interface {
	Consent(ctx context.Context, issuer, id string) (Consent, error)
}

// ConsentsFunc is a function that is Consents.
type ConsentsFunc func(ctx context.Context, issuer, id string) (Consent, error)

// Consent calls f.
func (f ConsentsFunc) Consent(ctx context.Context, issuer, id string) (Consent, error) {
	return f(ctx, issuer, id)
}

// clone gives a copy that shares nothing.
func (c Consent) clone() Consent {
	c.Permissions, c.Accounts = slices.Clone(c.Permissions), slices.Clone(c.Accounts)
	return c
}

// consentName is unambiguous: the id of a consent means something only together with its issuer.
type consentName struct{ issuer, id string }

// MemoryConsents are Consents in the memory of one process: for tests, and for a bank that is told of every change.
// They are safe for concurrent use, and what is put or withdrawn counts from the next call on.
type MemoryConsents struct {
	mu       sync.RWMutex
	capacity int
	byName   map[consentName]Consent
}

var errConsentsFull = errors.New("token: MemoryConsents: full")

// NewMemoryConsents makes Consents of at most capacity entries.
func NewMemoryConsents(capacity int) (*MemoryConsents, error) {
	if capacity < 1 {
		return nil, errors.New("token: NewMemoryConsents: capacity is not positive")
	}
	return &MemoryConsents{capacity: capacity, byName: map[consentName]Consent{}}, nil
}

// Consent gives the consent of that name.
func (m *MemoryConsents) Consent(_ context.Context, issuer, id string) (Consent, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c, ok := m.byName[consentName{issuer, id}]
	if !ok {
		return Consent{}, ErrConsentUnknown
	}
	return c.clone(), nil
}

// Put adds or replaces a consent. When there is no room it forgets those that have expired, which changes no
// answer but the reason; it is an error when there still is none.
func (m *MemoryConsents) Put(issuer, id string, c Consent) error {
	if issuer == "" || id == "" {
		return errors.New("token: MemoryConsents: an empty issuer or id")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := consentName{issuer, id}
	if _, known := m.byName[name]; !known && len(m.byName) >= m.capacity {
		now := time.Now()
		for n, old := range m.byName {
			if !now.Before(old.Expires) {
				delete(m.byName, n)
			}
		}
		if len(m.byName) >= m.capacity {
			return errConsentsFull
		}
	}
	m.byName[name] = c.clone()
	return nil
}

// Withdraw makes a consent ConsentWithdrawn: false when there is none of that name.
func (m *MemoryConsents) Withdraw(issuer, id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := consentName{issuer, id}
	c, ok := m.byName[name]
	if ok {
		c.Status = ConsentWithdrawn
		m.byName[name] = c
	}
	return ok
}
