package mtls

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"time"
)

const (
	maxAsking = 64 // questions under way

	// ocspRetry is how long a responder is not asked again about a certificate of which it gave no good answer.
	ocspRetry = 10 * time.Second
)

var (
	errOCSPNobody = words("mtls: OCSP: no responder for the certificate")
	errOCSPBusy   = words("mtls: OCSP: too many questions under way")
	errOCSPOlder  = words("mtls: OCSP: answer older than the one held")
)

// ocspKey is a certificate and the key that signed it.
type ocspKey struct{ cert, issuer [sha256.Size]byte }

func ocspKeyOf(cert, issuer *x509.Certificate) ocspKey {
	return ocspKey{sha256.Sum256(cert.Raw), sha256.Sum256(issuer.RawSubjectPublicKeyInfo)}
}

// ocspEntry is what is known of one certificate; OCSP.mu guards it.
type ocspEntry struct {
	known   bool
	revoked bool
	made    time.Time // the answer's thisUpdate
	until   time.Time // a good answer counts until then
	renew   time.Time // who asks after it begins a question

	flight *ocspFlight // the question under way
	failed error       // of the last question
	retry  time.Time   // no other before it
}

// ocspFlight is one question, for all who wait for it.
type ocspFlight struct {
	done chan struct{}
	err  error // set before done is closed
}

// verdict is what the entry says at now; sure is false when it says nothing.
func (e *ocspEntry) verdict(now time.Time) (err error, sure bool) {
	switch {
	case !e.known:
		return nil, false
	case e.revoked:
		return ErrRevoked, true
	}
	return nil, !now.After(e.until)
}

// remembered is Revoked where nothing is to be asked: nothing is allocated and nobody waits.
func (o *OCSP) remembered(chain []*x509.Certificate, now time.Time) (err error, sure bool) {
	if len(chain) > maxOCSPChain {
		return nil, false
	}
	for i := range len(chain) - 1 {
		key := ocspKeyOf(chain[i], chain[i+1])
		o.mu.RLock()
		e, held := o.kept[key]
		if held {
			err, sure = e.verdict(now)
			sure = sure && !now.After(e.renew)
		}
		o.mu.RUnlock()
		if !held || !sure || err != nil {
			return err, held && sure
		}
	}
	return nil, true
}

// begin says what is known of cert, or gives the question to wait for.
func (o *OCSP) begin(cert, issuer *x509.Certificate, now time.Time) (*ocspFlight, error) {
	key := ocspKeyOf(cert, issuer)
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entry(key)
	verdict, sure := e.verdict(now)
	if sure && !now.After(e.renew) {
		return nil, verdict
	}
	switch {
	case e.flight != nil:
	case now.Before(e.retry):
		if !sure {
			return nil, e.failed
		}
	default:
		if err := o.start(e, cert, issuer, now); err != nil && !sure {
			return nil, err
		}
	}
	if sure {
		return nil, verdict
	}
	return e.flight, nil
}

// entry gives the place of a certificate, and makes room for it; o.mu is held. Places of questions under way
// stay: whoever asks again joins them.
func (o *OCSP) entry(key ocspKey) *ocspEntry {
	if e, held := o.kept[key]; held {
		return e
	}
	if len(o.kept) >= o.maxKept {
		// What goes is asked again when it is needed. Several go, so that not every new one searches.
		room := o.forget(1+o.maxKept/16, false)
		o.forget(room, true)
	}
	e := new(ocspEntry)
	o.kept[key] = e
	return e
}

// forget drops up to n entries that are revoked, or are not, and gives how many are left to drop; o.mu is held. Those
// that are go last: an answer from before, which somebody repeats, would count again.
func (o *OCSP) forget(n int, revoked bool) int {
	for old, e := range o.kept {
		if n == 0 {
			break
		}
		if e.flight == nil && e.revoked == revoked {
			delete(o.kept, old)
			n--
		}
	}
	return n
}

// start begins a question, on nobody's context: who asked first may go away. o.mu is held.
func (o *OCSP) start(e *ocspEntry, cert, issuer *x509.Certificate, now time.Time) error {
	if o.asking >= maxAsking {
		return errOCSPBusy
	}
	target, err := o.target(cert, now)
	if err != nil {
		e.failed, e.retry = err, now.Add(ocspPause)
		return err
	}
	f := &ocspFlight{done: make(chan struct{})}
	e.flight = f
	o.asking++
	go func() {
		answer, reached, err := o.question(target, cert, issuer)
		failure := o.land(e, f, target, answer, reached, err)
		close(f.done)
		if failure != nil && o.onError != nil {
			o.telling.Lock()
			defer o.telling.Unlock()
			o.onError(failure)
		}
	}()
	return nil
}

// question asks target. Reached tells whether an answer came, good or not.
func (o *OCSP) question(target string, cert, issuer *x509.Certificate) (answer *ocspAnswer, reached bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	defer func() {
		// No handler is there to catch it, and what is read here a stranger may have written.
		if recover() != nil {
			answer, reached, err = nil, true, errOCSPMalformed
		}
	}()
	request, err := ocspQuestion(cert, issuer, o.hash)
	if err != nil {
		return nil, true, err
	}
	raw, err := o.ask(ctx, target, request)
	if err != nil {
		return nil, false, err
	}
	answer, err = readOCSP(raw, cert, issuer, time.Now(), o.maxAge)
	return answer, true, err
}

// land keeps what a question brought, and gives what is to be told.
func (o *OCSP) land(e *ocspEntry, f *ocspFlight, target string, answer *ocspAnswer, reached bool, err error) (told error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asking--
	e.flight = nil
	now := time.Now()
	if reached {
		delete(o.failing, target)
	} else {
		told = o.fail(target, err, now)
	}
	if err == nil {
		err = o.store(e, answer, now)
	}
	if err != nil && !errors.Is(err, ErrRevoked) {
		e.failed, e.retry = err, now.Add(ocspRetry)
		if !reached { // and one certificate does not make a responder look gone
			e.retry = now.Add(ocspPause)
		}
		if verdict, sure := e.verdict(now); sure { // what was known before still counts
			err = verdict
		}
	}
	f.err = err
	return told
}

// store keeps an answer that was found good, and gives its verdict; o.mu is held. An older answer than the one
// held is not taken: somebody may be repeating it. Of two of one second the one that says revoked counts.
func (o *OCSP) store(e *ocspEntry, answer *ocspAnswer, now time.Time) error {
	if e.known && (answer.made.Before(e.made) || e.revoked && !answer.revoked && answer.made.Equal(e.made)) {
		return errOCSPOlder
	}
	keep := now.Add(o.keep)
	if answer.until.Before(keep) {
		keep = answer.until
	}
	e.known, e.revoked, e.made, e.until = true, answer.revoked, answer.made, keep
	e.renew = now.Add(keep.Sub(now) / 2)
	e.failed, e.retry = nil, time.Time{}
	verdict, _ := e.verdict(now)
	return verdict
}

// staple takes an answer that the client sent with its certificate, if it is good; otherwise it is passed over.
func (o *OCSP) staple(raw []byte, chain []*x509.Certificate, now time.Time) {
	if len(raw) == 0 || len(raw) > maxOCSPAnswer || len(chain) < 2 {
		return
	}
	key := ocspKeyOf(chain[0], chain[1])
	o.mu.RLock()
	e := o.kept[key]
	spared := e != nil && e.known && !now.After(e.renew)
	o.mu.RUnlock()
	if spared {
		return
	}
	answer, err := readOCSP(raw, chain[0], chain[1], now, o.maxAge)
	if err != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.store(o.entry(key), answer, now) // the verdict is read from there
}
