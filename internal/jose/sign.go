package jose

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
	"math/big"

	"github.com/tegata-go/tegata/internal/strictjson"
)

// Signer is a private signature key of our own. It does not print.
type Signer struct {
	ID        string // kid, may be empty
	Algorithm string
	private   crypto.Signer
}

// String names the key and nothing of it.
func (s *Signer) String() string { return "jose.Signer " + s.ID }

// GoString is String.
func (s *Signer) GoString() string { return s.String() }

// ParseSigner reads one private JWK: EC on P-256, RSA of 2048 to 4096 bits, or OKP with Ed25519.
func ParseSigner(jwk string) (*Signer, error) {
	fields := map[string]string{}
	err := strictjson.Members(jwk, func(name, value string) error {
		if s, err := strictjson.String(value); err == nil {
			fields[name] = s
		}
		return nil
	})
	if err != nil || fields["use"] != "" && fields["use"] != "sig" {
		return nil, ErrKey
	}
	s := &Signer{ID: fields["kid"], Algorithm: fields["alg"]}
	var usual string
	switch fields["kty"] {
	case "EC":
		s.private, usual = ecSigner(fields), ES256
	case "RSA":
		s.private, usual = rsaSigner(fields), PS256
	case "OKP":
		s.private, usual = okpSigner(fields), EdDSA
	}
	if s.private == nil {
		return nil, ErrKey
	}
	if s.Algorithm == "" {
		s.Algorithm = usual
	}
	if !Fits(s.private.Public(), s.Algorithm) {
		return nil, ErrKey
	}
	return s, nil
}

func ecSigner(f map[string]string) crypto.Signer {
	d, err := Decode(f["d"])
	if err != nil || len(d) != 32 || f["crv"] != "P-256" {
		return nil
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte(d))
	if err != nil {
		return nil
	}
	point, err := private.PublicKey.Bytes()
	if err != nil || f["x"] != encode(point[1:33]) || f["y"] != encode(point[33:]) {
		return nil
	}
	return private
}

func okpSigner(f map[string]string) crypto.Signer {
	d, err := Decode(f["d"])
	if err != nil || len(d) != ed25519.SeedSize || f["crv"] != "Ed25519" {
		return nil
	}
	private := ed25519.NewKeyFromSeed([]byte(d))
	if f["x"] != encode(private[32:]) {
		return nil
	}
	return private
}

func rsaSigner(f map[string]string) crypto.Signer {
	var n [5]*big.Int
	for i, name := range []string{"n", "e", "d", "p", "q"} {
		b, err := Decode(f[name])
		if err != nil || b == "" {
			return nil
		}
		n[i] = new(big.Int).SetBytes([]byte(b))
	}
	if n[1].BitLen() > 31 {
		return nil
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n[0], E: int(n[1].Int64())}, D: n[2], Primes: []*big.Int{n[3], n[4]}}
	if !strongRSA(&private.PublicKey) || private.Validate() != nil {
		return nil
	}
	private.Precompute()
	return private
}

// Sign makes a compact JWS with typ and the claims.
func (s *Signer) Sign(typ string, claims any) (string, error) {
	header := struct {
		Alg string `json:"alg"`
		Kid string `json:"kid,omitempty"`
		Typ string `json:"typ"`
	}{s.Algorithm, s.ID, typ}
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := encode(h) + "." + encode(c)
	signature, err := s.signature(signed)
	if err != nil {
		return "", err
	}
	return signed + "." + encode(signature), nil
}

func (s *Signer) signature(signed string) ([]byte, error) {
	digest := sha256.Sum256([]byte(signed))
	switch private := s.private.(type) {
	case *ecdsa.PrivateKey:
		r, v, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			return nil, err
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		v.FillBytes(signature[32:])
		return signature, nil
	case *rsa.PrivateKey:
		return rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &pss)
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(signed)), nil
	}
	return nil, ErrKey
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
