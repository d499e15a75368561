package mtls_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

// TestRevocationReachesConnections: connections from before learn of lists and anchors of now.
func TestRevocationReachesConnections(t *testing.T) {
	t.Run("a new list", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ca := issue(t, nil, asLister("ca"))
			id := issue(t, ca, nil)
			source, paths := listed(t, []*x509.Certificate{ca.cert}, crl(t, ca, 1, nil))
			r := shown(id, ca)
			if err := settled(t, source, r); err != nil {
				t.Fatal(err)
			}
			write(t, paths[0], crl(t, ca, 2, nil, id))
			time.Sleep(time.Second)
			wants(t, settled(t, source, r), mtls.ErrRevoked, 401)
			write(t, paths[0], crl(t, ca, 1, nil)) // an older list cannot take it back
			time.Sleep(time.Second)
			wants(t, settled(t, source, r), mtls.ErrRevoked, 401)
			if err := source.LastError(); err == nil || !strings.Contains(err.Error(), "older") {
				t.Errorf("LastError: %v", err)
			}
			write(t, paths[0], crl(t, ca, 3, nil))
			time.Sleep(time.Second)
			if err := settled(t, source, r); err != nil {
				t.Errorf("off the list again: %v", err)
			}
		})
	})
	t.Run("an anchor gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFiles(t)
			ca := authority(t, "ca")
			f.anchors(t, ca.cert)
			source, r := f.source(t), shown(issue(t, ca, nil), ca)
			if err := settled(t, source, r); err != nil {
				t.Fatal(err)
			}
			f.anchors(t, authority(t, "another").cert)
			time.Sleep(time.Second)
			wants(t, settled(t, source, r), mtls.ErrUntrusted, 401)
		})
	})
	t.Run("a list that is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ca := issue(t, nil, asLister("ca"))
			id, bad := issue(t, ca, longer), issue(t, ca, longer)
			source, paths := listed(t, []*x509.Certificate{ca.cert}, crl(t, ca, 1, nil, bad))
			if err := settled(t, source, shown(id, ca)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour + time.Second)
			wants(t, settled(t, source, shown(id, ca)), mtls.ErrRevocationUnknown, 503)
			wants(t, settled(t, source, shown(bad, ca)), mtls.ErrRevoked, 401) // it still knows that
			if err := source.LastError(); err == nil || !strings.Contains(err.Error(), "over since") {
				t.Errorf("LastError: %v", err)
			}
			write(t, paths[0], crl(t, ca, 2, nil, bad))
			time.Sleep(time.Second)
			if err := settled(t, source, shown(id, ca)); err != nil {
				t.Errorf("with a new list: %v", err)
			}
		})
	})
	t.Run("the chain is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ca := authority(t, "ca") // an hour
			source, r := fixedSource(t, ca.cert), shown(issue(t, ca, longer), ca)
			if _, err := source.Peer(r); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour + time.Second)
			_, err := source.Peer(r)
			wants(t, err, mtls.ErrUntrusted, 401)
		})
	})
	t.Run("not verified", func(t *testing.T) {
		ca := authority(t, "ca")
		id, source := issue(t, ca, nil), fixedSource(t, ca.cert)
		for range 2 {
			_, err := source.Peer(over(id.cert))
			wants(t, err, mtls.ErrUntrusted, 401)
			if _, err := source.Peer(shown(id, ca)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRekeyedIssuer: a list of the issuer's next key does not have to be signed by the one before.
func TestRekeyedIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := issue(t, nil, asLister("ca"))
		old, next := issue(t, ca, asLister("under")), issue(t, ca, asLister("under"))
		source, paths := listed(t, []*x509.Certificate{ca.cert}, crl(t, ca, 1, nil), crl(t, old, 9, nil))
		before, after := shown(issue(t, old, nil), ca), shown(issue(t, next, nil), ca)
		if err := settled(t, source, before); err != nil {
			t.Fatal(err)
		}
		forged := issueFor(t, issue(t, nil, nil).key, ca, func(c *x509.Certificate) {
			asLister("under")(c)
			c.SubjectKeyId = old.cert.SubjectKeyId
		})
		write(t, paths[1], crl(t, forged, 10, nil)) // the name and key identifier of old, another key
		time.Sleep(time.Second)
		if err := settled(t, source, before); err != nil || source.LastError() == nil {
			t.Errorf("a list that old did not sign: %v, %v", err, source.LastError())
		}
		write(t, paths[1], listPEM(crl(t, old, 10, nil), crl(t, next, 1, nil)))
		time.Sleep(time.Second)
		for _, r := range []*http.Request{before, after} {
			if err := settled(t, source, r); err != nil {
				t.Errorf("%v, %v", err, source.LastError())
			}
		}
	})
}

func TestListsNotTaken(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	extension := func(critical bool, id ...int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: id, Critical: critical, Value: []byte{2, 1, 1}}}
		}
	}
	point := func(der ...byte) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: der}}
		}
	}
	entry := func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(5), RevocationTime: time.Now(),
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{5, 0}}}}}
	}
	good := crl(t, ca, 1, nil)
	spoiled := append([]byte{}, good...)
	spoiled[len(spoiled)-1] ^= 1
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":         {nil, "revocation list 1"},
		"no list":       {[]byte("nothing"), "revocation list 1"},
		"a certificate": {certPEM(ca.cert), "not a revocation list"},
		"PEM cut short": {listPEM(good, good)[:len(listPEM(good))+50], "malformed PEM"},
		"over": {crl(t, ca, 1, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = time.Now().Add(-time.Hour), time.Now().Add(-time.Second)
		}), "over since"},
		"of the future":             {crl(t, ca, 1, func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(10 * time.Minute) }), "in the future"},
		"signature broken":          {spoiled, "not signed by its issuer"},
		"by another of that name":   {crl(t, issue(t, nil, asLister("ca")), 1, nil), "not signed by its issuer"},
		"delta":                     {crl(t, ca, 1, extension(true, 2, 5, 29, 27)), "critical extension 2.5.29.27"},
		"unknown critical":          {crl(t, ca, 1, extension(true, 1, 3, 6, 1, 4, 1, 99999, 1)), "critical extension"},
		"critical in an entry":      {crl(t, ca, 1, entry), "an entry has the critical extension 2.5.29.29"},
		"indirect":                  {crl(t, ca, 1, point(0x30, 3, 0x84, 1, 0xff)), "several issuers"},
		"of some reasons":           {crl(t, ca, 1, point(0x30, 4, 0x83, 2, 6, 0x40)), "some reasons"},
		"of attribute certificates": {crl(t, ca, 1, point(0x30, 3, 0x85, 1, 0xff)), "attribute certificates"},
		"of nothing":                {crl(t, ca, 1, point(0x30, 6, 0x81, 1, 0xff, 0x82, 1, 0xff)), "no certificates"},
		"point malformed":           {crl(t, ca, 1, point(0x30, 3)), "malformed issuing distribution point"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := tryListed(t, []*x509.Certificate{ca.cert}, c.data)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	t.Run("by who may not", func(t *testing.T) {
		mute := issue(t, nil, asAuthority("mute"))
		lister := *mute
		lister.cert = issueFor(t, mute.key, nil, asLister("mute")).cert
		_, _, err := tryListed(t, []*x509.Certificate{mute.cert}, crl(t, &lister, 1, nil))
		if err == nil || !strings.Contains(err.Error(), "may not sign lists") {
			t.Error(err)
		}
	})
	// A bad file holds back neither the other file nor what was held.
	t.Run("one of two", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			one, two := issue(t, nil, asLister("one")), issue(t, nil, asLister("two"))
			a, b := issue(t, one, nil), issue(t, two, nil)
			source, paths := listed(t, []*x509.Certificate{one.cert, two.cert}, crl(t, one, 1, nil, a), crl(t, two, 1, nil))
			write(t, paths[0], []byte("broken"))
			write(t, paths[1], crl(t, two, 2, nil, b))
			time.Sleep(time.Second)
			wants(t, settled(t, source, shown(a, one)), mtls.ErrRevoked, 401)
			wants(t, settled(t, source, shown(b, two)), mtls.ErrRevoked, 401)
			if source.LastError() == nil {
				t.Error("nobody is told")
			}
		})
	})
}

func TestListScopes(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	const here, there = "http://crl.example/1", "http://crl.example/2"
	at := func(points ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.CRLDistributionPoints = points }
	}
	scoped := func(uri string, flags ...byte) func(*x509.RevocationList) {
		name := []byte{}
		if uri != "" {
			name = append([]byte{0xa0, byte(len(uri) + 4), 0xa0, byte(len(uri) + 2), 0x86, byte(len(uri))}, uri...)
		}
		name = append(name, flags...)
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: append([]byte{0x30, byte(len(name))}, name...)}}
		}
	}
	in, out, bare, bad := issue(t, ca, at(here)), issue(t, ca, at(there)), issue(t, ca, nil), issue(t, ca, at(there, here))
	source, _ := listed(t, []*x509.Certificate{ca.cert}, crl(t, ca, 1, scoped(here), bad, out))
	for id, want := range map[*identity]error{in: nil, out: mtls.ErrRevocationUnknown, bare: mtls.ErrRevocationUnknown, bad: mtls.ErrRevoked} {
		if _, err := source.Peer(shown(id, ca)); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	below := issue(t, issue(t, ca, asLister("under")), nil)
	under := &identity{cert: below.chain[0]}
	users, _ := listed(t, []*x509.Certificate{ca.cert}, crl(t, ca, 1, scoped("", 0x81, 1, 0xff), bad))
	for id, want := range map[*identity]error{bare: nil, bad: mtls.ErrRevoked, below: mtls.ErrRevocationUnknown} {
		if _, err := users.Peer(shown(id, ca)); !errors.Is(err, want) {
			t.Errorf("users only: %v, want %v", err, want)
		}
	}
	issuers, _ := listed(t, []*x509.Certificate{ca.cert}, crl(t, ca, 1, scoped("", 0x82, 1, 0xff), under))
	for id, want := range map[*identity]error{bare: mtls.ErrRevocationUnknown, below: mtls.ErrRevoked} {
		if _, err := issuers.Peer(shown(id, ca)); !errors.Is(err, want) {
			t.Errorf("issuers only: %v, want %v", err, want)
		}
	}
}
