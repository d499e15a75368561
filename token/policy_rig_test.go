package token_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

// The shapes of what policies answer.
var (
	eIUA   = shape{"E-IUA", 401, "insufficient_user_authentication", inUsed}
	forbid = shape{"403", 403, "", inNone}
)

// guarding is a rig with one route behind policy, and whatever edit does to it.
func guarding(tb testing.TB, pattern string, policy token.Policy, edits ...func(*rig)) *rig {
	tb.Helper()
	return guardingBody(tb, pattern, policy, nil, edits...)
}

// guardingBody adds layers between the policy and the handler.
func guardingBody(tb testing.TB, pattern string, policy token.Policy, inner func(http.Handler) http.Handler, edits ...func(*rig)) *rig {
	tb.Helper()
	k := newRig(tb, edits...)
	var h http.Handler = http.HandlerFunc(k.serve)
	if inner != nil {
		h = inner(h)
	}
	guard := token.NewGuard()
	guard.Handle(pattern, policy, h)
	trail, err := audit.New(k.log)
	must(err)
	k.chain = trail.Wrap(k.verifier.Wrap(guard))
	return k
}

// sending makes a request of the client's TLS connection, with a token of edits.
func (k *rig) sending(method, path, body string, edits ...func(*draft)) *http.Request {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, rigOrigin+path, content)
	r.Header.Set("Authorization", "Bearer "+k.bearer(edits...))
	return over(r, k.cert)
}

func (k *rig) gets(path string, edits ...func(*draft)) answer {
	return k.call(k.sending(http.MethodGet, path, "", edits...))
}

// refused wants that answer and that reason, and gives the parameters of the challenge that has the error.
func (a answer) refused(tb testing.TB, s shape, reason audit.Reason) map[string]string {
	tb.Helper()
	if a.status != s.status || a.ran != 0 {
		tb.Fatalf("status %d, handler ran %d times, records %v; want %d and never", a.status, a.ran, a.records, s.status)
	}
	a.recorded(tb, s, reason)
	a.problem(tb, s)
	a.silent(tb)
	if s.status == 503 && a.header.Get("Retry-After") == "" {
		tb.Error("no Retry-After")
	}
	if s.status == 403 || s.status == 401 {
		if a.records[0]["client"] != "tpp-1" {
			tb.Errorf("record %v lacks the client", a.records[0])
		}
	}
	lines := a.header["Www-Authenticate"]
	if s.status != 401 && s.code != "insufficient_scope" {
		if len(lines) > 0 {
			tb.Errorf("a challenge that no credentials answer: %q", lines)
		}
		return nil
	}
	used, _, _ := strings.Cut(a.request.Header.Get("Authorization"), " ")
	var found map[string]string
	for _, line := range lines {
		scheme, params := parseChallenge(tb, line)
		switch {
		case scheme == used && params["error"] == s.code && params["error_description"] != "":
			found = params
		case scheme == used || len(params) > 2 || params["error"] != "":
			tb.Errorf("challenge %q, want error %q in %s only", line, s.code, used)
		}
	}
	if len(lines) != 2 || found == nil {
		tb.Errorf("challenges %q", lines)
	}
	return found
}

// panics reports whether f does.
func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// policyOf is a policy that was made without mistakes.
func policyOf[P any](p P, err error) P {
	must(err)
	return p
}

func passing(*http.Request, token.Grant) error { return nil }

func refusing(reason audit.Reason, status int) token.Policy {
	return func(*http.Request, token.Grant) error {
		return &audit.Refusal{Reason: reason, Status: status, Detail: "no"}
	}
}
