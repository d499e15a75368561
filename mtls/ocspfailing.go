package mtls

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"time"
)

const (
	maxFailing    = 256 // responders that are known to fail
	maxResponders = 4   // addresses in one certificate that are looked at
	ocspTries     = 3   // failures in a row before a responder is left alone
	ocspPause     = time.Second
	ocspLongPause = 30 * time.Second
)

var errOCSPPaused = words("mtls: OCSP: responder left alone")

// target chooses the responder to ask.
func (o *OCSP) target(cert *x509.Certificate, now time.Time) (string, error) {
	if o.responder != "" {
		return o.responder, o.pass(o.responder, now)
	}
	found := error(errOCSPNobody)
	for i, text := range cert.OCSPServer {
		if _, err := responderURL(text); err != nil || i >= maxResponders {
			continue
		}
		if found = o.pass(text, now); found == nil {
			return text, nil
		}
	}
	return "", found
}

// ocspFailing is a responder that did not answer.
type ocspFailing struct {
	times int
	next  time.Time
}

// pass says whether a responder may be asked; o.mu is held. After a pause one question goes ahead of the others.
func (o *OCSP) pass(target string, now time.Time) error {
	f := o.failing[target]
	switch {
	case f == nil || f.times < ocspTries:
		return nil
	case now.Before(f.next):
		return errOCSPPaused
	}
	f.next = now.Add(o.timeout + ocspPause)
	return nil
}

// fail counts a failure; o.mu is held. What it gives is to be told: once, when the responder is left alone.
func (o *OCSP) fail(target string, cause error, now time.Time) error {
	f := o.failing[target]
	if f == nil {
		if len(o.failing) >= maxFailing {
			for old := range o.failing {
				delete(o.failing, old)
				break
			}
		}
		f = new(ocspFailing)
		o.failing[target] = f
	}
	f.times++
	if f.times < ocspTries {
		return nil
	}
	f.next = now.Add(min(ocspPause<<min(f.times-ocspTries, 10), ocspLongPause))
	if f.times > ocspTries {
		return nil
	}
	host := ""
	if u, err := url.Parse(target); err == nil {
		host = u.Hostname()
	}
	return fmt.Errorf("mtls: OCSP: the responder %s does not answer: %w", host, cause)
}
