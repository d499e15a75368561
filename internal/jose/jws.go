package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"strings"
)

// The algorithms of this package (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).
const (
	ES256   = "ES256"
	PS256   = "PS256"
	EdDSA   = "EdDSA" // with Ed25519 only
	Ed25519 = "Ed25519"
)

// Algorithms is all that can be verified here.
func Algorithms() []string { return []string{ES256, PS256, EdDSA, Ed25519} }

const maxSignature = maxRSABits / 8

// JWS is a compact serialisation taken apart. Nothing of it is believed yet.
type JWS struct {
	Header, Payload string // decoded
	Signed          string // what the signature is over: the first two parts as they came
	signature       string
}

// Split takes a compact JWS apart: exactly three parts, the first two canonical base64url.
// The caller has bounded its length. It costs no more for ten thousand dots than for three.
func Split(compact string) (JWS, error) {
	header, rest, ok := strings.Cut(compact, ".")
	if !ok {
		return JWS{}, ErrBase64
	}
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.IndexByte(signature, '.') >= 0 {
		return JWS{}, ErrBase64
	}
	var buf [2048]byte // both parts one after the other, so that they become one string
	b, err := appendDecoded(buf[:0], header)
	if err != nil {
		return JWS{}, err
	}
	n := len(b)
	if b, err = appendDecoded(b, payload); err != nil {
		return JWS{}, err
	}
	text := string(b)
	return JWS{Header: text[:n], Payload: text[n:], Signed: compact[:len(header)+1+len(payload)], signature: signature}, nil
}

// Verify is true when public made the signature under alg. An alg that does not fit the key is a
// refusal, never a choice.
func (j *JWS) Verify(public crypto.PublicKey, alg string) bool {
	var buf [maxSignature]byte
	if canonical.DecodedLen(len(j.signature)) > len(buf) {
		return false
	}
	signature, err := appendDecoded(buf[:0], j.signature)
	if err != nil || !Fits(public, alg) {
		return false
	}
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if len(signature) != 64 {
			return false
		}
		sum := Sum(j.Signed)
		var der [72]byte
		return ecdsa.VerifyASN1(key, sum[:], appendDER(der[:0], signature))
	case *rsa.PublicKey:
		sum := Sum(j.Signed)
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, &pss) == nil
	case ed25519.PublicKey:
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(key, []byte(j.Signed), signature)
	}
	return false
}

// pss is RFC 7518 §3.5: the salt is as long as the hash.
var pss = rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

// Fits is true when alg is one that public can have signed with, and public is strong enough.
func Fits(public crypto.PublicKey, alg string) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return alg == ES256 && key != nil && key.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return alg == PS256 && key != nil && strongRSA(key)
	case ed25519.PublicKey:
		return (alg == EdDSA || alg == Ed25519) && len(key) == ed25519.PublicKeySize
	}
	return false
}

// appendDER turns r‖s (RFC 7518 §3.4) into the SEQUENCE that crypto/ecdsa reads without big integers.
func appendDER(dst, rs []byte) []byte {
	dst = append(dst, 0x30, 0)
	dst = appendInteger(dst, rs[:32])
	dst = appendInteger(dst, rs[32:])
	dst[1] = byte(len(dst) - 2)
	return dst
}

func appendInteger(dst, n []byte) []byte {
	for len(n) > 1 && n[0] == 0 {
		n = n[1:]
	}
	if n[0] >= 0x80 {
		dst = append(dst, 0x02, byte(len(n)+1), 0)
	} else {
		dst = append(dst, 0x02, byte(len(n)))
	}
	return append(dst, n...)
}
