package token

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
)

const signedAnswer = "token-introspection+jwt"

// answerOf is what the endpoint said: a JSON text, or a signed one.
type answerOf struct {
	text   string
	signed bool
}

const (
	errAnswer = constant("token: introspection answer cannot be used")
	errStatus = constant("token: introspection endpoint refuses us")

	// errRefused is about one token: whoever sends such tokens must not open the breaker for all.
	errRefused = constant("token: introspection endpoint will not read the token")
)

// introspectOver makes the call (RFC 7662 §2.1): POST, form, authenticated, over TLS.
func introspectOver(c *IntrospectionConfig, u *url.URL, signer *jose.Signer) func(context.Context, string) (*answerOf, error) {
	client := outboundClient(u, c.TLS, c.PrivateHosts, 8) // a handshake for each token would cost more than the call
	target, id, issuer, wantSigned := u.String(), c.ClientID, c.Issuer, c.SignedBy != nil
	accept := "application/json"
	if wantSigned {
		accept = "application/" + signedAnswer
	}
	return func(ctx context.Context, raw string) (*answerOf, error) {
		form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}, "client_id": {id}}
		if signer != nil {
			assertion, err := assertClient(signer, id, issuer)
			if err != nil {
				return nil, err
			}
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", assertion)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", accept)
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		return readAnswer(resp)
	}
}

func readAnswer(resp *http.Response) (*answerOf, error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		return nil, fmt.Errorf("%w: status %d", errRefused, resp.StatusCode)
	default:
		return nil, fmt.Errorf("%w: status %d", errStatus, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || len(body) > maxAnswer {
		return nil, errAnswer
	}
	return &answerOf{text: string(body), signed: kind == "application/"+signedAnswer}, nil
}

// assertClient is private_key_jwt: RFC 7523 §3, with the issuer alone as audience (FAPI 2.0 Security Profile §5.3.3.1).
func assertClient(signer *jose.Signer, id, issuer string) (string, error) {
	now := time.Now()
	return signer.Sign("JWT", struct {
		Iss string `json:"iss"`
		Sub string `json:"sub"`
		Aud string `json:"aud"`
		Jti string `json:"jti"`
		Iat int64  `json:"iat"`
		Exp int64  `json:"exp"`
	}{id, id, issuer, rand.Text(), now.Unix(), now.Add(assertionLife).Unix()})
}
