package token

import (
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"weak"

	"github.com/tegata-go/tegata/audit"
)

// bound compares the caller with cnf (RFC 7800 §3.1): the scheme must be the one that the token names, and
// every confirmation in it must hold.
func (v *Verifier) bound(r *http.Request, f *facts, a *attempt) (audit.Reason, error) {
	jkt, x5t := f.claims.JKT != "", f.claims.X5T != ""
	switch {
	case a.scheme == schemeBearer && jkt:
		return ErrDowngrade, nil
	case a.scheme == schemeDPoP && !jkt:
		return ErrNotDPoP, nil
	case !jkt && !x5t && !v.unbound:
		return ErrUnbound, nil
	case jkt && subtle.ConstantTimeCompare(f.jkt[:], a.proof.key.Thumbprint[:]) != 1:
		audit.Add(r.Context(), slog.String("presented_jkt", a.proof.key.Thumbprint.String()))
		return ErrKeyMismatch, nil
	case !x5t:
		return "", nil
	}
	return v.certified(r, f)
}

func (v *Verifier) certified(r *http.Request, f *facts) (audit.Reason, error) {
	if v.certificate == nil {
		return ErrNoCertificate, nil
	}
	cert, err := v.certificate(r)
	if err != nil {
		return uncertified(err)
	}
	if cert == nil {
		return ErrNoCertificate, nil
	}
	if last := f.matched.Load(); last != nil && last.Value() == cert {
		return "", nil // crypto/tls gives one pointer for a whole connection
	}
	sum := v.thumbs.sum(cert)
	if subtle.ConstantTimeCompare(sum[:], f.x5t[:]) != 1 {
		audit.Add(r.Context(), slog.String("presented_x5t", sum.String()))
		return ErrCertificateMismatch, nil
	}
	if v.cache != nil {
		last := weak.Make(cert)
		f.matched.Store(&last)
	}
	return "", nil
}

// uncertified tells a certificate that was shown and is unacceptable from an outage.
func uncertified(err error) (audit.Reason, error) {
	var f *audit.Refusal
	if errors.As(err, &f) && f != nil && f.Status < http.StatusInternalServerError {
		return ErrCertificate, err
	}
	return ErrUnavailable, err
}
