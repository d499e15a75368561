package mtls

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // names issuers and keys
	_ "crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"
)

var (
	errOCSPMalformed = words("mtls: OCSP: malformed answer")
	errOCSPLater     = words("mtls: OCSP: the responder declines to answer")
	errOCSPOther     = words("mtls: OCSP: answer about another certificate")
	errOCSPUnknown   = words("mtls: OCSP: the responder does not know the certificate")
	errOCSPTime      = words("mtls: OCSP: answer over, too old or from the future")
	errOCSPSigner    = words("mtls: OCSP: answer not signed by one who may")

	oidOCSPBasic = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidSHA1      = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

// ocspAnswer is what a responder says about one certificate.
type ocspAnswer struct {
	revoked bool
	made    time.Time // thisUpdate
	until   time.Time // nextUpdate
}

// ocspWithoutNext is how long an answer counts that names no nextUpdate: newer ones exist at any time (RFC 6960
// section 4.2.2.1), so it must also be as young as that.
const ocspWithoutNext = time.Minute

// readOCSP reads an answer about cert, cheap checks first, signatures last (RFC 6960 section 3.2).
func readOCSP(raw []byte, cert, issuer *x509.Certificate, now time.Time, maxAge time.Duration) (*ocspAnswer, error) {
	basic, data, err := parseOCSP(raw)
	if err != nil {
		return nil, err
	}
	single := data.Responses[0]
	if !single.ID.names(cert, issuer) {
		return nil, errOCSPOther
	}
	answer := &ocspAnswer{made: single.ThisUpdate, until: single.NextUpdate}
	switch {
	case single.Status.Class != asn1.ClassContextSpecific:
		return nil, errOCSPMalformed
	case single.Status.Tag == 0 && !single.Status.IsCompound && len(single.Status.Bytes) == 0: // good
	case single.Status.Tag == 1 && single.Status.IsCompound:
		answer.revoked = true
	case single.Status.Tag == 2 && !single.Status.IsCompound:
		return nil, errOCSPUnknown
	default:
		return nil, errOCSPMalformed
	}
	if answer.until.IsZero() {
		answer.until = answer.made.Add(ocspWithoutNext + earlyList)
		maxAge = min(maxAge, earlyList)
	}
	if answer.made.After(now.Add(earlyList)) || now.After(answer.until) || now.Sub(answer.made) > maxAge {
		return nil, errOCSPTime
	}
	if single.NextUpdate.IsZero() {
		answer.until = now.Add(ocspWithoutNext)
	}
	if !basic.signedFor(&data.Responder, issuer, now) {
		return nil, errOCSPSigner
	}
	return answer, nil
}

// The structures of RFC 6960 section 4.2.1.
type (
	ocspResponse struct {
		Status asn1.Enumerated
		Body   struct {
			Type  asn1.ObjectIdentifier
			Basic []byte
		} `asn1:"optional,explicit,tag:0"`
	}
	ocspBasic struct {
		Data         asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"optional,explicit,tag:0"`
	}
	ocspData struct {
		Responder  asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Responses  []ocspSingle
		Extensions []pkix.Extension `asn1:"optional,explicit,tag:1"`
	}
	ocspSingle struct {
		ID         ocspCertID
		Status     asn1.RawValue
		ThisUpdate time.Time        `asn1:"generalized"`
		NextUpdate time.Time        `asn1:"optional,explicit,generalized,tag:0"`
		Extensions []pkix.Extension `asn1:"optional,explicit,tag:1"`
	}
	ocspCertID struct {
		Hash      pkix.AlgorithmIdentifier
		Name, Key []byte
		Serial    *big.Int
	}
)

// parseOCSP reads an answer with one response in it (RFC 5019 section 2.2.1).
func parseOCSP(raw []byte) (*ocspBasic, *ocspData, error) {
	var response ocspResponse
	if len(raw) > maxOCSPAnswer || !exactly(raw, &response) {
		return nil, nil, errOCSPMalformed
	}
	if response.Status != 0 {
		return nil, nil, errOCSPLater
	}
	basic, data := new(ocspBasic), new(ocspData)
	if !response.Body.Type.Equal(oidOCSPBasic) || !exactly(response.Body.Basic, basic) ||
		!exactly(basic.Data.FullBytes, data) || len(data.Responses) != 1 || len(basic.Certificates) > maxOCSPCertificates {
		return nil, nil, errOCSPMalformed
	}
	for _, e := range slices.Concat(data.Extensions, data.Responses[0].Extensions) {
		if e.Critical {
			return nil, nil, errOCSPMalformed
		}
	}
	return basic, data, nil
}

// ocspQuestion asks about one certificate (RFC 6960 section 4.1.1), without a nonce: responders that sign ahead of
// time could not answer.
func ocspQuestion(cert, issuer *x509.Certificate, hash crypto.Hash) ([]byte, error) {
	id, err := certIDOf(cert, issuer, hash)
	if err != nil {
		return nil, err
	}
	type request struct{ ID ocspCertID }
	type body struct{ List []request }
	return asn1.Marshal(struct{ Body body }{body{[]request{{id}}}})
}

func certIDOf(cert, issuer *x509.Certificate, hash crypto.Hash) (ocspCertID, error) {
	bits, err := publicKeyBits(issuer)
	if err != nil {
		return ocspCertID{}, err
	}
	oid := oidSHA1
	if hash == crypto.SHA256 {
		oid = oidSHA256
	}
	return ocspCertID{
		Hash: pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue},
		Name: digest(hash, issuer.RawSubject), Key: digest(hash, bits), Serial: cert.SerialNumber,
	}, nil
}

func digest(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// publicKeyBits are those of the subject's key without algorithm, as RFC 6960 section 4.1.1 hashes it.
func publicKeyBits(cert *x509.Certificate) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &info); err != nil || len(rest) > 0 {
		return nil, errOCSPMalformed
	}
	return info.Key.RightAlign(), nil
}

// names reports whether id is cert's: the serial number alone is another certificate's at another issuer.
func (id *ocspCertID) names(cert, issuer *x509.Certificate) bool {
	hash := crypto.SHA1
	switch {
	case id.Hash.Algorithm.Equal(oidSHA1):
	case id.Hash.Algorithm.Equal(oidSHA256):
		hash = crypto.SHA256
	default:
		return false
	}
	want, err := certIDOf(cert, issuer, hash)
	return err == nil && bytes.Equal(id.Name, want.Name) && bytes.Equal(id.Key, want.Key) && id.Serial.Cmp(want.Serial) == 0
}
