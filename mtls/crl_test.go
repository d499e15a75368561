package mtls_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
)

// asLister is an authority that may sign revocation lists.
func asLister(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		asAuthority(name)(c)
		c.KeyUsage |= x509.KeyUsageCRLSign
		c.NotAfter = time.Now().Add(48 * time.Hour)
	}
}

// longer makes a client outlive its lists.
func longer(c *x509.Certificate) { c.NotAfter = time.Now().Add(47 * time.Hour) }

// crl is a list of an hour, signed by ca.
func crl(t testing.TB, ca *identity, number int64, change func(*x509.RevocationList), revoked ...*identity) []byte {
	t.Helper()
	list := &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
	}
	for _, id := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: id.cert.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func listPEM(lists ...[]byte) []byte {
	var out []byte
	for _, der := range lists {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	return out
}

// listed is a source whose lists are in files, looked at on every use.
func listed(t testing.TB, anchors []*x509.Certificate, contents ...[]byte) (*mtls.Source, []string) {
	t.Helper()
	source, paths, err := tryListed(t, anchors, contents...)
	if err != nil {
		t.Fatal(err)
	}
	return source, paths
}

func tryListed(t testing.TB, anchors []*x509.Certificate, contents ...[]byte) (*mtls.Source, []string, error) {
	t.Helper()
	settings := mtls.SourceConfig{Certificate: issue(t, nil, forServer).tls(), ClientCAs: anchors, Interval: 1}
	for i, data := range contents {
		path := filepath.Join(t.TempDir(), "list"+string(rune('0'+i)))
		write(t, path, data)
		settings.CRLFiles = append(settings.CRLFiles, path)
	}
	source, err := mtls.NewSource(settings)
	return source, settings.CRLFiles, err
}

// shown is a request of a connection whose handshake verified the client.
func shown(id *identity, ca *identity) *http.Request {
	r := over(id.cert)
	r.TLS.VerifiedChains = [][]*x509.Certificate{append(append([]*x509.Certificate{id.cert}, id.chain...), ca.cert)}
	return r
}

// settled asks until the source has looked at its files.
func settled(t testing.TB, source *mtls.Source, r *http.Request) error {
	t.Helper()
	_, _ = source.Peer(r)
	synctest.Wait()
	_, err := source.Peer(r)
	return err
}

func wants(t testing.TB, err error, reason audit.Reason, status int) {
	t.Helper()
	var f *audit.Refusal
	if !errors.Is(err, reason) || !errors.As(err, &f) || f.Status != status || f.Reason != reason {
		t.Errorf("got %v, want %q with %d", err, reason, status)
	}
	if status == 503 && f != nil && f.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

func TestRevokedHandshake(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	under := issue(t, ca, asLister("under"))
	good, bad := issue(t, ca, nil), issue(t, ca, nil)
	below, badBelow, fallen := issue(t, under, nil), issue(t, under, nil), issue(t, issue(t, ca, asLister("fallen")), nil)
	self := issue(t, nil, nil)
	fallenCA := &identity{cert: fallen.chain[0]}
	source, _ := listed(t, []*x509.Certificate{ca.cert, self.cert},
		crl(t, ca, 1, nil, bad, fallenCA), listPEM(crl(t, under, 1, nil, badBelow)))
	server := serve(t, serverConfig(t, source, mtls.Required))
	for version, label := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
		at := func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }
		t.Run("RFC8705-6.2-p/"+label, func(t *testing.T) {
			for name, id := range map[string]*identity{"good": good, "below": below, "self-signed": self} {
				if got := server.mustGet(t, client(t, id, at)); got != mtls.ThumbprintText(id.cert) {
					t.Errorf("%s: %s", name, got)
				}
			}
			server.refused(t, client(t, bad, at))
			server.refused(t, client(t, badBelow, at))
			server.refused(t, client(t, fallen, at)) // its issuer was revoked
		})
	}
}

func TestRevocationReasons(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	under, mute := issue(t, ca, asLister("under")), issue(t, ca, asAuthority("mute"))
	id, bad := issue(t, ca, nil), issue(t, ca, nil)
	anchors := []*x509.Certificate{ca.cert}
	source, _ := listed(t, anchors, crl(t, ca, 1, nil, bad),
		crl(t, issueFor(t, mute.key, ca, asLister("mute")), 1, nil), crl(t, issue(t, nil, asLister("under")), 1, nil))
	for name, c := range map[string]struct {
		id     *identity
		reason audit.Reason
		status int
	}{
		"revoked":                       {bad, mtls.ErrRevoked, 401},
		"no list of the issuer":         {issue(t, issue(t, ca, asLister("unlisted")), nil), mtls.ErrRevocationUnknown, 503},
		"list by another of that name":  {issue(t, under, nil), mtls.ErrRevocationUnknown, 503},
		"issuer that may sign no lists": {issue(t, mute, nil), mtls.ErrRevocationUnknown, 503},
	} {
		t.Run("M9/"+name, func(t *testing.T) {
			for range 2 {
				cert, err := source.Peer(shown(c.id, ca))
				if cert != nil {
					t.Error("passed")
				}
				wants(t, err, c.reason, c.status)
			}
		})
	}
	if cert, err := source.Peer(shown(id, ca)); cert != id.cert || err != nil {
		t.Errorf("%v", err)
	}
	t.Run("M9/soft failure by name", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "list")
		write(t, path, crl(t, ca, 1, nil, bad))
		soft, err := mtls.NewSource(mtls.SourceConfig{ClientCAs: anchors, CRLFiles: []string{path}, DangerouslyPassUnknown: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := soft.Peer(shown(issue(t, under, nil), ca)); err != nil {
			t.Errorf("unknown: %v", err)
		}
		_, err = soft.Peer(shown(bad, ca))
		wants(t, err, mtls.ErrRevoked, 401)
	})
}

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

func TestRevocationAsked(t *testing.T) {
	ca := authority(t, "ca")
	id := issue(t, ca, nil)
	var says error
	var asked int
	source, err := mtls.NewSource(mtls.SourceConfig{
		Certificate: issue(t, nil, forServer).tls(), ClientCAs: []*x509.Certificate{ca.cert},
		Revocation: mtls.RevocationFunc(func(ctx context.Context, chain []*x509.Certificate) error {
			asked++
			if _, bounded := ctx.Deadline(); !bounded || len(chain) != 2 || !chain[0].Equal(id.cert) || !chain[1].Equal(ca.cert) {
				t.Errorf("bounded %v, chain of %d", bounded, len(chain))
			}
			return says
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, serverConfig(t, source, mtls.Required))
	if got := server.mustGet(t, client(t, id, nil)); got != mtls.ThumbprintText(id.cert) || asked == 0 {
		t.Errorf("%s, asked %d times", got, asked)
	}
	for _, c := range []struct {
		says   error
		reason audit.Reason
		status int
	}{{mtls.ErrRevoked, mtls.ErrRevoked, 401}, {errors.Join(errors.New("since monday"), mtls.ErrRevoked), mtls.ErrRevoked, 401},
		{errors.New("responder gone"), mtls.ErrRevocationUnknown, 503}, {mtls.ErrExpired, mtls.ErrRevocationUnknown, 503}} {
		says = c.says
		server.refused(t, client(t, id, nil))
		_, err := source.Peer(shown(id, ca))
		wants(t, err, c.reason, c.status)
	}
	says = nil
	if _, err := source.Peer(shown(id, ca)); err != nil {
		t.Error(err)
	}
}

func TestForwardedIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := issue(t, nil, asLister("ca"))
		id := issue(t, ca, nil)
		source, paths := listed(t, []*x509.Certificate{ca.cert}, crl(t, ca, 1, nil))
		d := newDoor(t, behind(mtls.RFC9440, source))
		ask := func() error {
			for range 2 {
				d.send(t, from(proxyAddr, "Client-Cert", sfBinary(id.cert)))
				synctest.Wait()
			}
			return d.err
		}
		if err := ask(); err != nil || d.cert == nil {
			t.Fatal(err)
		}
		write(t, paths[0], crl(t, ca, 2, nil, id))
		time.Sleep(time.Second)
		wants(t, ask(), mtls.ErrRevoked, 401)
	})
}

func TestSourcePeerAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ca := issue(t, nil, asLister("ca"))
	path := filepath.Join(t.TempDir(), "list")
	write(t, path, crl(t, ca, 1, nil, issue(t, ca, nil)))
	source, err := mtls.NewSource(mtls.SourceConfig{ClientCAs: []*x509.Certificate{ca.cert}, CRLFiles: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	r := shown(issue(t, ca, nil), ca)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := source.Peer(r); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
