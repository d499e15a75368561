package token

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tegata-go/tegata/audit"
)

// scheme is the authentication scheme that a client used.
type scheme uint8

const (
	schemeNone scheme = iota
	schemeBearer
	schemeDPoP
)

// challenges makes WWW-Authenticate: one field line for each enabled scheme (RFC 9110 §11.6.1), every
// parameter a quoted string of our own constants (RFC 6750 §3, RFC 9449 §7.1).
type challenges struct {
	bearer, dpop bool
	realm, algs  string // as auth-params
	metadata     string // likewise, or empty

	ready map[told][]string // the lines of every answer in the table
}

type told struct {
	to     scheme
	reason audit.Reason
}

func newChallenges(c *Config) challenges {
	made := challenges{
		bearer: c.Binding != BindingDPoP,
		dpop:   c.Binding != BindingCertificate,
		realm:  `realm="` + c.Realm + `"`,
		algs:   `, algs="` + strings.Join(c.ProofAlgorithms, " ") + `"`,
		ready:  make(map[told][]string, 3*len(answers)),
	}
	if c.ResourceMetadata != "" {
		made.metadata = `, resource_metadata="` + c.ResourceMetadata + `"`
	}
	for reason, f := range answers {
		for _, s := range [...]scheme{schemeNone, schemeBearer, schemeDPoP} {
			made.ready[told{s, reason}] = made.lines(s, f.Code, string(f.Detail), "")
		}
	}
	return made
}

// lines gives the challenges for an answer with code to a client that used s. The error stands in the
// scheme that was used; when that is not known, in all (RFC 9449 §7.2). Scope may be empty.
func (c *challenges) lines(s scheme, code, detail, scope string) []string {
	lines := make([]string, 0, 2)
	if c.bearer {
		line := "Bearer " + c.realm
		if s != schemeDPoP {
			line += parameters(code, detail, scope)
		}
		lines = append(lines, line+c.metadata)
	}
	if c.dpop {
		line := "DPoP " + c.realm
		if s != schemeBearer {
			line += parameters(code, detail, scope)
		}
		lines = append(lines, line+c.algs+c.metadata)
	}
	return lines
}

func parameters(code, detail, scope string) string {
	if code == "" {
		return ""
	}
	s := `, error="` + code + `"`
	if detail != "" {
		s += `, error_description="` + detail + `"`
	}
	if scope != "" {
		s += `, scope="` + scope + `"`
	}
	return s
}

// refusal makes the answer for reason from the table, with its challenges.
func (c *challenges) refusal(s scheme, reason audit.Reason, cause error, scope string) *audit.Refusal {
	f := answers[reason]
	f.Cause = cause
	f.Header = http.Header{}
	if f.Status == http.StatusServiceUnavailable {
		f.Header["Retry-After"] = []string{"5"}
		return &f
	}
	if reason == ErrSeveral {
		s = schemeNone // which of them was meant is not known (RFC 9449 §7.2)
	}
	if scope == "" {
		f.Header["Www-Authenticate"] = slices.Clone(c.ready[told{s, reason}])
	} else {
		f.Header["Www-Authenticate"] = c.lines(s, f.Code, string(f.Detail), scope)
	}
	return &f
}

// complete is what audit.Refused asks for challenges when somebody else's refusal has none.
func (c *challenges) complete(s scheme) func(code string) []string {
	return func(code string) []string { return c.lines(s, code, "", "") }
}
