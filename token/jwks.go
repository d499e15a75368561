package token

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// JWKSConfig configures NewJWKS.
type JWKSConfig struct {
	_ [0]func()

	// URL of the key set, https only; redirects are not followed. File is a path that is read instead; it is
	// to be replaced by renaming. Exactly one of them is required.
	URL, File string

	// TTL is how long a set is current; Cache-Control may shorten it. A key that the issuer took away is refused
	// after it, for tokens verified before too. Zero: 5 min.
	TTL time.Duration

	// MinRefresh is the least time between two fetches, whatever their cause and outcome. Zero: 1 s, and not less.
	MinRefresh time.Duration

	// StaleFor is how long, after the TTL, the last good set still serves while fetches fail. Zero: 1 h.
	StaleFor time.Duration

	// Timeout bounds one fetch. Zero: 3 s.
	Timeout time.Duration

	// TLS replaces the TLS settings of the fetch, for example for a private root. Nil: TLS 1.2 with AEAD suites
	// and up, system roots.
	TLS *tls.Config

	// PrivateHosts names hosts that may resolve to private, loopback or link-local addresses. An address that is
	// written in the URL is its own permission.
	PrivateHosts []string

	// Failed is told of each fetch that failed, by one goroutine at a time; it may be nil. WARNING: the next fetch
	// waits for it, so it must neither block nor ask this source.
	Failed func(error)
}

// JWKS is a KeySource over a key set that somebody else keeps. It fetches on use: at first, after the TTL, and
// for an unknown kid; never twice at once, never more often than MinRefresh, never on a request's own context.
// With Run, it also fetches ahead of the TTL. What replaces the last good set is another good set, nothing else.
type JWKS struct {
	fetch      func(context.Context) (body string, maxAge time.Duration, err error)
	failed     func(error)
	ttl        time.Duration
	minRefresh time.Duration
	staleFor   time.Duration
	timeout    time.Duration

	set     atomic.Pointer[keySet]
	failing atomic.Bool // the last fetch failed

	mu        sync.Mutex
	attempted time.Time     // when the last fetch began
	flight    chan struct{} // closed when the fetch under way has ended
}

// NewJWKS makes a source and fetches nothing yet.
func NewJWKS(c JWKSConfig) (*JWKS, error) {
	fill := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	fill(&c.TTL, 5*time.Minute)
	fill(&c.MinRefresh, time.Second)
	fill(&c.StaleFor, time.Hour)
	fill(&c.Timeout, 3*time.Second)
	var all []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Errorf("token: JWKSConfig."+format, args...))
		}
	}
	wrong((c.URL == "") == (c.File == ""), "URL or File is required, and not both")
	wrong(c.TTL < time.Second, "TTL is less than 1 s")
	wrong(c.MinRefresh < time.Second, "MinRefresh is less than 1 s")
	wrong(c.StaleFor < 0, "StaleFor is negative")
	wrong(c.Timeout < 0 || c.Timeout > 30*time.Second, "Timeout is not within 0 and 30 s")
	s := &JWKS{
		failed: c.Failed, ttl: max(c.TTL, c.MinRefresh), minRefresh: c.MinRefresh, staleFor: c.StaleFor, timeout: c.Timeout,
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			all = append(all, errors.New("token: JWKSConfig.URL is not an https URL"))
		} else {
			s.fetch = fetchURL(u, c.TLS, c.PrivateHosts)
		}
	} else {
		s.fetch = fetchFile(c.File)
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return s, nil
}

const errStale = constant("token: no current key set")

// Find gives the keys of kid. For a kid that the current set does not have, the set is fetched once more, if
// the last fetch was long enough ago; while fetches fail, an unknown kid is an outage: nobody can tell.
func (s *JWKS) Find(ctx context.Context, kid string) ([]Key, error) {
	return copies(s.lookup(ctx, kid))
}

// lookup is Find for who only reads the keys.
func (s *JWKS) lookup(ctx context.Context, kid string) ([]Key, error) {
	now := time.Now()
	set := s.set.Load()
	if set != nil && now.Before(set.until) {
		if keys := set.byID[kid]; keys != nil {
			return keys, nil
		}
		return s.findAgain(ctx, kid, now)
	}
	waits := set == nil || set.byID[kid] == nil || !s.failing.Load() // else the stale set serves meanwhile
	if done := s.refresh(now); done != nil && waits {
		if err := wait(ctx, done); err != nil {
			return nil, err
		}
		now = time.Now()
	}
	set = s.set.Load()
	if set == nil || now.After(set.until.Add(s.staleFor)) {
		return nil, errStale
	}
	keys := set.find(kid, now, s.minRefresh)
	if keys == nil && s.failing.Load() {
		return nil, errStale
	}
	return keys, nil
}

func (s *JWKS) findAgain(ctx context.Context, kid string, now time.Time) ([]Key, error) {
	if done := s.refresh(now); done != nil {
		if err := wait(ctx, done); err != nil {
			return nil, err
		}
	}
	keys := s.set.Load().find(kid, now, s.minRefresh)
	if keys == nil && s.failing.Load() {
		return nil, errStale
	}
	return keys, nil
}

func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refresh gives the channel of the fetch under way, begins one if the last is long enough ago, or gives nil.
func (s *JWKS) refresh(now time.Time) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight
	}
	if !s.attempted.IsZero() && now.Sub(s.attempted) < s.minRefresh {
		return nil
	}
	s.attempted = now
	done := make(chan struct{})
	s.flight = done
	go func() {
		err := s.load()
		s.failing.Store(err != nil)
		if err != nil && s.failed != nil {
			s.failed(err)
		}
		s.mu.Lock()
		s.flight = nil
		s.mu.Unlock()
		close(done)
	}()
	return done
}

func (s *JWKS) load() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	began := time.Now() // the answer is as old as the question
	body, maxAge, err := s.fetch(ctx)
	if err != nil {
		return err
	}
	old := s.set.Load()
	set, err := readKeySet(body, old)
	if err != nil {
		return err
	}
	set.lasts(began, began.Add(max(min(s.ttl, maxAge), s.minRefresh)))
	s.set.Store(set)
	old.retire(set)
	return nil
}

// Run fetches ahead of time until ctx ends, so that no request waits. It returns ctx's error.
func (s *JWKS) Run(ctx context.Context) error {
	for {
		if done := s.refresh(time.Now()); done != nil {
			if err := wait(ctx, done); err != nil {
				return err
			}
		}
		timer := time.NewTimer(s.pause())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// pause is until three quarters of the set's time are over, or until the next attempt after a failure.
func (s *JWKS) pause() time.Duration {
	set := s.set.Load()
	if set == nil || s.failing.Load() {
		return s.minRefresh
	}
	return max(time.Until(set.fetched.Add(set.until.Sub(set.fetched)*3/4)), s.minRefresh)
}

// Ready is nil when a set is at hand that still counts, current or stale: for a readiness probe. It fetches nothing.
func (s *JWKS) Ready() error {
	set := s.set.Load()
	if set == nil || time.Now().After(set.until.Add(s.staleFor)) {
		return errStale
	}
	return nil
}
