package token

import (
	"net/http"
	"strings"

	"github.com/tegata-go/tegata/audit"
)

// Policy decides about a request whose caller is known. It reads the head only and returns nil, or an error
// for audit.Refused.
type Policy func(*http.Request, Grant) error

// Require lets a request through only when policy has nothing against it.
func Require(policy Policy) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g, err := FromContext(r.Context())
			if err == nil {
				err = policy(r, g)
			}
			if audit.Refused(w, r, err) {
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Scope demands all of the named scopes (RFC 6750 §3.1, insufficient_scope). It panics on a name that is no
// scope-token (RFC 6749 §3.3), as http.ServeMux does on a bad pattern.
func Scope(all ...string) Policy {
	for _, name := range all {
		if !isQuotable(name) || strings.Contains(name, " ") {
			panic("token: Scope: not a scope-token")
		}
	}
	wanted := strings.Join(all, " ")
	return func(_ *http.Request, g Grant) error {
		for _, name := range all {
			if !g.HasScope(name) {
				return g.refuse(ErrScope, wanted)
			}
		}
		return nil
	}
}

// refuse answers in the scheme that the caller used.
func (g Grant) refuse(reason audit.Reason, scope string) error {
	if g.by == nil {
		return misplaced()
	}
	f := g.by.challenges.refusal(g.scheme, reason, nil, scope)
	f.Client = g.Client()
	return f
}
