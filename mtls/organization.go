package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"unicode/utf8"
)

// Organization is an organizationIdentifier (ETSI EN 319 412-1 section 5.1.4): who a certificate was issued to,
// in a register. The zero value is a certificate without one.
type Organization struct {
	Scheme    string // PSD, VAT, NTR, LEI ..., or two letters and a colon for a national one
	Country   string // ISO 3166-1; XG for LEI
	Authority string // with PSD only: the national competent authority, "ACPR" (ETSI TS 119 495 section 5.2.1)
	Number    string // in that register
}

// String gives the identifier as the certificate has it: "PSDFR-ACPR-12345"; empty for the zero value.
func (o Organization) String() string {
	switch {
	case o == Organization{}:
		return ""
	case o.Authority != "":
		return o.Scheme + o.Country + "-" + o.Authority + "-" + o.Number
	}
	return o.Scheme + o.Country + "-" + o.Number
}

const maxOrganization = 256 // bytes

var (
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 97}
	errOrganization = errors.New("mtls: malformed organizationIdentifier")
)

// ParseOrganization reads an organizationIdentifier, and takes what String writes only.
func ParseOrganization(text string) (Organization, error) {
	head, number, cut := strings.Cut(text, "-")
	if !cut || number == "" || len(text) > maxOrganization || !isPrintable(number) {
		return Organization{}, errOrganization
	}
	var o Organization
	switch {
	case len(head) == 5 && isUpper(head):
		o = Organization{Scheme: head[:3], Country: head[3:], Number: number}
	case len(head) == 5 && head[2] == ':' && isUpper(head[:2]) && isUpper(head[3:]):
		o = Organization{Scheme: head[:3], Country: head[3:], Number: number}
	default:
		return Organization{}, errOrganization
	}
	if o.Scheme != "PSD" {
		return o, nil
	}
	o.Authority, o.Number, cut = strings.Cut(number, "-")
	if !cut || o.Number == "" || len(o.Authority) < 2 || len(o.Authority) > 8 || !isUpper(o.Authority) {
		return Organization{}, errOrganization
	}
	return o, nil
}

func isUpper(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

func isPrintable(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// organizationOf reads the one organizationIdentifier of the subject.
func organizationOf(cert *x509.Certificate) (Organization, error) {
	var found []string
	for _, name := range cert.Subject.Names {
		if name.Type.Equal(oidOrganization) {
			text, _ := name.Value.(string) // of another type: empty, which is malformed
			found = append(found, text)
		}
	}
	switch len(found) {
	case 0:
		return Organization{}, nil
	case 1:
		return ParseOrganization(found[0])
	}
	return Organization{}, errOrganization
}
