package token

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxAhead is how far the clock of an authorization server may be ahead of ours.
const maxAhead = limitLeeway

// StepUpConfig says how the customer must have authenticated.
type StepUpConfig struct {
	_ [0]func()

	// ACR are the authentication context classes that are good enough, in order of preference. Empty: any.
	ACR []string

	// MaxAge is how long ago the customer may have authenticated, in whole seconds. Zero: any time.
	MaxAge time.Duration

	// Scope is named in the challenge for clients that ask for a new token anyway, separated by spaces. It is not
	// demanded here. Empty: none is named.
	Scope string
}

// StepUp demands an authentication event: acr is one of those named, auth_time not too long ago. A token that says
// neither has neither. The answer is the challenge insufficient_user_authentication (RFC 9470 §3), given to
// callers who proved that the token is theirs. An auth_time in the future is invalid_token. It panics when nothing
// is demanded, and on values that cannot stand in a challenge.
func StepUp(c StepUpConfig) Policy {
	if len(c.ACR) == 0 && c.MaxAge == 0 || c.MaxAge < 0 || c.MaxAge%time.Second != 0 || c.Scope != "" && !isQuotable(c.Scope) {
		panic("token: StepUp: nothing is demanded, MaxAge is not in whole seconds, or Scope cannot be quoted")
	}
	acr := slices.Clone(c.ACR)
	var parameters string
	if len(acr) > 0 {
		mustBeTokens("StepUp", acr)
		parameters += `, acr_values="` + strings.Join(acr, " ") + `"`
	}
	if c.MaxAge > 0 {
		parameters += `, max_age="` + strconv.FormatInt(int64(c.MaxAge/time.Second), 10) + `"`
	}
	if c.Scope != "" {
		parameters += scopeParameter(c.Scope)
	}
	return func(_ *http.Request, g Grant) error {
		at, now := g.AuthTime(), time.Now()
		switch {
		case at.After(now.Add(maxAhead)):
			return g.refuse(ErrClaims, nil, "")
		case len(acr) > 0 && !slices.Contains(acr, g.ACR()):
			return g.refuse(ErrACR, nil, parameters)
		case c.MaxAge > 0 && (at.IsZero() || now.Sub(at) > c.MaxAge):
			return g.refuse(ErrAuthAge, nil, parameters)
		}
		return nil
	}
}
