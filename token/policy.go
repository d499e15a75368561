package token

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Policy decides about a request whose caller is known. It reads the head only and returns nil, or an error
// for audit.Refused.
type Policy func(*http.Request, Grant) error

// Require lets a request through only when policy has nothing against it. It panics when policy is nil, as
// http.ServeMux does on a bad pattern.
func Require(policy Policy) func(http.Handler) http.Handler {
	if policy == nil {
		panic("token: Require: nil policy")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g, err := FromContext(r.Context())
			if err == nil {
				began := time.Now()
				err = policy(r, g)
				audit.Step(r.Context(), "policy", began, reasonIn(err))
			}
			if audit.Refused(w, r, err) {
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Authenticated has nothing against anybody whose token was verified: the policy of a route that every caller
// may use, said by name.
func Authenticated() Policy {
	return func(_ *http.Request, g Grant) error {
		if g.by == nil {
			return misplaced()
		}
		return nil
	}
}

// Scope demands all of the named scopes (RFC 6750 §3.1, insufficient_scope). It panics without a name, and on one
// that is no scope-token (RFC 6749 §3.3), as http.ServeMux does on a bad pattern.
func Scope(all ...string) Policy {
	mustBeTokens("Scope", all)
	all = slices.Clone(all) // of a slice that somebody else may hold
	wanted := scopeParameter(strings.Join(all, " "))
	return func(_ *http.Request, g Grant) error {
		for _, name := range all {
			if !g.HasScope(name) {
				return g.refuse(ErrScope, nil, wanted)
			}
		}
		return nil
	}
}

// AnyScope demands one of the named scopes. The challenge asks for the first, which is enough. It panics as
// [Scope] does.
func AnyScope(names ...string) Policy {
	mustBeTokens("AnyScope", names)
	names = slices.Clone(names)
	wanted := scopeParameter(names[0])
	return func(_ *http.Request, g Grant) error {
		for _, name := range names {
			if g.HasScope(name) {
				return nil
			}
		}
		return g.refuse(ErrScope, nil, wanted)
	}
}

// mustBeTokens panics unless there are names, and all can stand in a space-delimited list in a quoted-string.
func mustBeTokens(policy string, names []string) {
	if len(names) == 0 {
		panic("token: " + policy + ": no names")
	}
	for _, name := range names {
		if !isQuotable(name) || strings.Contains(name, " ") {
			panic("token: " + policy + ": not a scope-token")
		}
	}
}

func scopeParameter(names string) string { return `, scope="` + names + `"` }

// refuse answers in the scheme that the caller used, from the table. Parameters, made of constants at start-up,
// are added to the challenge that has the error.
func (g Grant) refuse(reason audit.Reason, cause error, parameters string) error {
	if g.by == nil {
		return misplaced()
	}
	f := g.by.challenges.refusal(g.scheme, reason, cause, "")
	f.Client = g.Client()
	if f.Status != http.StatusUnauthorized && f.Code != insufficientScope {
		delete(f.Header, "Www-Authenticate") // no credentials would help
	}
	lines := f.Header["Www-Authenticate"]
	for i := range lines {
		if strings.HasPrefix(lines[i], "DPoP ") == (g.scheme == schemeDPoP) {
			lines[i] += parameters
		}
	}
	return f
}

// reasonIn gives the reason of a refusal, for audit.Step.
func reasonIn(err error) audit.Reason {
	if err == nil {
		return ""
	}
	var f *audit.Refusal
	if errors.As(err, &f) && f != nil {
		return f.Reason
	}
	return audit.ErrInternal
}

// isOutage is true for an error that says nothing about the caller: anything but a refusal below 500.
func isOutage(err error) bool {
	var f *audit.Refusal
	return !errors.As(err, &f) || f == nil || f.Status >= http.StatusInternalServerError
}

// isServerFault is true for a refusal of 500 or above.
func isServerFault(err error) bool {
	var f *audit.Refusal
	return errors.As(err, &f) && f != nil && f.Status >= http.StatusInternalServerError
}
