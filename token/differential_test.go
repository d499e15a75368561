package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/tegata-go/tegata/token"
)

// strictness is every reason for which this package refuses what jwx, asked for the same issuer, audience and
// key, accepts: RFC 9068 demands more than RFC 7519, and texts that readers understand differently are refused.
var strictness = []error{token.ErrMalformed, token.ErrType, token.ErrAlgorithm, token.ErrCritical, token.ErrClaims, token.ErrLifetime,
	token.ErrConfirmation, token.ErrUnknownKey, token.ErrNotYet, token.ErrExpired}

func (b *bench) jwx(raw string) error {
	_, err := jwt.Parse([]byte(raw), jwt.WithKey(jwa.ES256(), &b.es.PublicKey), jwt.WithValidate(true),
		jwt.WithIssuer(benchIssuer), jwt.WithAudience(benchOrigin), jwt.WithRequiredClaim("exp"), jwt.WithAcceptableSkew(30*time.Second))
	return err
}

// FuzzTokenAgainstJWX signs any header and payload with the issuer's key. The laws: what is accepted here is
// accepted by jwx too and says the same; what only jwx accepts is refused for a listed reason.
func FuzzTokenAgainstJWX(f *testing.F) {
	s := newBench(f, 0)
	header, payload := `{"alg":"ES256","kid":"es","typ":"at+jwt"}`, s.payload()
	seeds := [][2]string{
		{header, payload},
		{`{"alg":"ES256","kid":"es","typ":"application/AT+JWT","x":[{}]}`, payload},
		{`{"alg":"none","typ":"at+jwt"}`, payload},
		{`{"alg":"ES256","ALG":"none","kid":"es","typ":"at+jwt"}`, payload},
		{`{"alg":"ES256","kid":"es","typ":"at+jwt","crit":["exp"]}`, payload},
		{`{"alg":"ES256","kid":"es","typ":"at+jwt","b64":false}`, payload},
		{header, strings.Replace(payload, `"exp":`, `"exp":1,"exp":`, 1)},
		{header, strings.Replace(payload, `"exp":`, `"EXP":`, 1)},
		{header, strings.Replace(payload, `"iss":`, `"iss":null,"x":`, 1)},
		{header, strings.Replace(payload, `"exp":`, `"exp":1e300,"x":`, 1)},
		{header, `[]`}, {`[]`, payload}, {``, ``},
	}
	for _, seed := range seeds {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		raw := s.signTexts(header, payload)
		claims, err := s.jwt.Resolve(context.Background(), raw)
		theirs := s.jwx(raw)
		switch {
		case err == nil && theirs != nil:
			t.Fatalf("accepted, but jwx says %v\n%s\n%s", theirs, header, payload)
		case err == nil:
			var m map[string]any
			if json.Unmarshal([]byte(payload), &m) != nil || m["iss"] != claims.Issuer || m["sub"] != claims.Subject || m["jti"] != claims.ID || m["client_id"] != claims.Client {
				t.Fatalf("read differently: %+v\n%s", claims, payload)
			}
		case theirs == nil && !slices.ContainsFunc(strictness, func(reason error) bool { return errors.Is(err, reason) }):
			t.Fatalf("refused (%v), but jwx accepts\n%s\n%s", err, header, payload)
		}
	})
}

func (b *bench) payload() string {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	exp := strconv.FormatInt(time.Now().Unix()+3000, 10)
	return `{"iss":"` + benchIssuer + `","sub":"u","client_id":"c","jti":"j","aud":["` + benchOrigin + `","other"],"iat":` + now + `,"exp":` + exp +
		`,"scope":"accounts","cnf":{"jkt":"` + b.jkt() + `"}}`
}

// signTexts signs the two texts as they are.
func (b *bench) signTexts(header, payload string) string {
	return b.signedBy(header, payload, b.es)
}

// FuzzProof signs any header and payload with the client's key. The law: a proof that is accepted says, for
// encoding/json too, exactly what it must.
func FuzzProof(f *testing.F) {
	s := newBench(f, 0)
	raw := s.token("ES256", true)
	v := s.verifier(true)
	proof := strings.Split(s.proof(raw), ".")
	header, payload := unb64(f, proof[0]), unb64(f, proof[1])
	for _, seed := range [][2]string{
		{header, payload},
		{strings.Replace(header, `{`, `{"kid":"x","TYP":"y",`, 1), payload},
		{strings.Replace(header, `{`, `{"kid":"x",`, 1), payload},
		{header, strings.Replace(payload, `"htm":"GET"`, `"htm":"get"`, 1)},
		{header, strings.Replace(payload, `{`, `{"tx":{"a":[1]},"nbf":1,`, 1)},
		{header, strings.Replace(payload, `/accounts`, `/%61ccounts`, 1)},
	} {
		f.Add(seed[0], seed[1])
	}
	jwk := ecJWK(f, &s.client.PublicKey)
	f.Fuzz(func(t *testing.T, header, payload string) {
		r := s.request(raw, s.signedBy(header, payload, s.client))
		if _, err := v.Authenticate(r); err != nil {
			return
		}
		var h struct {
			Typ, Alg string
			JWK      map[string]any
		}
		var c struct {
			Jti, Htm, Htu, Ath string
			Iat                float64
		}
		if json.Unmarshal([]byte(header), &h) != nil || json.Unmarshal([]byte(payload), &c) != nil {
			t.Fatal("accepted what encoding/json cannot read")
		}
		age := float64(time.Now().Unix()) - c.Iat
		if h.Typ != "dpop+jwt" || h.Alg != "ES256" || h.JWK["x"] != jwk["x"] || h.JWK["d"] != nil || c.Htm != "GET" || c.Jti == "" || age > 301 || age < -16 || c.Ath == "" {
			t.Fatalf("accepted\n%s\n%s", header, payload)
		}
	})
}

// FuzzQuery: a token in the query is seen exactly when a lenient server would see one.
func FuzzQuery(f *testing.F) {
	s := newBench(f, 0)
	v := s.verifier(true)
	for _, seed := range []string{"access_token=x", "%61ccess_token=x", "a=b;access_token", "a=access_token", "Access_Token=x", "access%5ftoken=x", "access_token%00=x", "%=access_token", "&&;;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		want := false
		for parameter := range strings.SplitSeq(strings.ReplaceAll(query, ";", "&"), "&") {
			name, _, _ := strings.Cut(parameter, "=")
			decoded, err := url.PathUnescape(name)
			want = want || name == "access_token" || err == nil && decoded == "access_token"
		}
		r := s.request("x", "")
		r.Header.Del("Authorization")
		r.URL.RawQuery = query
		_, err := v.Authenticate(r)
		if got := errors.Is(err, token.ErrInQuery); got != want {
			t.Fatalf("%q: %v, want %v", query, err, want)
		}
	})
}
