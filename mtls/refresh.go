package mtls

import (
	"context"
	"errors"
	"time"
)

// patience is the longest that a handshake waits for a look at the files that it began itself.
const patience = time.Second

// Run looks at the files every SourceConfig.Interval until ctx ends, and returns the error of ctx.
// A Source works without it too, looking when it is used.
func (s *Source) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			s.look(true)
		}
	}
}

// LastError tells why the last look at the files failed; nil when what is held is what the files have.
func (s *Source) LastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// current gives what is held, after a look at the files when one is due. Only the caller that begins
// the look waits for it, and not long: a file system that hangs delays one handshake per interval.
func (s *Source) current() *material {
	if done := s.look(false); done != nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		}
	}
	return s.held.Load()
}

// look begins a look at the files when one is due, or at once when it is forced. It gives nil when it
// began none. The look runs on no caller's context: a client that goes away does not end it.
func (s *Source) look(forced bool) <-chan struct{} {
	if len(s.pair.paths) == 0 && len(s.trust.paths) == 0 && len(s.crls) == 0 {
		return nil
	}
	if !forced && int64(time.Since(s.made)) < s.next.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.made)
	if !forced && int64(now) < s.next.Load() {
		return nil
	}
	s.next.Store(int64(now + s.interval))
	if s.looking {
		s.last = errors.New("mtls: the last look at the files has not ended")
		return nil
	}
	s.looking = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.refresh()
	}()
	return done
}

// refresh takes what the files have and tells what could not be taken. s.looking keeps a second one
// out until the first has told.
func (s *Source) refresh() {
	held := s.held.Load()
	next, err := s.load(held)
	if *next != *held {
		next.generation++
		s.held.Store(next)
	}
	if err != nil {
		err = errors.Join(errors.New("mtls: files not taken"), err)
	}
	s.mu.Lock()
	told := err == nil || (s.last != nil && s.last.Error() == err.Error())
	s.last = err
	s.mu.Unlock()
	if !told && s.onError != nil {
		s.onError(err)
	}
	s.mu.Lock()
	s.looking = false
	s.mu.Unlock()
}

// load reads all parts: one that cannot be taken does not hold back the others. On error the material
// has the part that was held.
func (s *Source) load(held *material) (*material, error) {
	pair, pairErr := s.pair.load(held.certificate, parsePair)
	trust, trustErr := s.trust.load(held.anchors, parseAnchors)
	if pairErr == nil && pair != nil {
		pairErr = usable(pair, time.Now()) // what is held may have expired since it was taken
	}
	revoked, revokedErr := s.loadLists(held.lists, trust)
	next := &material{certificate: pair, anchors: trust, lists: revoked, generation: held.generation}
	return next, errors.Join(pairErr, trustErr, revokedErr)
}
