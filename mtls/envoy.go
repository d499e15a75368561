package mtls

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// parseEnvoy reads X-Forwarded-Client-Cert of one element: pairs key=value between semicolons, values
// quoted where they hold a separator. Hash and Cert are required and must be of one certificate: a
// subject or a name that the client's certificate brings cannot pose as another certificate. Chain is
// that certificate and its intermediates. Every key but URI, DNS and By stands once at most.
func parseEnvoy(text string) ([][]byte, error) {
	s := scanner{s: text}
	values := map[string]string{}
	for {
		name := strings.ToLower(s.token())
		if name == "" || !s.take('=') {
			return nil, errField
		}
		value, ok := s.bare()
		if !ok {
			return nil, errField
		}
		_, twice := values[name]
		if twice && name != "uri" && name != "dns" && name != "by" {
			return nil, errField
		}
		values[name] = value
		if s.s == "" {
			break
		}
		if !s.take(';') { // a comma begins the element of another proxy
			return nil, errField
		}
	}
	ders, err := parseEscaped(values["cert"], 1)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(ders[0])
	if values["hash"] != hex.EncodeToString(sum[:]) {
		return nil, errField
	}
	if values["chain"] == "" {
		return ders, nil
	}
	chain, err := parseEscaped(values["chain"], 1+maxChain)
	if err != nil || string(chain[0]) != string(ders[0]) {
		return nil, errField
	}
	return chain, nil
}

// bare is a quoted string, or anything up to the next separator; it may be empty.
func (s *scanner) bare() (string, bool) {
	if s.take('"') {
		return s.quoted()
	}
	i := strings.IndexAny(s.s, `,;"`)
	if i < 0 {
		i = len(s.s)
	}
	value := s.s[:i]
	s.s = s.s[i:]
	return value, true
}
