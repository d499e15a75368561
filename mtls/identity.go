package mtls

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// Identity is what a verified certificate says about its holder. It is worth what its issuer is worth:
// a self-signed client writes what it likes.
type Identity struct {
	Thumbprint   [32]byte
	SubjectDN    string // RFC 4514, the last relative name first
	Organization Organization
	PSD2         PSD2

	DNSNames  []string
	URIs      []string
	Emails    []string
	Addresses []netip.Addr

	NotAfter time.Time
}

// maxNamesIn bounds each kind of alternative name of one certificate.
const maxNamesIn = 256

// IdentityOf reads cert, which must have been parsed. The error tells of a part that is malformed or
// stands twice; nothing of such a certificate is to be believed.
func IdentityOf(cert *x509.Certificate) (Identity, error) {
	if max(len(cert.DNSNames), len(cert.URIs), len(cert.EmailAddresses), len(cert.IPAddresses)) > maxNamesIn {
		return Identity{}, errors.New("mtls: too many names in a certificate")
	}
	id := Identity{
		Thumbprint: Thumbprint(cert),
		DNSNames:   slices.Clone(cert.DNSNames),
		Emails:     slices.Clone(cert.EmailAddresses),
		NotAfter:   cert.NotAfter,
	}
	for _, u := range cert.URIs {
		id.URIs = append(id.URIs, u.String())
	}
	for _, ip := range cert.IPAddresses {
		addr, ok := netip.AddrFromSlice(ip)
		if !ok {
			return Identity{}, errors.New("mtls: malformed address in a certificate")
		}
		id.Addresses = append(id.Addresses, addr.Unmap())
	}
	// cert.Subject forgets the order of the names and which of them stand together.
	var subject pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &subject); err != nil || len(rest) > 0 {
		return Identity{}, errors.New("mtls: malformed subject in a certificate")
	}
	id.SubjectDN = subject.String()
	var errOrganization, errPSD2 error
	id.Organization, errOrganization = organizationOf(cert)
	id.PSD2, errPSD2 = psd2Of(cert)
	if err := errors.Join(errOrganization, errPSD2); err != nil {
		return Identity{}, err
	}
	return id, nil
}
