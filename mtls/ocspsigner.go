package mtls

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"
)

const (
	maxOCSPCertificates = 8
	maxOCSPKey          = 8192 // bits of a responder's RSA key: what is larger costs too much to try
)

var oidOCSPNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

// signedFor reports whether the issuer signed, or one to whom it gave the right (RFC 6960 section 4.2.2.2).
func (b *ocspBasic) signedFor(responder *asn1.RawValue, issuer *x509.Certificate, now time.Time) bool {
	algorithm := signatureAlgorithm(b.Algorithm)
	if algorithm == x509.UnknownSignatureAlgorithm || b.Signature.BitLength%8 != 0 {
		return false
	}
	signer := issuer
	if !isResponder(responder, issuer) {
		if signer = b.delegated(responder, issuer, now); signer == nil {
			return false
		}
	}
	return signer.CheckSignature(algorithm, b.Data.FullBytes, b.Signature.Bytes) == nil
}

// delegated gives the certificate of the responder, when the issuer gave it the right to answer.
func (b *ocspBasic) delegated(responder *asn1.RawValue, issuer *x509.Certificate, now time.Time) *x509.Certificate {
	for _, raw := range b.Certificates {
		cert, err := x509.ParseCertificate(raw.FullBytes)
		if err != nil {
			return nil
		}
		if isResponder(responder, cert) && mayAnswer(cert, issuer, now) {
			return cert
		}
	}
	return nil
}

// mayAnswer: its issuer is the certificate's, its purpose is written down, and so is that nobody need ask whether it
// was revoked in turn (section 4.2.2.2.1): there is nobody to ask.
func mayAnswer(cert, issuer *x509.Certificate, now time.Time) bool {
	key, isRSA := cert.PublicKey.(*rsa.PublicKey)
	return slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) &&
		(cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageDigitalSignature != 0) &&
		slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidOCSPNoCheck) }) &&
		len(cert.UnhandledCriticalExtensions) == 0 && validAt(cert, now) && !weak(cert.PublicKey) &&
		(!isRSA || key.N.BitLen() <= maxOCSPKey) && signedWell(cert.SignatureAlgorithm) &&
		bytes.Equal(cert.RawIssuer, issuer.RawSubject) &&
		issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

// isResponder reports whether cert is whom the answer says to be from: by name or by key.
func isResponder(id *asn1.RawValue, cert *x509.Certificate) bool {
	if id.Class != asn1.ClassContextSpecific || !id.IsCompound {
		return false
	}
	switch id.Tag {
	case 1:
		return bytes.Equal(id.Bytes, cert.RawSubject)
	case 2:
		var sum []byte
		bits, err := publicKeyBits(cert)
		return err == nil && exactly(id.Bytes, &sum) && bytes.Equal(sum, digest(crypto.SHA1, bits))
	}
	return false
}

// pssParameters are those of RFC 4055 section 3 that crypto/x509 reads, by the hash's last number and the salt.
const pssParameters = "\x30\x34\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x00\x05\x00" +
	"\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x00\x05\x00" +
	"\xa2\x03\x02\x01\x00"

// signatureAlgorithm gives the algorithm of an identifier; 0 for one that is not taken, such as those with SHA-1.
func signatureAlgorithm(id pkix.AlgorithmIdentifier) x509.SignatureAlgorithm {
	parameters := id.Parameters.FullBytes
	switch oid := id.Algorithm.String(); {
	case oid == "1.2.840.113549.1.1.10":
		for i, algorithm := range []x509.SignatureAlgorithm{x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS} {
			want := []byte(pssParameters)
			want[16], want[46], want[len(want)-1] = byte(i+1), byte(i+1), byte(32+16*i)
			if bytes.Equal(parameters, want) {
				return algorithm
			}
		}
	case oid == "1.2.840.113549.1.1.11" && bytes.Equal(parameters, asn1.NullBytes):
		return x509.SHA256WithRSA
	case oid == "1.2.840.113549.1.1.12" && bytes.Equal(parameters, asn1.NullBytes):
		return x509.SHA384WithRSA
	case oid == "1.2.840.113549.1.1.13" && bytes.Equal(parameters, asn1.NullBytes):
		return x509.SHA512WithRSA
	case len(parameters) > 0:
	case oid == "1.2.840.10045.4.3.2":
		return x509.ECDSAWithSHA256
	case oid == "1.2.840.10045.4.3.3":
		return x509.ECDSAWithSHA384
	case oid == "1.2.840.10045.4.3.4":
		return x509.ECDSAWithSHA512
	case oid == "1.3.101.112":
		return x509.PureEd25519
	}
	return x509.UnknownSignatureAlgorithm
}
