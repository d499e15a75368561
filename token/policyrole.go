package token

import (
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"

	"github.com/tegata-go/tegata/internal/jose"
)

// RoleConfig configures NewRolePolicy.
type RoleConfig struct {
	_ [0]func()

	// Certificate gives the client certificate of a request: what Config.Certificate is. Required.
	Certificate func(*http.Request) (*x509.Certificate, error)

	// Roles reads the roles from it: for PSD2 those of ETSI TS 119 495 §5.1. Required. An error is a certificate
	// without roles, unless it is an *audit.Refusal of 500 or above: an outage.
	Roles func(*x509.Certificate) ([]string, error)

	// Any are the roles of which the certificate must have one. Required.
	Any []string

	// DangerouslyUnbound takes the roles of whatever certificate the connection shows. Otherwise they count only
	// when the token is bound to it: who shows a certificate need not be the client that the token was issued to.
	DangerouslyUnbound bool
}

// NewRolePolicy makes a Policy that demands a role in the client's certificate, or reports every mistake in c.
func NewRolePolicy(c RoleConfig) (Policy, error) {
	c.Any = slices.Clone(c.Any)
	var all []error
	if c.Certificate == nil || c.Roles == nil {
		all = append(all, errors.New("token: RoleConfig.Certificate and Roles are required"))
	}
	if len(c.Any) == 0 || slices.Contains(c.Any, "") {
		all = append(all, errors.New("token: RoleConfig.Any is required, without empty names"))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return func(r *http.Request, g Grant) error {
		if g.by == nil {
			return misplaced()
		}
		cert, err := c.Certificate(r)
		switch {
		case err != nil && isOutage(err):
			return g.refuse(ErrRoleUnavailable, err, "")
		case err != nil || cert == nil || !c.DangerouslyUnbound && !g.boundTo(cert):
			return g.refuse(ErrRoleCertificate, err, "")
		}
		roles, err := c.Roles(cert)
		switch {
		case isServerFault(err):
			return g.refuse(ErrRoleUnavailable, err, "")
		case err != nil || !slices.ContainsFunc(c.Any, func(role string) bool { return slices.Contains(roles, role) }):
			return g.refuse(ErrRole, err, "")
		}
		return nil
	}, nil
}

func (g Grant) boundTo(cert *x509.Certificate) bool {
	if g.X5T() == "" {
		return false
	}
	sum := jose.SumBytes(cert.Raw)
	return subtle.ConstantTimeCompare(sum[:], g.facts.x5t[:]) == 1
}
