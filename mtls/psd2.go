package mtls

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"unicode/utf8"
)

// Roles are those of a payment service provider (PSD2; ETSI TS 119 495 section 5.1), as a set.
type Roles uint8

// The roles.
const (
	RoleASPSP Roles = 1 << iota // PSP_AS, account servicing
	RolePISP                    // PSP_PI, payment initiation
	RoleAISP                    // PSP_AI, account information
	RoleCBPII                   // PSP_IC, issuing of card-based payment instruments
)

// roleNames are the roles' names, in the order of their bits and of their object identifiers.
var roleNames = [...]string{"PSP_AS", "PSP_PI", "PSP_AI", "PSP_IC"}

// Has reports whether all of wanted are among r.
func (r Roles) Has(wanted Roles) bool { return r&wanted == wanted }

// String gives the names with spaces between them.
func (r Roles) String() string {
	var names []string
	for i, name := range roleNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// PSD2 is what a certificate's PSD2 statement says (ETSI TS 119 495 section 5.1). The zero value is a
// certificate without one.
type PSD2 struct {
	Roles         Roles
	AuthorityName string // of the national competent authority
	AuthorityID   string // the same, as in organizationIdentifier: "FR-ACPR"
}

const (
	maxStatements     = 8 << 10 // bytes of the extension
	maxStatementCount = 32
	maxStatementText  = 256 // characters (ETSI TS 119 495 annex A)
)

var (
	oidQCStatements = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}
	oidPSD2         = asn1.ObjectIdentifier{0, 4, 0, 19495, 2}
	oidRole         = asn1.ObjectIdentifier{0, 4, 0, 19495, 1} // .1 to .4
)

var errStatements = errors.New("mtls: malformed QCStatements")

type statement struct {
	ID   asn1.ObjectIdentifier
	Info asn1.RawValue `asn1:"optional"`
}

type psd2Statement struct {
	Roles         []psd2Role
	AuthorityName asn1.RawValue
	AuthorityID   asn1.RawValue
}

type psd2Role struct {
	ID   asn1.ObjectIdentifier
	Name asn1.RawValue
}

// psd2Of reads the PSD2 statement among the QCStatements (RFC 3739 section 3.2.6) of cert.
func psd2Of(cert *x509.Certificate) (PSD2, error) {
	var found []byte
	for _, e := range cert.Extensions {
		if !e.Id.Equal(oidQCStatements) {
			continue
		}
		if found != nil || len(e.Value) == 0 || len(e.Value) > maxStatements {
			return PSD2{}, errStatements
		}
		found = e.Value
	}
	if found == nil {
		return PSD2{}, nil
	}
	var statements []statement
	if !exactly(found, &statements) || len(statements) > maxStatementCount {
		return PSD2{}, errStatements
	}
	var p PSD2
	for _, s := range statements {
		if !s.ID.Equal(oidPSD2) {
			continue
		}
		if p != (PSD2{}) {
			return PSD2{}, errStatements
		}
		var err error
		if p, err = readPSD2(s.Info.FullBytes); err != nil {
			return PSD2{}, err
		}
	}
	return p, nil
}

func readPSD2(der []byte) (PSD2, error) {
	var s psd2Statement
	if !exactly(der, &s) || len(s.Roles) == 0 {
		return PSD2{}, errStatements
	}
	var p PSD2
	for _, r := range s.Roles {
		last := len(oidRole)
		if len(r.ID) != last+1 || !r.ID[:last].Equal(oidRole) || r.ID[last] < 1 || r.ID[last] > len(roleNames) {
			return PSD2{}, errStatements
		}
		bit, name := Roles(1)<<(r.ID[last]-1), roleNames[r.ID[last]-1]
		if said, err := statementText(r.Name); err != nil || said != name || p.Roles&bit != 0 {
			return PSD2{}, errStatements
		}
		p.Roles |= bit
	}
	var errName, errID error
	p.AuthorityName, errName = statementText(s.AuthorityName)
	p.AuthorityID, errID = statementText(s.AuthorityID)
	if errName != nil || errID != nil {
		return PSD2{}, errStatements
	}
	return p, nil
}

// statementText is a UTF8String of 1 to 256 characters.
func statementText(v asn1.RawValue) (string, error) {
	if v.Class != asn1.ClassUniversal || v.Tag != asn1.TagUTF8String || v.IsCompound || !utf8.Valid(v.Bytes) {
		return "", errStatements
	}
	if n := utf8.RuneCount(v.Bytes); n < 1 || n > maxStatementText {
		return "", errStatements
	}
	return string(v.Bytes), nil
}

// exactly reads der and reports whether an encoder would write the same: encoding/asn1 passes over what
// follows the last member of a sequence.
func exactly[T any](der []byte, to *T) bool {
	rest, err := asn1.Unmarshal(der, to)
	if err != nil || len(rest) > 0 {
		return false
	}
	again, err := asn1.Marshal(*to)
	return err == nil && bytes.Equal(again, der)
}
