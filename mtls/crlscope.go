package mtls

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

var (
	oidNumber       = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidAuthorityKey = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidIssuingPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// scope is which certificates of its issuer a list is about (RFC 5280 section 5.2.5). The zero value
// is all of them.
type scope struct {
	raw     []byte // the extension
	points  []string
	users   bool // only certificates of no authority
	issuers bool // only certificates of authorities
}

// issuingPoint is IssuingDistributionPoint of RFC 5280 section 5.2.5.
type issuingPoint struct {
	Point      pointName      `asn1:"optional,tag:0"`
	Users      bool           `asn1:"optional,tag:1"`
	Issuers    bool           `asn1:"optional,tag:2"`
	Reasons    asn1.BitString `asn1:"optional,tag:3"`
	Indirect   bool           `asn1:"optional,tag:4"`
	Attributes bool           `asn1:"optional,tag:5"`
}

type pointName struct {
	Full     []asn1.RawValue  `asn1:"optional,tag:0"`
	Relative pkix.RDNSequence `asn1:"optional,tag:1"`
}

func scopeOf(extensions []pkix.Extension) (scope, error) {
	var s scope
	for _, e := range extensions {
		switch {
		case e.Id.Equal(oidIssuingPoint) && s.raw != nil:
			return s, errors.New("two issuing distribution points")
		case e.Id.Equal(oidIssuingPoint):
			if err := s.read(e.Value); err != nil {
				return s, err
			}
		case e.Id.Equal(oidNumber), e.Id.Equal(oidAuthorityKey): // read by crypto/x509
		case e.Critical: // delta lists among them
			return s, fmt.Errorf("critical extension %s", e.Id)
		}
	}
	return s, nil
}

func (s *scope) read(der []byte) error {
	var point issuingPoint
	switch {
	case !exactly(der, &point):
		return errors.New("malformed issuing distribution point")
	case point.Indirect, point.Attributes, point.Reasons.BitLength > 0, len(point.Point.Relative) > 0:
		return errors.New("a list of several issuers, of some reasons or of attribute certificates")
	case point.Users && point.Issuers:
		return errors.New("a list of no certificates")
	}
	for _, name := range point.Point.Full {
		if name.Class == asn1.ClassContextSpecific && name.Tag == 6 { // uniformResourceIdentifier
			s.points = append(s.points, string(name.Bytes))
		}
	}
	if len(point.Point.Full) > 0 && len(s.points) == 0 {
		return errors.New("a distribution point without a URI")
	}
	s.raw, s.users, s.issuers = der, point.Users, point.Issuers
	return nil
}

// covers reports whether the list would name cert if its issuer had revoked it.
func (s *scope) covers(cert *x509.Certificate) bool {
	switch {
	case s.users && cert.IsCA, s.issuers && !cert.IsCA:
		return false
	case len(s.points) == 0:
		return true
	}
	return slices.ContainsFunc(cert.CRLDistributionPoints, func(p string) bool { return slices.Contains(s.points, p) })
}

func (s *scope) same(other *scope) bool { return bytes.Equal(s.raw, other.raw) }
