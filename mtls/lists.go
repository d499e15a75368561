package mtls

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// maxLists bounds one file of revocation lists, in bytes.
const maxLists = 64 << 20

// lists are the revocation lists of all files. They never change.
type lists struct {
	files    [][]*crl
	byIssuer map[string][]*crl // by the issuer's name, DER
}

func newLists(files [][]*crl) *lists {
	l := &lists{files: files, byIssuer: map[string][]*crl{}}
	for _, file := range files {
		for _, c := range file {
			name := string(c.list.RawIssuer)
			l.byIssuer[name] = append(l.byIssuer[name], c)
		}
	}
	return l
}

// check says whether a certificate of a verified chain was revoked, leaf first, anchor last. Each needs
// a list of its own issuer that is fresh; one that is stale still knows what was revoked. The anchor
// stands by itself: it is revoked by taking it out of the anchors.
func (l *lists) check(chain []*x509.Certificate, now time.Time) error {
	known := true
	for i, cert := range chain[:len(chain)-1] {
		fresh := false
		for _, c := range l.byIssuer[string(chain[i+1].RawSubject)] {
			if !c.scope.covers(cert) || !c.signedBy(chain[i+1]) {
				continue
			}
			if c.names(cert) {
				return ErrRevoked
			}
			fresh = fresh || !c.staleAt(now)
		}
		known = known && fresh
	}
	if !known {
		return ErrRevocationUnknown
	}
	return nil
}

// stale tells which lists are over: whoever needs them is refused until there are new ones.
func (l *lists) stale(now time.Time) error {
	var errs []error
	for _, file := range l.files {
		for _, c := range file {
			if c.staleAt(now) {
				errs = append(errs, fmt.Errorf("revocation list: over since %s", c.list.NextUpdate.UTC().Format(time.RFC3339)))
			}
		}
	}
	return errors.Join(errs...)
}

// parseLists reads the lists of one file, DER or PEM. A list is not taken when it is over, when it is
// older than the one held, or when somebody is known whose name it bears and who did not sign it.
func parseLists(data []byte, trust *anchors, held []*crl, now time.Time) ([]*crl, error) {
	encodings := [][]byte{data}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		found, err := blocks(data)
		if err != nil {
			return nil, fmt.Errorf("revocation lists: %w", err)
		}
		encodings = encodings[:0]
		for i, block := range found {
			if block.Type != "X509 CRL" {
				return nil, fmt.Errorf("revocation lists: PEM block %d is not a revocation list", i+1)
			}
			encodings = append(encodings, block.Bytes)
		}
	}
	file := make([]*crl, 0, len(encodings))
	for i, der := range encodings {
		c, err := parseCRL(der, now)
		if err == nil {
			err = c.acceptable(trust, held, now)
		}
		if err != nil {
			return nil, fmt.Errorf("revocation list %d: %w", i+1, err)
		}
		file = append(file, c)
	}
	return file, nil
}

func (c *crl) acceptable(trust *anchors, held []*crl, now time.Time) error {
	if c.staleAt(now) {
		return fmt.Errorf("over since %s", c.list.NextUpdate.UTC().Format(time.RFC3339))
	}
	known, signed := false, false
	try := func(issuer *x509.Certificate) {
		if issuer != nil && bytes.Equal(issuer.RawSubject, c.list.RawIssuer) {
			known = true
			signed = signed || c.signedBy(issuer)
		}
	}
	if trust != nil {
		for _, anchor := range trust.listed {
			try(anchor)
		}
	}
	for _, old := range held {
		if c.replaces(old) {
			try(old.signer.Load())
			if c.olderThan(old) {
				return errors.New("older than the list that is held")
			}
		}
	}
	if known && !signed {
		return errors.New("not signed by its issuer, or by one that may not sign lists")
	}
	return nil
}

// listed files are digested one by one, so that a bad one does not hold back the others.
func (s *Source) loadLists(held *lists, trust *anchors) (*lists, error) {
	if len(s.crls) == 0 {
		return nil, nil
	}
	files, changed := make([][]*crl, len(s.crls)), held == nil
	var errs []error
	now := time.Now()
	for i := range s.crls {
		var before []*crl
		if held != nil {
			before = held.files[i]
		}
		digest := s.crls[i].digest
		after, err := s.crls[i].load(before, func(contents [][]byte) ([]*crl, error) {
			return parseLists(contents[0], trust, before, now)
		})
		if err != nil {
			errs = append(errs, err)
		}
		files[i] = after
		changed = changed || digest != s.crls[i].digest
	}
	if !changed {
		return held, errors.Join(append(errs, held.stale(now))...)
	}
	next := newLists(files)
	return next, errors.Join(append(errs, next.stale(now))...)
}
