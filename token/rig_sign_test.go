package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
)

func enc64[T ~string | ~[]byte](b T) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }

func sum64[T ~string | ~[]byte](b T) string {
	sum := sha256.Sum256([]byte(b))
	return enc64(sum[:])
}

// quote writes s as a JSON string.
func quote(s string) string {
	b, err := json.Marshal(s)
	must(err)
	return string(b)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// object is a JSON object with its members in order, so that a test can break one of them, or write one twice.
type object []jsonMember

type jsonMember struct{ name, json string }

func (o *object) set(name, json string) {
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].json = json
			return
		}
	}
	o.add(name, json)
}

// add writes the member even when there is one of that name.
func (o *object) add(name, json string) { *o = append(*o, jsonMember{name, json}) }

func (o *object) remove(name string) {
	kept := object{}
	for _, m := range *o {
		if m.name != name {
			kept = append(kept, m)
		}
	}
	*o = kept
}

func (o object) String() string {
	var b strings.Builder
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(m.name) + ":" + m.json)
	}
	return "{" + b.String() + "}"
}

// pair is a key pair with its public JWK.
type pair struct {
	alg, kid string
	private  crypto.Signer
	jwk      object // public members
	jkt      string
}

func newPair(alg, kid string) *pair {
	p := &pair{alg: alg, kid: kid}
	switch alg {
	case jose.ES256:
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		point, err := k.PublicKey.Bytes()
		must(err)
		p.private, p.jwk = k, object{{"crv", `"P-256"`}, {"kty", `"EC"`}, {"x", quote(enc64(point[1:33]))}, {"y", quote(enc64(point[33:]))}}
	case jose.PS256:
		k := rsaKey()
		p.private, p.jwk = k, rsaJWK(&k.PublicKey)
	default:
		public, k, err := ed25519.GenerateKey(rand.Reader)
		must(err)
		p.private, p.jwk = k, object{{"crv", `"Ed25519"`}, {"kty", `"OKP"`}, {"x", quote(enc64(public))}}
	}
	p.jkt = sum64(p.jwk.String()) // the members are in the order of RFC 7638 §3.3
	return p
}

func rsaJWK(k *rsa.PublicKey) object {
	return object{{"e", quote(enc64(big.NewInt(int64(k.E)).Bytes()))}, {"kty", `"RSA"`}, {"n", quote(enc64(k.N.Bytes()))}}
}

// rsaKey is made once: RSA keys are slow to make.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	return k
})

// published is the JWK as a key set has it.
func (p *pair) published() object {
	o := append(object{}, p.jwk...)
	o.set("kid", quote(p.kid))
	o.set("use", `"sig"`)
	return o
}

func keySetOf(keys ...object) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.String()
	}
	return `{"keys":[` + strings.Join(texts, ",") + `]}`
}

// sign makes a signature as RFC 7518 §3.4, §3.5 and RFC 8037 §3.1 want it.
func (p *pair) sign(signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	switch k := p.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		must(err)
		b := make([]byte, 64)
		r.FillBytes(b[:32])
		s.FillBytes(b[32:])
		return b
	case *rsa.PrivateKey:
		return signPSS(k, signed, rsa.PSSSaltLengthEqualsHash)
	case ed25519.PrivateKey:
		return ed25519.Sign(k, []byte(signed))
	}
	panic("unknown key")
}

func signPSS(k *rsa.PrivateKey, signed string, salt int) []byte {
	digest := sha256.Sum256([]byte(signed))
	b, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256})
	must(err)
	return b
}

// draft is a JWS that is not signed yet: every part of it can be broken.
type draft struct {
	header, claims object
	key            *pair

	rawHeader, rawClaims string                                     // in place of header and claims
	signature            func(signed string) []byte                 // in place of the key's
	compose              func(header, claims, signed string) string // in place of joining the encoded parts by dots
}

func (d *draft) compact() string {
	header, claims := d.rawHeader, d.rawClaims
	if header == "" {
		header = d.header.String()
	}
	if claims == "" {
		claims = d.claims.String()
	}
	if d.signature == nil {
		d.signature = d.key.sign
	}
	h, c := enc64(header), enc64(claims)
	s := enc64(d.signature(h + "." + c))
	if d.compose != nil {
		return d.compose(h, c, s)
	}
	return h + "." + c + "." + s
}

// newCertificate makes a self-signed certificate for key.
func newCertificate(name string, key crypto.Signer) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func random() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return enc64(b)
}

func hmacBy(secret string) func(string) []byte {
	return func(signed string) []byte {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(signed))
		return m.Sum(nil)
	}
}
