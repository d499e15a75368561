package token

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/replay"
)

const maxConsentID = 256

// ConsentConfig configures NewConsentPolicy.
type ConsentConfig struct {
	_ [0]func()

	// Consents knows what customers agreed to: a *ConsentCache. Required.
	Consents Consents

	// Claim of the token that names the consent, a text. Empty: "consent_id".
	Claim string

	// ID finds the name elsewhere, in place of Claim: ConsentScope. False is a token that names none; true with an
	// empty name is one that cannot be read, and is refused.
	ID func(Grant) (id string, named bool)

	// Active are the statuses that count. Empty: ConsentActive. They are compared to the letter.
	Active []string

	// Permissions are those of which the consent must have one.
	Permissions []string

	// PermissionsFor gives them for a request, in place of Permissions: PermissionsByRoute. None is refused.
	PermissionsFor func(*http.Request) []string

	// AnyPermission lets every active consent do, whatever it permits.
	AnyPermission bool

	// Account gives the account that the request is about, which must be in the consent: PathValue. An empty one is
	// refused. Nil: the route is about no single account, and its handler shows those of the consent only.
	Account func(*http.Request) string

	// Optional lets a token pass that names no consent.
	Optional bool

	// Timeout bounds an answer, zero: 500 ms, at most 5 s. MaxInFlight bounds the calls under way, zero: 256.
	Timeout     time.Duration
	MaxInFlight int
}

// NewConsentPolicy makes a Policy that demands a consent which is active, has not expired, belongs to the token's
// client and subject, and permits the request; or it reports every mistake in c. It asks on every request: what was
// withdrawn is refused from then on. The record gets a digest of the consent's name.
func NewConsentPolicy(c ConsentConfig) (Policy, error) {
	if c.Claim == "" {
		c.Claim = "consent_id"
	}
	if len(c.Active) == 0 {
		c.Active = []string{ConsentActive}
	}
	c.Active, c.Permissions = slices.Clone(c.Active), slices.Clone(c.Permissions)
	if err := c.mistakes(); err != nil {
		return nil, err
	}
	out, err := newOutside("ConsentConfig", c.Timeout, c.MaxInFlight)
	if err != nil {
		return nil, err
	}
	if c.ID == nil {
		c.ID = func(g Grant) (string, bool) {
			json, named := g.Claim(c.Claim)
			id, _ := nonEmpty(json) // what cannot be read is empty
			return id, named
		}
	}
	return func(r *http.Request, g Grant) error {
		id, named := c.ID(g)
		if !named && c.Optional && g.by != nil {
			return nil
		}
		if id == "" || len(id) > maxConsentID {
			return g.refuse(ErrConsentMissing, nil, "")
		}
		audit.Add(r.Context(), slog.String("consent", consentDigest(g.Issuer(), id)))
		consent, err := ask(r.Context(), out, c.Consents, g.Issuer(), id)
		switch {
		case errors.Is(err, ErrConsentUnknown):
			return g.refuse(ErrConsentUnknown, nil, "")
		case err != nil:
			return g.refuse(ErrConsentUnavailable, err, "")
		}
		if reason := c.permits(r, g, &consent); reason != "" {
			return g.refuse(reason, nil, "")
		}
		return nil
	}, nil
}

func (c *ConsentConfig) mistakes() error {
	var all []error
	wrong := func(is bool, text string) {
		if is {
			all = append(all, errors.New("token: ConsentConfig."+text))
		}
	}
	ways := 0
	for _, is := range []bool{len(c.Permissions) > 0, c.PermissionsFor != nil, c.AnyPermission} {
		if is {
			ways++
		}
	}
	wrong(c.Consents == nil, "Consents is required")
	wrong(ways != 1, "Permissions: one of Permissions, PermissionsFor and AnyPermission is required")
	wrong(slices.Contains(c.Permissions, "") || slices.Contains(c.Active, ""), "Permissions or Active has an empty name")
	return errors.Join(all...)
}

// ask bounds those that do not bound themselves.
func ask(ctx context.Context, out *outside, consents Consents, issuer, id string) (Consent, error) {
	switch consents.(type) {
	case *ConsentCache, *MemoryConsents:
		return consents.Consent(ctx, issuer, id)
	}
	return call(ctx, out, func(ctx context.Context) (Consent, error) { return consents.Consent(ctx, issuer, id) })
}

func (c *ConsentConfig) permits(r *http.Request, g Grant, consent *Consent) audit.Reason {
	wanted := c.Permissions
	if c.PermissionsFor != nil {
		wanted = c.PermissionsFor(r)
	}
	switch {
	case !slices.Contains(c.Active, consent.Status):
		return ErrConsentInactive
	case !time.Now().Before(consent.Expires):
		return ErrConsentExpired
	case consent.Client != "" && consent.Client != g.Client(), consent.Subject != "" && consent.Subject != g.Subject():
		return ErrConsentParty
	case !c.AnyPermission && !slices.ContainsFunc(wanted, func(p string) bool { return p != "" && slices.Contains(consent.Permissions, p) }):
		return ErrConsentPermission
	}
	if c.Account != nil {
		if account := c.Account(r); account == "" || !slices.Contains(consent.Accounts, account) {
			return ErrConsentAccount
		}
	}
	return ""
}

// PermissionsByRoute is a table from the pattern of a route to the permissions of which one is enough: a matrix of
// the kind that UK Open Banking has. A route that is not in it gets none. It works inside the mux that matched.
func PermissionsByRoute(table map[string][]string) func(*http.Request) []string {
	own := make(map[string][]string, len(table))
	for pattern, permissions := range table {
		own[pattern] = slices.Clone(permissions)
	}
	return func(r *http.Request) []string { return own[r.Pattern] }
}

// ConsentScope finds the name of the consent in the one scope that begins with prefix: "consent:" in Open Finance
// Brasil. A token with two of them cannot be read. It panics on an empty prefix.
func ConsentScope(prefix string) func(Grant) (id string, named bool) {
	mustBeNamed("ConsentScope", prefix)
	return func(g Grant) (id string, named bool) {
		for scope := range g.Scopes() {
			name, has := strings.CutPrefix(scope, prefix)
			if has && named {
				return "", true
			}
			if has {
				id, named = name, true
			}
		}
		return id, named
	}
}

func consentDigest(issuer, id string) string {
	return jose.Digest(replay.Digest("consent", issuer, id)).String()
}
