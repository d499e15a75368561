package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// RulesConfig says what ties a certificate to a client.
type RulesConfig struct {
	_ [0]func()

	// Registry knows the clients. Required. Where several issuers name clients, each has Rules of its own.
	Registry Registry
	// Certificate gives the client certificate of a request: (*Source).Peer, or Peer. Required.
	Certificate func(*http.Request) (*x509.Certificate, error)
	// Expiries, when set, keep in mind until when each admitted client's certificate is valid.
	Expiries *Expiries
}

// Rules refuse a client whose certificate or address is not the one it was registered with.
type Rules struct {
	registry    Registry
	certificate func(*http.Request) (*x509.Certificate, error)
	expiries    *Expiries
	read        [256]atomic.Pointer[readIdentity]
}

// readIdentity remembers what a certificate says, so that it is read once for a connection.
type readIdentity struct {
	cert *x509.Certificate
	id   Identity
}

// NewRules makes Rules, or reports every mistake in config at once, those of Registrations included.
func NewRules(config RulesConfig) (*Rules, error) {
	var errs []error
	if config.Registry == nil {
		errs = append(errs, errors.New("mtls: RulesConfig.Registry is required"))
	}
	if config.Certificate == nil {
		errs = append(errs, errors.New("mtls: RulesConfig.Certificate is required: Source.Peer"))
	}
	if m, ok := config.Registry.(Registrations); ok {
		for id, g := range m {
			if err := g.check(); err != nil {
				errs = append(errs, fmt.Errorf("mtls: registration of %q: %w", id, err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Rules{registry: config.Registry, certificate: config.Certificate, expiries: config.Expiries}, nil
}

// Admit says whether the client with this client_id, which a verified token names, may send r: token's
// Config.Admit calls it. The error is an *audit.Refusal: 401 for a certificate that is not the
// client's, 403 for a role or an address that it does not have, 503 when the Registry fails.
func (u *Rules) Admit(r *http.Request, clientID string) error {
	g, err := u.registry.Registration(r.Context(), clientID)
	switch {
	case errors.Is(err, ErrNotClient):
		return notClient()
	case err != nil:
		return unregistered(err)
	}
	if err := g.check(); err != nil {
		return unregistered(err)
	}
	cert, err := u.certified(r, &g)
	if err != nil {
		return err
	}
	if addr, err := Address(r); len(g.From) > 0 && (err != nil || !slices.ContainsFunc(g.From, func(p netip.Prefix) bool { return p.Contains(addr) })) {
		return &audit.Refusal{Reason: ErrAddress, Status: http.StatusForbidden,
			Detail: "the client may not call from this network"}
	}
	if cert != nil && u.expiries != nil {
		u.expiries.Note(clientID, cert.NotAfter)
	}
	return nil
}

// certified gives the certificate of r, if it has one and it is the client's.
func (u *Rules) certified(r *http.Request, g *Registration) (*x509.Certificate, error) {
	cert, err := u.certificate(r)
	switch {
	case err != nil:
		return nil, err
	case !g.certified():
		return cert, nil
	case cert == nil:
		return nil, refusal(ErrMissing)
	}
	id, err := u.identity(cert)
	switch {
	case err != nil:
		return nil, refusal(ErrIdentity)
	case !g.matches(id, time.Now()):
		return nil, notClient()
	case !id.PSD2.Roles.Has(g.Roles):
		return nil, &audit.Refusal{Reason: ErrRole, Status: http.StatusForbidden,
			Detail: "the client certificate does not name the role"}
	}
	return cert, nil
}

func (u *Rules) identity(cert *x509.Certificate) (*Identity, error) {
	slot := &u.read[slotOf(cert, len(u.read))]
	if held := slot.Load(); held != nil && held.cert == cert {
		return &held.id, nil
	}
	id, err := IdentityOf(cert)
	if err != nil {
		return nil, err
	}
	slot.Store(&readIdentity{cert, id})
	return &id, nil
}

func notClient() *audit.Refusal { return refusal(ErrNotClient) }

func unregistered(cause error) *audit.Refusal {
	return &audit.Refusal{Reason: ErrRegistry, Cause: cause, Status: http.StatusServiceUnavailable,
		Detail: "clients cannot be looked up now", Header: http.Header{"Retry-After": {"5"}}}
}
