package token

import (
	"net/http"
	"strings"

	"github.com/tegata-go/tegata/audit"
)

// Bounds of what a request may carry, in bytes.
const (
	maxToken = 12 << 10
	maxProof = 8 << 10
)

// attempt is one request's way through the steps.
type attempt struct {
	scheme scheme
	raw    string // the access token as it came
	proof  proof
}

// credentials is the envelope (RFC 6750 §2, RFC 9449 §7.1): exactly one token in exactly one place.
// It looks at the head only; a form body is not read for tokens.
func (v *Verifier) credentials(a *attempt, r *http.Request) audit.Reason {
	lines := r.Header["Authorization"]
	switch {
	case len(lines) == 0 && inQuery(r.URL.RawQuery):
		return ErrInQuery
	case len(lines) == 0:
		return ErrMissing
	case len(lines) > 1:
		return ErrSeveral
	}
	name, raw, _ := strings.Cut(lines[0], " ")
	switch {
	case v.challenges.bearer && strings.EqualFold(name, "Bearer"):
		a.scheme = schemeBearer
	case v.challenges.dpop && strings.EqualFold(name, "DPoP"):
		a.scheme = schemeDPoP
	default:
		return ErrScheme
	}
	raw = strings.TrimLeft(raw, " ")
	if len(raw) > maxToken {
		return ErrTooLarge
	}
	if !isToken68(raw) {
		return ErrCredentials
	}
	if inQuery(r.URL.RawQuery) {
		return ErrSeveral
	}
	a.raw = raw
	return ""
}

// proofLine finds the one DPoP proof (RFC 9449 §4.3 steps 1 and 2).
func proofLine(r *http.Request) (string, audit.Reason) {
	lines := r.Header["Dpop"]
	switch {
	case len(lines) == 0:
		return "", ErrProofMissing
	case len(lines) > 1:
		return "", ErrProofSeveral
	case len(lines[0]) > maxProof:
		return "", ErrProofTooLarge
	}
	return lines[0], ""
}

// isToken68 is RFC 9110 §11.2; RFC 6750 calls it b64token.
func isToken68(s string) bool {
	for strings.HasSuffix(s, "=") {
		s = s[:len(s)-1]
	}
	empty := s == ""
	foreign := false
	for len(s) >= 8 { // without a branch for each character
		foreign = foreign || not68[s[0]]|not68[s[1]]|not68[s[2]]|not68[s[3]]|not68[s[4]]|not68[s[5]]|not68[s[6]]|not68[s[7]] != 0
		s = s[8:]
	}
	for i := range len(s) {
		foreign = foreign || not68[s[i]] != 0
	}
	return !empty && !foreign
}

var not68 = func() (set [256]byte) {
	for c := range set {
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/", byte(c)) < 0 {
			set[c] = 1
		}
	}
	return set
}()

// inQuery finds a parameter named access_token, however its name is escaped. The raw query is scanned
// because url.ParseQuery drops what stands beside a semicolon.
func inQuery(query string) bool {
	for query != "" {
		var parameter string
		i := 0
		for i < len(query) && query[i] != '&' && query[i] != ';' {
			i++
		}
		parameter, query = query[:i], query[min(i+1, len(query)):]
		name, _, _ := strings.Cut(parameter, "=")
		if isAccessToken(name) {
			return true
		}
	}
	return false
}

// isAccessToken decodes name while comparing it.
func isAccessToken(name string) bool {
	const want = "access_token"
	for i := range len(want) {
		c, n := unescaped(name)
		if n == 0 || c != want[i] {
			return false
		}
		name = name[n:]
	}
	return name == ""
}

func unescaped(s string) (c byte, n int) {
	if s == "" {
		return 0, 0
	}
	if s[0] != '%' || len(s) < 3 {
		return s[0], 1
	}
	hi, lo := strings.IndexByte(hexDigits, s[1]|0x20), strings.IndexByte(hexDigits, s[2]|0x20)
	if hi < 0 || lo < 0 {
		return s[0], 1
	}
	return byte(hi<<4 | lo), 3
}

const hexDigits = "0123456789abcdef"
