package token_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

type ctx = context.Context

// RFC 9449 §4.1, §5 and §7.1: three proofs of one key. Line breaks are for the page.
const (
	rfc9449Header = `eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldW
QVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19`
	rfc9449TokenProof = rfc9449Header + `.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu
IiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg`
	rfc9449RefreshProof = rfc9449Header + `.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu
IiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA`
	rfc9449ResourceProof = rfc9449Header + `.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90
ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E
OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA`

	rfc9449Token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU" // §7.1
	rfc9449JKT   = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" // §6.1
	rfc9449ATH   = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" // §7.1
)

func unfold(s string) string { return strings.ReplaceAll(s, "\n", "") }

func TestRFC9449Vectors(t *testing.T) {
	proofs := map[string]string{"4.1": rfc9449TokenProof, "5": rfc9449RefreshProof, "7.1": rfc9449ResourceProof}
	for section, text := range proofs {
		t.Run("V1 RFC 9449 §"+section+" signature", func(t *testing.T) {
			jws, err := jose.Split(unfold(text))
			must(err)
			_, jwk, _ := strings.Cut(jws.Header, `"jwk":`)
			key, err := jose.ParseKey(strings.TrimSuffix(jwk, "}"))
			must(err)
			if !jws.Verify(key.Public, jose.ES256) || key.Thumbprint.String() != rfc9449JKT {
				t.Errorf("signature or thumbprint %s", key.Thumbprint)
			}
		})
	}
	if got := jose.Sum(rfc9449Token).String(); got != rfc9449ATH {
		t.Errorf("V1 ath %s", got)
	}
	// at moves the clock to seconds after 1970 and asks with a verifier of the resource server of §7.1.
	at := func(t *testing.T, seconds int64) *rig {
		time.Sleep(time.Until(time.Unix(seconds, 0)))
		return newRig(t, func(k *rig) {
			k.config.Origin = "https://resource.example.org"
			k.resolver = token.ResolverFunc(func(_ ctx, raw string) (*token.Claims, error) {
				if raw != rfc9449Token {
					return nil, token.ErrMalformed
				}
				return &token.Claims{Issuer: "https://server.example.com", Client: "client", Scope: []string{"accounts"}, JKT: rfc9449JKT, Expires: time.Now().Add(time.Minute)}, nil
			})
		})
	}
	ask := func(k *rig, proof string) answer {
		r := k.asking("Authorization", "DPoP "+rfc9449Token, "DPoP", unfold(proof))
		r.URL.Path = "/protectedresource"
		return k.call(r)
	}
	bubble(t, "V1, V2 RFC 9449 §7.1 accepted", func(t *testing.T) {
		k := at(t, 1562262618)
		ask(k, rfc9449ResourceProof).ok(t)
		ask(k, rfc9449ResourceProof).is(t, eIDP, replay.ErrUsed)
	})
	bubble(t, "V1 RFC 9449 §7.1 accepted a little early", func(t *testing.T) { ask(at(t, 1562262616), rfc9449ResourceProof).ok(t) })
	bubble(t, "V1 RFC 9449 §7.1 too late", func(t *testing.T) {
		ask(at(t, 1562262618+61), rfc9449ResourceProof).is(t, eIDP, token.ErrProofTime)
	})
	bubble(t, "V1 RFC 9449 §4.1 and §5 have no ath", func(t *testing.T) {
		ask(at(t, 1562262616), rfc9449TokenProof).is(t, eIDP, token.ErrProofClaims)
		ask(at(t, 1562265296), rfc9449RefreshProof).is(t, eIDP, token.ErrProofClaims)
	})
	bubble(t, "V2 RFC 9449 §7.1 challenge", func(t *testing.T) {
		k := at(t, 1562262618)
		r := k.asking()
		a := k.call(r)
		a.is(t, c0, token.ErrMissing)
		r = k.asking("Authorization", "DPoP "+rfc9449Token[1:], "DPoP", unfold(rfc9449ResourceProof))
		r.URL.Path = "/protectedresource"
		k.call(r).is(t, eIDP, token.ErrProofToken)
	})
}

// RFC 8705 Appendix A: a certificate that has expired, and its thumbprint.
const (
	rfc8705Certificate = `-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----
`
	rfc8705Thumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
)

func TestRFC8705Vector(t *testing.T) {
	block, _ := pem.Decode([]byte(rfc8705Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	must(err)
	k := newRig(t)
	raw := k.access().bind(`{"x5t#S256":` + quote(rfc8705Thumbprint) + `}`).compact()
	t.Run("V3, RFC8705-3.1-1", func(t *testing.T) {
		k.call(over(k.asking("Authorization", "Bearer "+raw), cert)).ok(t)
		k.call(over(k.asking("Authorization", "Bearer "+raw), k.cert)).is(t, eIT, token.ErrCertificateMismatch)
	})
}

// TestThumbprintVectors: RFC 7638 §3.1 and RFC 8037 §A.3, with what must not change them.
func TestThumbprintVectors(t *testing.T) {
	for _, c := range []struct{ name, jwk, want string }{
		{"V7 RFC 7638 §3.1", `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"V8 RFC 8037 §A.3", `{"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","crv":"Ed25519","kty":"OKP"}`, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
		{"V1 RFC 9449 §6.1", `{"y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA", "x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","use":"sig","kty":"EC","crv":"P-256"}`, rfc9449JKT},
	} {
		t.Run(c.name+", RFC7638-3", func(t *testing.T) {
			key, err := jose.ParseKey(c.jwk)
			must(err)
			if got := key.Thumbprint.String(); got != c.want {
				t.Errorf("thumbprint %s", got)
			}
		})
	}
	t.Run("V8 RFC 8037 §A.4", func(t *testing.T) {
		key, err := jose.ParseKey(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`)
		must(err)
		const text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
		jws, err := jose.Split(text)
		must(err)
		if !jws.Verify(key.Public, jose.EdDSA) || jws.Payload != "Example of Ed25519 signing" {
			t.Error("not verified")
		}
	})
}
