package token_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/token"
)

// FuzzAnswer: an answer is believed only when a lenient reader sees an active token of ours that has not expired, and
// sees the same names in it; inactive is what it sees as not active.
func FuzzAnswer(f *testing.F) {
	now := strconv.FormatInt(time.Now().Unix()+300, 10)
	good := `{"active":true,"iss":"i","aud":["a","b"],"sub":"s","client_id":"c","exp":` + now + `,"scope":"x y","token_type":"Bearer"}`
	for _, seed := range []string{good, `{"active":false}`, `{"active":"true"}`, `{"active":true,"active":false}`, `{"Active":true}`, `[]`, `{}`,
		strings.Replace(good, `"iss":"i",`, ``, 1), strings.Replace(good, `"exp":`, `"exp":1,"x":`, 1), strings.Replace(good, `["a","b"]`, `"a"`, 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := token.Believed("i", "a", text)
		var seen struct {
			Active any     `json:"active"`
			Iss    string  `json:"iss"`
			Sub    string  `json:"sub"`
			Client string  `json:"client_id"`
			Exp    float64 `json:"exp"`
		}
		lenient := json.Unmarshal([]byte(text), &seen)
		switch {
		case errors.Is(err, token.ErrInactive):
			if seen.Active == true {
				t.Fatalf("%q: inactive", text)
			}
		case err == nil:
			if lenient != nil || seen.Active != true || seen.Iss != "" && seen.Iss != claims.Issuer || seen.Sub != claims.Subject ||
				seen.Client != claims.Client || seen.Exp+1 < float64(time.Now().Unix()) || claims.Issuer != "i" {
				t.Fatalf("%q: believed as %+v, %v", text, claims, lenient)
			}
		}
	})
}

var maxAges = regexp.MustCompile(`(?i)(?:^|,)[ \t]*max-age=([0-9]+)[ \t]*(?:,|$)`)

// FuzzMaxAge: no field makes a key set live longer than it says itself.
func FuzzMaxAge(f *testing.F) {
	for _, seed := range []string{"max-age=60", `Public , MAX-AGE="30"`, "no-store", "max-age=99999999999999999999", "max-age=-1", "max-age=5,max-age=7", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		age := token.MaxAge([]string{field})
		if age < 0 {
			t.Fatalf("%q: %v", field, age)
		}
		if said := maxAges.FindStringSubmatch(field); said != nil {
			if seconds, err := strconv.ParseInt(said[1], 10, 32); err == nil && age > time.Duration(seconds)*time.Second {
				t.Fatalf("%q: %v", field, age)
			}
		}
		if both := token.MaxAge([]string{field, "max-age=1"}); both > time.Second || both > age {
			t.Fatalf("%q: %v with another line", field, both)
		}
	})
}

var token68 = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*\z`)

// FuzzToken68: exactly what RFC 9110 §11.2 writes.
func FuzzToken68(f *testing.F) {
	for _, seed := range []string{"a", "a=", "=", "", "a=b", "aaaaaaaa", "aaaaaaa\n", "aaaaaaaaaaaaaaa,", "a b", "é", strings.Repeat("z", 17) + "==", "====="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if token.IsToken68(s) != token68.MatchString(s) {
			t.Fatalf("%q: %v", s, token.IsToken68(s))
		}
	})
}
