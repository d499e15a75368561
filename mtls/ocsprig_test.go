package mtls_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/tegata-go/tegata/mtls"
)

// responder answers for an authority, by the encoder of golang.org/x/crypto.
type responder struct {
	ca, by *identity // by: whom the authority lets answer; nil: itself

	mu     sync.Mutex
	change func(*ocsp.Response)
	raw    func(answer []byte) ([]byte, error)
	asked  int
}

// says sets what the next answers are.
func (s *responder) says(change func(*ocsp.Response)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change = change
}

func (s *responder) sends(raw func([]byte) ([]byte, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw = raw
}

func (s *responder) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// answer answers one question, and is no transport: it checks what was asked.
func (s *responder) answer(t testing.TB, question []byte) ([]byte, error) {
	asked, err := ocsp.ParseRequest(question)
	if err != nil {
		t.Errorf("the question cannot be read: %v", err)
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	response := ocsp.Response{
		Status: ocsp.Good, SerialNumber: asked.SerialNumber, IssuerHash: asked.HashAlgorithm,
		ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(24 * time.Hour),
	}
	if s.change != nil {
		s.change(&response)
	}
	by := s.by
	if by == nil {
		by = s.ca
	} else {
		response.Certificate = by.cert
	}
	raw, err := ocsp.CreateResponse(s.ca.cert, by.cert, response, by.key)
	if err == nil && s.raw != nil {
		raw, err = s.raw(raw)
	}
	return raw, err
}

func (s *responder) asks(t testing.TB) func(context.Context, string, []byte) ([]byte, error) {
	return func(_ context.Context, _ string, question []byte) ([]byte, error) { return s.answer(t, question) }
}

func newOCSP(t testing.TB, config mtls.OCSPConfig) *mtls.OCSP {
	t.Helper()
	o, err := mtls.NewOCSP(config)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// asking is an OCSP in front of s, without a network.
func asking(t testing.TB, s *responder, config mtls.OCSPConfig) *mtls.OCSP {
	t.Helper()
	o := newOCSP(t, config)
	o.Answered(s.asks(t))
	return o
}

// at names a responder in a certificate.
func at(url string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		longer(c)
		c.OCSPServer = []string{url}
	}
}

var noCheck = pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}

// forAnswers makes the template one of a delegated responder.
func forAnswers(c *x509.Certificate) {
	longer(c)
	c.Subject.CommonName = "responder"
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	c.ExtraExtensions = []pkix.Extension{noCheck}
}

func both(changes ...func(*x509.Certificate)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for _, change := range changes {
			change(c)
		}
	}
}

func revoked(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, time.Now().Add(-time.Hour) }

// judged says what an OCSP makes of one answer: "good", "revoked" or "unknown".
func judged(o *mtls.OCSP, chain ...*x509.Certificate) string {
	switch err := o.Revoked(context.Background(), chain); {
	case err == nil:
		return "good"
	case errors.Is(err, mtls.ErrRevoked):
		return "revoked"
	}
	return "unknown"
}

// withOCSP is a source that asks o about its clients.
func withOCSP(t testing.TB, ca *identity, o *mtls.OCSP) *mtls.Source {
	t.Helper()
	source, err := mtls.NewSource(mtls.SourceConfig{
		Certificate: issue(t, nil, forServer).tls(), ClientCAs: []*x509.Certificate{ca.cert}, Revocation: o,
	})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// questionOf is what is sent about a certificate.
func questionOf(t testing.TB, id, ca *identity) (question []byte) {
	t.Helper()
	o := newOCSP(t, mtls.OCSPConfig{Responder: "http://ocsp.example"})
	o.Answered(func(_ context.Context, _ string, q []byte) ([]byte, error) {
		question = q
		return nil, errors.New("none")
	})
	_ = judged(o, id.cert, ca.cert)
	return question
}
