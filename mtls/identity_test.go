package mtls_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

// The statement as ETSI TS 119 495 annex A has it.
type (
	qcRole struct {
		ID   asn1.ObjectIdentifier
		Name string `asn1:"utf8"`
	}
	qcPSD2 struct {
		Roles []qcRole
		Name  string `asn1:"utf8"`
		ID    string `asn1:"utf8"`
	}
	qcStatement struct {
		ID   asn1.ObjectIdentifier
		Info asn1.RawValue `asn1:"optional"`
	}
)

var (
	qcPSD2ID     = asn1.ObjectIdentifier{0, 4, 0, 19495, 2}
	qcCompliance = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 1}
	organization = asn1.ObjectIdentifier{2, 5, 4, 97}
)

func role(n int, name string) qcRole {
	return qcRole{asn1.ObjectIdentifier{0, 4, 0, 19495, 1, n}, name}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func statements(t testing.TB, all ...qcPSD2) []byte {
	t.Helper()
	list := []qcStatement{{ID: qcCompliance}}
	for _, s := range all {
		list = append(list, qcStatement{qcPSD2ID, asn1.RawValue{FullBytes: marshal(t, s)}})
	}
	return marshal(t, list)
}

// provider is a certificate of a payment service provider.
func provider(value []byte, identifiers ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "tpp", Country: []string{"FR"}}
		for _, id := range identifiers {
			c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: organization, Value: id})
		}
		if value != nil {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}, Value: value}}
		}
	}
}

var french = qcPSD2{[]qcRole{role(2, "PSP_PI"), role(3, "PSP_AI")}, "Autorité de contrôle prudentiel", "FR-ACPR"}

func TestIdentity(t *testing.T) {
	t.Run("M10", func(t *testing.T) {
		id, err := mtls.IdentityOf(issue(t, authority(t, "ca"), func(c *x509.Certificate) {
			provider(statements(t, french), "PSDFR-ACPR-12345")(c)
			c.DNSNames = []string{"tpp.example"}
			c.EmailAddresses = []string{"ops@tpp.example"}
			c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)}
			c.URIs = []*url.URL{{Scheme: "urn", Opaque: "tpp:1"}}
		}).cert)
		if err != nil {
			t.Fatal(err)
		}
		want := mtls.Organization{Scheme: "PSD", Country: "FR", Authority: "ACPR", Number: "12345"}
		if id.Organization != want || id.Organization.String() != "PSDFR-ACPR-12345" {
			t.Errorf("%+v", id.Organization)
		}
		if id.PSD2 != (mtls.PSD2{Roles: mtls.RolePISP | mtls.RoleAISP, AuthorityName: french.Name, AuthorityID: "FR-ACPR"}) {
			t.Errorf("%+v", id.PSD2)
		}
		if !id.PSD2.Roles.Has(mtls.RoleAISP) || id.PSD2.Roles.Has(mtls.RoleAISP|mtls.RoleCBPII) || id.PSD2.Roles.String() != "PSP_PI PSP_AI" {
			t.Errorf("roles %v", id.PSD2.Roles)
		}
		if id.SubjectDN != "CN=tpp,2.5.4.97=#"+"0c"+"10"+"50534446522d414350522d3132333435,C=FR" && !strings.Contains(id.SubjectDN, "CN=tpp") {
			t.Errorf("subject %s", id.SubjectDN)
		}
		if !slices.Equal(id.DNSNames, []string{"tpp.example"}) || !slices.Equal(id.URIs, []string{"urn:tpp:1"}) ||
			!slices.Equal(id.Emails, []string{"ops@tpp.example"}) || !slices.Equal(id.Addresses, []netip.Addr{netip.MustParseAddr("192.0.2.1")}) {
			t.Errorf("%+v", id)
		}
	})
	t.Run("none of it", func(t *testing.T) {
		id, err := mtls.IdentityOf(issue(t, nil, nil).cert)
		if err != nil || id.PSD2 != (mtls.PSD2{}) || id.Organization != (mtls.Organization{}) || id.Organization.String() != "" {
			t.Errorf("%+v, %v", id, err)
		}
	})
	good := statements(t, french)
	long := french
	long.Name = strings.Repeat("x", 257)
	var many []qcStatement
	for range 33 {
		many = append(many, qcStatement{ID: qcCompliance})
	}
	raw := func(s any) []byte {
		return marshal(t, []qcStatement{{qcPSD2ID, asn1.RawValue{FullBytes: marshal(t, s)}}})
	}
	for name, change := range map[string]func(*x509.Certificate){
		"pitfall-81/statements not DER":          provider([]byte("?")),
		"pitfall-81/statements empty":            provider([]byte{}),
		"pitfall-81/bytes after them":            provider(append(slices.Clone(good), 0)),
		"pitfall-81/PSD2 statement without info": provider(marshal(t, []qcStatement{{ID: qcPSD2ID}})),
		"pitfall-81/PSD2 statement a string":     provider(raw("PSP_AI")),
		"pitfall-81/role a number":               provider(raw(struct{ R []struct{ A, B int } }{[]struct{ A, B int }{{1, 2}}})),
		"M10/more after a role": provider(raw(struct {
			R []struct {
				ID   asn1.ObjectIdentifier
				N, M string `asn1:"utf8"`
			}
			N, Name string `asn1:"utf8"`
		}{[]struct {
			ID   asn1.ObjectIdentifier
			N, M string `asn1:"utf8"`
		}{{role(3, "").ID, "PSP_AI", "x"}}, "n", "i"})),
		"M10/two PSD2 statements":    provider(statements(t, french, french)),
		"M10/no role":                provider(statements(t, qcPSD2{nil, "n", "i"})),
		"M10/unknown role":           provider(statements(t, qcPSD2{[]qcRole{role(5, "PSP_X")}, "n", "i"})),
		"M10/role zero":              provider(statements(t, qcPSD2{[]qcRole{role(0, "PSP_AS")}, "n", "i"})),
		"M10/a role of another name": provider(statements(t, qcPSD2{[]qcRole{role(3, "PSP_PI")}, "n", "i"})),
		"M10/a role twice":           provider(statements(t, qcPSD2{[]qcRole{role(3, "PSP_AI"), role(3, "PSP_AI")}, "n", "i"})),
		"M10/no authority":           provider(statements(t, qcPSD2{[]qcRole{role(3, "PSP_AI")}, "", "i"})),
		"M10/authority too long":     provider(statements(t, long)),
		"M10/too many statements":    provider(marshal(t, many)),
		"M10/too many bytes":         provider(marshal(t, []qcStatement{{qcCompliance, asn1.RawValue{Tag: 4, Bytes: make([]byte, 9<<10)}}})),
		"M10/two identifiers":        provider(nil, "PSDFR-ACPR-1", "PSDFR-ACPR-2"),
		"M10/identifier malformed":   provider(nil, "PSDFR_ACPR_1"),
	} {
		t.Run(name, func(t *testing.T) {
			if id, err := mtls.IdentityOf(issue(t, nil, change).cert); err == nil {
				t.Errorf("taken: %+v", id)
			}
		})
	}
}

// TestIdentityByOpenSSL reads what another encoder wrote.
func TestIdentityByOpenSSL(t *testing.T) {
	openssl, dir := tool(t, "openssl"), t.TempDir()
	write(t, filepath.Join(dir, "conf"), []byte(`[req]
distinguished_name=dn
prompt=no
x509_extensions=ext
[dn]
C=FR
O=Muster SA
organizationIdentifier=PSDFR-ACPR-12345
CN=tpp.example
[ext]
1.3.6.1.5.5.7.1.3=ASN1:SEQUENCE:qcs
[qcs]
a=SEQUENCE:compliance
b=SEQUENCE:kind
c=SEQUENCE:psd2
[compliance]
id=OID:0.4.0.1862.1.1
[kind]
id=OID:0.4.0.1862.1.6
info=SEQUENCE:web
[web]
id=OID:0.4.0.1862.1.6.3
[psd2]
id=OID:0.4.0.19495.2
info=SEQUENCE:info
[info]
roles=SEQUENCE:roles
name=UTF8:ACPR
nca=UTF8:FR-ACPR
[roles]
a=SEQUENCE:as
b=SEQUENCE:ic
[as]
id=OID:0.4.0.19495.1.1
name=UTF8:PSP_AS
[ic]
id=OID:0.4.0.19495.1.4
name=UTF8:PSP_IC
`))
	command := exec.Command(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
		"-config", filepath.Join(dir, "conf"), "-outform", "DER", "-keyout", filepath.Join(dir, "key"))
	der, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	id, err := mtls.IdentityOf(cert)
	if err != nil || id.PSD2 != (mtls.PSD2{Roles: mtls.RoleASPSP | mtls.RoleCBPII, AuthorityName: "ACPR", AuthorityID: "FR-ACPR"}) ||
		id.Organization.Authority != "ACPR" {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestOrganization(t *testing.T) {
	for text, want := range map[string]mtls.Organization{
		"PSDGB-FCA-123456":           {Scheme: "PSD", Country: "GB", Authority: "FCA", Number: "123456"},
		"PSDES-BDE-3DFD21-7":         {Scheme: "PSD", Country: "ES", Authority: "BDE", Number: "3DFD21-7"},
		"VATDE-123456789":            {Scheme: "VAT", Country: "DE", Number: "123456789"},
		"LEIXG-529900T8BM49AURSDO55": {Scheme: "LEI", Country: "XG", Number: "529900T8BM49AURSDO55"},
		"SI:SI-1234":                 {Scheme: "SI:", Country: "SI", Number: "1234"},
		"NTRBR-12.345.678/0001-95":   {Scheme: "NTR", Country: "BR", Number: "12.345.678/0001-95"},
	} {
		if got, err := mtls.ParseOrganization(text); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-", "PSD", "PSDFR", "PSDFR-", "PSDFR-ACPR", "PSDFR-ACPR-", "PSDFR-A-1", "PSDFR-ACPRACPRA-1", "PSDFR-acpr-1",
		"psdfr-acpr-1", "PSDF-ACPR-1", "PS1FR-ACPR-1", "VATDE-1\n2", "VATDE-\xff", ":::::-1", "A:BCD-1", "VATDE-" + strings.Repeat("1", 256)} {
		if got, err := mtls.ParseOrganization(text); err == nil {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}

// FuzzOrganization: what is accepted is what String writes.
func FuzzOrganization(f *testing.F) {
	for _, s := range []string{"PSDGB-FCA-123456", "SI:SI-1", "VATDE-1-2", "-----", "PSDFR--1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := mtls.ParseOrganization(text)
		if err == nil && o.String() != text || err != nil && o != (mtls.Organization{}) {
			t.Fatalf("%q became %q, %v", text, o, err)
		}
	})
}

// FuzzPSD2: roles that are believed stand in the extension exactly as an encoder writes them.
func FuzzPSD2(f *testing.F) {
	f.Add(statements(f, french))
	f.Add(statements(f))
	f.Add(statements(f, qcPSD2{[]qcRole{role(1, "PSP_AS"), role(4, "PSP_IC")}, "n", "i"}))
	f.Add(statements(f, french, french))
	f.Add([]byte("0j0\b\x06\x060000000^\x06\x06\x04\x00\x81\x98'\x020T0&0$\x06\a\x04\x00\x81\x98'\x01\x02\f\x06PSP_PI0000000000000000000\f!0000000\u00e9000000000\u00f40000000000000\f\a0000000"))
	f.Fuzz(func(t *testing.T, value []byte) {
		cert := &x509.Certificate{RawSubject: []byte{0x30, 0},
			Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}, Value: value}}}
		id, err := mtls.IdentityOf(cert)
		if err != nil || id.PSD2 == (mtls.PSD2{}) {
			return
		}
		for i, name := range []string{"PSP_AS", "PSP_PI", "PSP_AI", "PSP_IC"} {
			if id.PSD2.Roles&(1<<i) != 0 && !bytes.Contains(value, marshal(t, role(i+1, name))) {
				t.Fatalf("%x does not have %s", value, name)
			}
		}
		if !bytes.Contains(value, marshal(t, qcPSD2ID)) || !bytes.Contains(value, []byte(id.PSD2.AuthorityName)) || !bytes.Contains(value, []byte(id.PSD2.AuthorityID)) {
			t.Fatalf("%x became %+v", value, id.PSD2)
		}
	})
}
