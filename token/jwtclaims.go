package token

import (
	"strings"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/internal/strictjson"
)

var claimNames = []string{"iss", "sub", "client_id", "jti", "sid", "aud", "scope", "exp", "nbf", "iat", "auth_time", "acr", "amr", "cnf",
	"authorization_details", "consent_id"}

// readClaims reads the payload of a JWT access token. A claim of the wrong type is refused, null included.
func readClaims(c *Claims, text string) error {
	c.JSON = text
	return strictjson.Members(text, func(name, value string) (err error) {
		switch name {
		case "iss":
			c.Issuer, err = nonEmpty(value)
		case "sub":
			c.Subject, err = nonEmpty(value)
		case "client_id":
			c.Client, err = visible(value)
		case "jti":
			c.ID, err = nonEmpty(value)
		case "sid":
			c.Session, err = nonEmpty(value)
		case "aud":
			c.Audience, err = stringOrStrings(value)
		case "scope":
			c.Scope, err = scopes(value)
		case "exp":
			c.Expires, err = numericDate(value)
		case "nbf":
			c.NotBefore, err = numericDate(value)
		case "iat":
			c.Issued, err = numericDate(value)
		case "auth_time":
			c.AuthTime, err = numericDate(value)
		case "acr":
			c.ACR, err = nonEmpty(value)
		case "amr":
			c.AMR, err = stringsOf(value)
		case "cnf":
			c.JKT, c.X5T, err = confirmation(value)
		default:
			err = jose.CaseVariant(name, claimNames)
		}
		return err
	})
}

// visible reads a client_id: VSCHAR only (RFC 6749 §A.1).
func visible(value string) (string, error) {
	s, err := nonEmpty(value)
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return "", ErrClaims
		}
	}
	return s, err
}

// scopes splits at spaces (RFC 8693 §4.2). An empty string grants nothing; another type is refused.
func scopes(value string) ([]string, error) {
	s, err := strictjson.String(value)
	if err != nil {
		return nil, ErrClaims
	}
	list := make([]string, 0, strings.Count(s, " ")+1)
	for name := range strings.SplitSeq(s, " ") {
		if name != "" {
			list = append(list, name)
		}
	}
	return list, nil
}

var confirmationNames = []string{"jkt", "x5t#S256"}

// confirmation reads cnf (RFC 7800 §3.1). Members that are not understood are ignored beside one that is; alone
// they confirm nothing and are refused, like everything malformed: never a plain bearer token.
func confirmation(value string) (jkt, x5t string, err error) {
	err = strictjson.Members(value, func(name, value string) (err error) {
		switch name {
		case "jkt":
			jkt, err = digestText(value)
		case "x5t#S256":
			x5t, err = digestText(value)
		default:
			err = jose.CaseVariant(name, confirmationNames)
		}
		return err
	})
	if err != nil || jkt == "" && x5t == "" {
		return "", "", ErrConfirmation
	}
	return jkt, x5t, nil
}

// digestText reads a string of the 43 characters that a SHA-256 value has in base64url.
func digestText(value string) (string, error) {
	s, err := strictjson.String(value)
	if err != nil {
		return "", ErrConfirmation
	}
	if _, ok := jose.ParseDigest(s); !ok {
		return "", ErrConfirmation
	}
	return s, nil
}
