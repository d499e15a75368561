package actors

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

// Key signs tokens or proofs.
type Key struct {
	Algorithm string // ES256, PS256, RS256, EdDSA or Ed25519
	ID        string // kid, may be empty
	signer    crypto.Signer
}

// NewKey makes a key for one algorithm.
func NewKey(algorithm, id string) *Key {
	k := &Key{Algorithm: algorithm, ID: id}
	switch algorithm {
	case "ES256":
		k.signer = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "PS256", "RS256":
		k.signer = must(rsa.GenerateKey(rand.Reader, 2048))
	default:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		k.signer = must(private, err)
	}
	return k
}

// JWK is the public half.
func (k *Key) JWK() map[string]any {
	jwk := k.required()
	if k.ID != "" {
		jwk["kid"], jwk["alg"], jwk["use"] = k.ID, k.Algorithm, "sig"
	}
	return jwk
}

// Thumbprint is what a token names the key by: jkt (RFC 7638, RFC 9449 §6.1).
func (k *Key) Thumbprint() string {
	return digest(string(must(json.Marshal(k.required())))) // encoding/json writes members in the order of RFC 7638 §3.3
}

// required gives the members that RFC 7638 §3.2 and RFC 8037 §2 demand.
func (k *Key) required() map[string]any {
	switch public := k.signer.Public().(type) {
	case *ecdsa.PublicKey:
		point := must(public.Bytes()) // 4, x, y
		return map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
	default:
		panic(fmt.Sprintf("actors: a key of type %T", public))
	}
}

// Sign writes a compact JWS. The algorithm is the header's if it names one.
func (k *Key) Sign(header, claims map[string]any) string {
	if _, named := header["alg"]; !named {
		header["alg"] = k.Algorithm
	}
	signed := Unsigned(header, claims)
	return signed + b64(k.signature(strings.TrimSuffix(signed, ".")))
}

// Unsigned writes a compact JWS without its signature.
func Unsigned(header, claims map[string]any) string {
	return b64(must(json.Marshal(header))) + "." + b64(must(json.Marshal(claims))) + "."
}

func (k *Key) signature(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	switch private := k.signer.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		signature := must(make([]byte, 64), err) // RFC 7518 §3.4
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature
	case *rsa.PrivateKey:
		if k.Algorithm == "RS256" {
			return must(rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:]))
		}
		return must(rsa.SignPSS(rand.Reader, private, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
	default:
		return must(k.signer.Sign(rand.Reader, []byte(text), crypto.Hash(0)))
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return b64(sum[:])
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
