package mtls

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// revocationPatience is how long a handshake or a request waits for a Revocation.
const revocationPatience = 3 * time.Second

// Revocation knows which certificates were revoked: an [OCSP], a register of a supervisor. The revocation lists of SourceConfig.CRLFiles need none.
//
// Revoked is asked about every handshake and every request, so it answers from memory and is safe for
// concurrent use. The chain was verified, the client's certificate stands first and the trust anchor
// last, and is not to be changed. Nil lets the certificate pass. ErrRevoked, or an error that wraps
// it, refuses it with 401; any other error means that nobody knows, and is 503. A chain of one is a
// client that is itself a trust anchor.
type Revocation interface {
	Revoked(ctx context.Context, chain []*x509.Certificate) error
}

// RevocationFunc is a function that is a Revocation.
type RevocationFunc func(ctx context.Context, chain []*x509.Certificate) error

// Revoked calls f.
func (f RevocationFunc) Revoked(ctx context.Context, chain []*x509.Certificate) error {
	return f(ctx, chain)
}

// NoRevocation lets every certificate pass until it expires or its issuer is no trust anchor any more.
type NoRevocation struct{}

// Revoked is nil.
func (NoRevocation) Revoked(context.Context, []*x509.Certificate) error { return nil }

// judge says whether the client with this leaf, whose chains were verified by signature, may enter
// under material m: it is good in itself, one chain leads to an anchor, and nobody revoked that one,
// which is given back.
//
// Staple is the OCSP answer that the client sent along, if any.
func (s *Source) judge(ctx context.Context, m *material, leaf *x509.Certificate, chains [][]*x509.Certificate, staple []byte, now time.Time) ([]*x509.Certificate, error) {
	if err := fit(leaf, now); err != nil {
		return nil, err
	}
	if m.anchors == nil {
		return nil, ErrUntrusted
	}
	found := error(ErrUntrusted)
	for _, chain := range chains {
		if !m.anchors.holds(chain, now) {
			continue
		}
		if s.ocsp != nil {
			s.ocsp.staple(staple, chain, now)
		}
		err := s.unrevoked(ctx, m, chain, now)
		if err == nil {
			return chain, nil
		}
		found = err
	}
	return nil, found
}

// unrevoked asks everybody who knows: one who says revoked is believed against all others.
func (s *Source) unrevoked(ctx context.Context, m *material, chain []*x509.Certificate, now time.Time) error {
	var unknown error
	if m.lists != nil {
		err := m.lists.check(chain, now)
		if errors.Is(err, ErrRevoked) {
			return err
		}
		unknown = err
	}
	if s.revocation != nil {
		err := s.ask(ctx, chain, now)
		if errors.Is(err, ErrRevoked) {
			return ErrRevoked
		}
		if err != nil {
			unknown = &unanswered{cause: err}
		}
	}
	if unknown != nil && s.passUnknown {
		return nil
	}
	return unknown
}

func (s *Source) ask(ctx context.Context, chain []*x509.Certificate, now time.Time) error {
	if s.ocsp != nil {
		if err, sure := s.ocsp.remembered(chain, now); sure {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, revocationPatience)
	defer cancel()
	return s.revocation.Revoked(ctx, chain)
}

// unanswered is ErrRevocationUnknown with what a Revocation said.
type unanswered struct{ cause error }

func (u *unanswered) Error() string        { return ErrRevocationUnknown.Error() }
func (u *unanswered) Is(target error) bool { return target == error(ErrRevocationUnknown) }
func (u *unanswered) Unwrap() error        { return u.cause }

// words is an error whose text, a constant, may be recorded.
type words string

func (w words) Error() string { return string(w) }

// LogValue is the text.
func (w words) LogValue() slog.Value { return slog.StringValue(string(w)) }

// refusal makes the answer of what judge found. The client learns that its certificate will not do,
// and not why.
func refusal(err error) *audit.Refusal {
	reason, _ := errors.AsType[audit.Reason](err)
	var u *unanswered
	switch {
	case errors.As(err, &u):
		f := outage()
		f.Cause = u.cause
		return f
	case reason == ErrRevocationUnknown:
		return outage()
	case reason == ErrExpired:
		return &audit.Refusal{Reason: reason, Status: http.StatusUnauthorized, Code: "invalid_token",
			Detail: "the client certificate is not valid at this time"}
	}
	return &audit.Refusal{Reason: reason, Status: http.StatusUnauthorized, Code: "invalid_token",
		Detail: "the client certificate is not acceptable"}
}

func outage() *audit.Refusal {
	return &audit.Refusal{Reason: ErrRevocationUnknown, Status: http.StatusServiceUnavailable,
		Detail: "client certificates cannot be verified now", Header: http.Header{"Retry-After": {"5"}}}
}
