package token_test

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

// answer is what came of one request.
type answer struct {
	rig     *rig
	request *http.Request
	status  int
	header  http.Header
	body    string
	ran     int64
	records []map[string]any
}

// shape is one of the answers of the matrix, section 0.1.
type shape struct {
	name   string
	status int
	code   string
	stands func(used string) []string // the schemes whose challenge has the error
}

func inNone(string) []string      { return nil }
func inUsed(used string) []string { return []string{used} }
func inDPoP(string) []string      { return []string{"DPoP"} }
func inAll(string) []string       { return []string{"Bearer", "DPoP"} }

var (
	c0   = shape{"C0", 401, "", inNone}
	eIT  = shape{"E-IT", 401, "invalid_token", inUsed} // RFC9068-4-7
	eIDP = shape{"E-IDP", 401, "invalid_dpop_proof", inDPoP}
	eUDN = shape{"E-UDN", 401, "use_dpop_nonce", inDPoP}
	eIR  = shape{"E-IR", 400, "invalid_request", inAll}
	eIR1 = shape{"E-IR of one scheme", 400, "invalid_request", inUsed} // RFC 9449 §7.2: it is known which was meant
	eIS  = shape{"E-IS", 403, "insufficient_scope", inUsed}
	e503 = shape{"503", 503, "", inNone}
	e500 = shape{"500", 500, "", inNone}
)

// ok wants the handler to have run, once, and one record that says so.
func (a answer) ok(tb testing.TB) {
	tb.Helper()
	if a.status != 200 || a.ran != 1 {
		tb.Fatalf("status %d, handler ran %d times, records %v, challenges %q; want 200 and once", a.status, a.ran, a.records, a.header["Www-Authenticate"])
	}
	if len(a.records) != 1 || a.records[0]["decision"] != "allow" {
		tb.Errorf("records %v, want one that allows", a.records)
	}
	if a.header.Get("Cache-Control") == "" || a.header.Get("X-Fapi-Interaction-Id") == "" {
		tb.Errorf("header %v lacks Cache-Control or the interaction id", a.header)
	}
	a.silent(tb)
}

// is wants exactly that answer, a record with that reason, and no handler: RFC9449-7.1-3, RFC6750-2.3-2.
func (a answer) is(tb testing.TB, s shape, reason audit.Reason) {
	tb.Helper()
	if a.status != s.status || a.ran != 0 {
		tb.Fatalf("status %d, handler ran %d times, records %v; want %s (%d) and never", a.status, a.ran, a.records, s.name, s.status)
	}
	a.recorded(tb, s, reason)
	a.problem(tb, s)
	a.silent(tb)
	if s.status >= 500 {
		if lines := a.header["Www-Authenticate"]; len(lines) > 0 {
			tb.Errorf("an outage challenges: %q", lines)
		}
		if s.status == 503 && !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(a.header.Get("Retry-After")) {
			tb.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
		return
	}
	a.challenged(tb, s)
}

func (a answer) recorded(tb testing.TB, s shape, reason audit.Reason) {
	tb.Helper()
	if len(a.records) != 1 {
		tb.Fatalf("%d records, want 1: %v", len(a.records), a.records)
	}
	r := a.records[0]
	if r["decision"] != "deny" || r["reason"] != string(reason) || fmt.Sprint(r["status"]) != fmt.Sprint(s.status) {
		tb.Errorf("record says %v, %q, %v; want deny, %q, %d", r["decision"], r["reason"], r["status"], reason, s.status)
	}
	if id := a.header.Get("X-Fapi-Interaction-Id"); id == "" || id != r["interaction_id"] {
		tb.Errorf("interaction id %q, recorded %q", id, r["interaction_id"])
	}
}

func (a answer) problem(tb testing.TB, s shape) {
	tb.Helper()
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	var p struct {
		Status       int
		Title, Code  string
		Detail, Type string
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || media != "application/problem+json" || p.Status != s.status || p.Code != s.code {
		tb.Errorf("%q: %s, want a problem with status %d and code %q", media, a.body, s.status, s.code)
	}
	if got := a.header["Cache-Control"]; !slices.Equal(got, []string{"no-store"}) {
		tb.Errorf("Cache-Control %q", got)
	}
	nonces := a.header["Dpop-Nonce"]
	switch {
	case s.code != "use_dpop_nonce" && len(nonces) > 0:
		tb.Errorf("DPoP-Nonce %q on %s", nonces, s.name)
	case s.code == "use_dpop_nonce" && (len(nonces) != 1 || !regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+$`).MatchString(nonces[0])):
		tb.Errorf("DPoP-Nonce %q, want one of NQCHAR", nonces)
	}
}

// challenged wants one field line for each enabled scheme, and the error in the right ones only: RFC9110-15.5.2,
// RFC9110-11.6.1, RFC6750-3-2, RFC9449-7.1-5, RFC9449-7.2-3.
func (a answer) challenged(tb testing.TB, s shape) {
	tb.Helper()
	schemes := []string{"Bearer", "DPoP"}
	switch a.rig.config.Binding {
	case token.BindingCertificate:
		schemes = schemes[:1]
	case token.BindingDPoP:
		schemes = schemes[1:]
	}
	used, _, _ := strings.Cut(a.request.Header.Get("Authorization"), " ")
	if strings.EqualFold(used, "DPoP") {
		used = "DPoP"
	} else {
		used = "Bearer"
	}
	lines := a.header["Www-Authenticate"]
	if len(lines) != len(schemes) {
		tb.Fatalf("challenges %q, want one line for each of %v", lines, schemes)
	}
	for i, line := range lines {
		scheme, params := parseChallenge(tb, line)
		if scheme != schemes[i] || params["realm"] != a.rig.config.Realm {
			tb.Errorf("challenge %q, want %s of realm %q", line, schemes[i], a.rig.config.Realm)
		}
		if algs := strings.Fields(params["algs"]); scheme == "DPoP" && len(algs) == 0 || scheme == "Bearer" && len(algs) > 0 {
			tb.Errorf("algs in %q", line)
		}
		want := ""
		if slices.Contains(s.stands(used), scheme) {
			want = s.code
		}
		if params["error"] != want || (params["error_description"] != "") != (want != "") {
			tb.Errorf("challenge %q, want error %q with a description", line, want)
		}
		if scope, has := params["scope"]; has != (want == "insufficient_scope") || has && scope != strings.Join(a.rig.scope, " ") {
			tb.Errorf("challenge %q: scope", line)
		}
	}
}

var challengeParam = regexp.MustCompile(`^([a-z_]+)="([\x20\x21\x23-\x5B\x5D-\x7E]*)"(?:, |$)`)

// parseChallenge is strict: a scheme, one space, quoted parameters without escapes, none of them twice
// (RFC 6750 §3, RFC 9110 §11.6.1): RFC6750-3-3, RFC6750-3-4, RFC9110-5.6.4.
func parseChallenge(tb testing.TB, line string) (scheme string, params map[string]string) {
	tb.Helper()
	scheme, rest, ok := strings.Cut(line, " ")
	if !ok || rest == "" || strings.HasSuffix(rest, ", ") {
		tb.Fatalf("challenge %q has no parameters, or ends with a comma", line)
	}
	params = map[string]string{}
	for rest != "" {
		m := challengeParam.FindStringSubmatch(rest)
		if m == nil {
			tb.Fatalf("challenge %q: at %q", line, rest)
		}
		if _, twice := params[m[1]]; twice {
			tb.Errorf("challenge %q: %s twice", line, m[1])
		}
		params[m[1]] = m[2]
		rest = rest[len(m[0]):]
	}
	return scheme, params
}

// silent (RFC6750-5.3, RFC6750-2.3-2 for the query) wants nothing of what was sent as a secret in what came back or was recorded: RFC6750-5.3, pitfall-17.
func (a answer) silent(tb testing.TB) {
	tb.Helper()
	out := a.body + fmt.Sprint(a.header) + fmt.Sprint(a.records)
	for _, secret := range a.secrets() {
		if strings.Contains(out, secret) {
			tb.Errorf("%.40q... of the request came back, or is in the record:\n%s", secret, out)
		}
	}
}

func (a answer) secrets() (list []string) {
	for _, name := range []string{"Authorization", "Dpop", "Cookie"} {
		for _, line := range a.request.Header[name] {
			for part := range strings.FieldsFuncSeq(line, func(c rune) bool { return strings.ContainsRune(" .,=\"", c) }) {
				if len(part) > 12 {
					list = append(list, part)
				}
			}
		}
	}
	if query := a.request.URL.RawQuery; len(query) > 12 {
		list = append(list, query)
	}
	if t := a.request.TLS; t != nil && len(t.PeerCertificates) > 0 {
		list = append(list, enc64(t.PeerCertificates[0].Raw)[:80], string(t.PeerCertificates[0].Raw))
	}
	return list
}
