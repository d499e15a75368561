package token

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/tegata-go/tegata/internal/strictjson"
)

// ClaimEqual demands a claim of exactly that value and type: a string, a boolean, or an integer written without
// fraction and exponent. It panics on an empty name.
func ClaimEqual[T string | bool | int](name string, value T) Policy {
	mustBeNamed("ClaimEqual", name)
	var equal func(g Grant) bool
	switch v := any(value).(type) {
	case string:
		equal = func(g Grant) bool { s, ok := g.text(name); return ok && s == v }
	case bool:
		want := strconv.FormatBool(v)
		equal = func(g Grant) bool { s, _ := g.Claim(name); return s == want }
	case int:
		want := strconv.Itoa(v)
		equal = func(g Grant) bool { s, _ := g.Claim(name); return s == want }
	}
	return func(_ *http.Request, g Grant) error {
		if !equal(g) {
			return g.refuse(ErrClaim, nil, "")
		}
		return nil
	}
}

// ClaimIncludes demands a claim that is an array of strings with value among them, or value alone: roles, groups
// and entitlements of RFC 9068 §2.2.3.1. An array that holds anything but strings includes nothing. It panics on an
// empty name or value.
func ClaimIncludes(name, value string) Policy {
	mustBeNamed("ClaimIncludes", name)
	mustBeNamed("ClaimIncludes", value)
	return func(_ *http.Request, g Grant) error {
		json, _ := g.Claim(name)
		if list, err := stringOrStrings(json); err != nil || !slices.Contains(list, value) {
			return g.refuse(ErrClaim, nil, "")
		}
		return nil
	}
}

// PathEqualsClaim demands that a wildcard of the route's pattern has the value of a claim of the token, a string:
// a customer sees what is theirs (OWASP API1, FAPI 1.0 Baseline §6.2.1 item 7). The answer is 403 whether the other
// resource exists or not. It stands inside the mux that matched the pattern, and panics on empty names.
func PathEqualsClaim(wildcard, claim string) Policy {
	mustBeNamed("PathEqualsClaim", wildcard)
	mustBeNamed("PathEqualsClaim", claim)
	return func(r *http.Request, g Grant) error {
		value, ok := g.text(claim)
		if !ok || r.PathValue(wildcard) != value {
			return g.refuse(ErrOwner, nil, "")
		}
		return nil
	}
}

// PathValue gives the value of a wildcard of the route's pattern, for policies that ask for a resource.
func PathValue(wildcard string) func(*http.Request) string {
	return func(r *http.Request) string { return r.PathValue(wildcard) }
}

// Customer demands that the token acts for somebody: a subject that is not the client itself, as it is for client
// credentials (RFC 9068 §2.2).
func Customer() Policy {
	return func(_ *http.Request, g Grant) error {
		if g.Subject() == "" || g.Subject() == g.Client() {
			return g.refuse(ErrNoCustomer, nil, "")
		}
		return nil
	}
}

func mustBeNamed(policy, name string) {
	if name == "" {
		panic("token: " + policy + ": empty name or value")
	}
}

// text is a claim that is a string which says something. Of those that a Verifier relies on itself, what it
// relied on counts.
func (g Grant) text(name string) (string, bool) {
	var s string
	switch name {
	case "iss":
		s = g.Issuer()
	case "sub":
		s = g.Subject()
	case "client_id":
		s = g.Client()
	case "jti":
		s = g.ID()
	case "acr":
		s = g.ACR()
	default:
		json, ok := g.Claim(name)
		if !ok {
			return "", false
		}
		s, _ = strictjson.String(json)
	}
	return s, s != ""
}
