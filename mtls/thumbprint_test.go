package mtls_test

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

// The certificate and the thumbprint of RFC 8705 appendix A.
const (
	appendixA = `-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----
`
	appendixAThumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
)

func appendixACert(t testing.TB) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(appendixA))
	if block == nil {
		t.Fatal("no PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestThumbprint(t *testing.T) {
	cert := appendixACert(t)
	t.Run("RFC8705-3.1-1", func(t *testing.T) {
		if got := mtls.ThumbprintText(cert); got != appendixAThumbprint {
			t.Errorf("ThumbprintText: %q", got)
		}
		parsed, err := mtls.ParseThumbprint(appendixAThumbprint)
		if err != nil || parsed != mtls.Thumbprint(cert) {
			t.Errorf("ParseThumbprint: %x, %v; Thumbprint: %x", parsed, err, mtls.Thumbprint(cert))
		}
	})
	t.Run("RFC8705-3.1-2", func(t *testing.T) {
		ca := authority(t, "ca")
		first := issue(t, ca, nil)
		again := issueFor(t, first.key, ca, nil)
		if mtls.Thumbprint(first.cert) == mtls.Thumbprint(again.cert) {
			t.Error("a certificate issued again for the same key has the same thumbprint")
		}
	})
}

func TestParseThumbprintRefuses(t *testing.T) {
	cert := appendixACert(t)
	sum, short := mtls.Thumbprint(cert), sha1.Sum(cert.Raw)
	// 0xfb 0xff ... needs both characters in which the two alphabets differ.
	odd := [32]byte{0xfb, 0xff, 0xbf}
	for name, text := range map[string]string{
		"empty":                    "",
		"pitfall-73/hex":           hex.EncodeToString(sum[:]),
		"pitfall-73/padded":        appendixAThumbprint + "=",
		"pitfall-73/padded inside": appendixAThumbprint[:42] + "=",
		"pitfall-73/standard":      base64.RawStdEncoding.EncodeToString(odd[:]),
		"pitfall-73/space":         " " + appendixAThumbprint[:42],
		"pitfall-73/space after":   appendixAThumbprint + " ",
		"pitfall-73/line break":    appendixAThumbprint[:21] + "\n" + appendixAThumbprint[22:],
		"pitfall-73/line breaks":   appendixAThumbprint[:41] + "\r\n",
		"pitfall-73/line in zeros": strings.Repeat("A", 21) + "\n" + strings.Repeat("A", 21),
		"pitfall-73/line added":    appendixAThumbprint[:21] + "\n" + appendixAThumbprint[21:],
		"pitfall-73/unused bits":   appendixAThumbprint[:42] + "1", // 0 and 1 differ in the two bits that no byte has
		"pitfall-73/42":            appendixAThumbprint[:42],
		"pitfall-73/44":            appendixAThumbprint + "A",
		"pitfall-73/long":          strings.Repeat("A", 1<<20),
		"pitfall-73/not ASCII":     "é" + appendixAThumbprint[2:],
		"pitfall-74/SHA-1":         base64.RawURLEncoding.EncodeToString(short[:]),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mtls.ParseThumbprint(text)
			if err == nil {
				t.Fatalf("taken: %x", got)
			}
			if got != [32]byte{} {
				t.Errorf("a refused thumbprint is not zero: %x", got)
			}
			if len(text) > 8 && strings.Contains(err.Error(), text[:8]) {
				t.Errorf("the error quotes its input: %v", err)
			}
		})
	}
}

func FuzzParseThumbprint(f *testing.F) {
	seeds := []string{appendixAThumbprint, appendixAThumbprint[:42] + "1", appendixAThumbprint + "=", strings.Repeat("-_", 21) + "8"}
	taken := 0
	for _, seed := range seeds {
		if _, err := mtls.ParseThumbprint(seed); err == nil {
			taken++
		}
		f.Add(seed)
	}
	if taken == 0 || taken == len(seeds) {
		f.Fatalf("of %d seeds %d are taken: both kinds are needed", len(seeds), taken)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sum, err := mtls.ParseThumbprint(text)
		// The law: a text is taken if and only if it is the encoding of 32 bytes, and as those bytes.
		if err == nil && base64.RawURLEncoding.EncodeToString(sum[:]) != text {
			t.Errorf("%q is taken as %x", text, sum)
		}
		raw, oracle := base64.RawURLEncoding.DecodeString(text)
		if oracle == nil && len(raw) == 32 && base64.RawURLEncoding.EncodeToString(raw) == text && err != nil {
			t.Errorf("%q is refused", text)
		}
	})
}
