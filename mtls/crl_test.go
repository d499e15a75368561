package mtls_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"path/filepath"
	"sync"
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
	settings := mtls.SourceConfig{Certificate: issue(t, nil, forServer).tls(), ClientCAs: anchors, Interval: time.Second}
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
	// The same key, once with the right to sign lists: that does not give it to the other certificate.
	lister := issueFor(t, mute.key, ca, asLister("mute"))
	if _, err := source.Peer(shown(issue(t, lister, nil), ca)); err != nil {
		t.Fatal(err)
	}
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

func TestRevocationAsked(t *testing.T) {
	ca := authority(t, "ca")
	id := issue(t, ca, nil)
	var mu sync.Mutex // the answers are made in the server's goroutines
	var says error
	var asked int
	answers := func(err error) (times int) {
		mu.Lock()
		defer mu.Unlock()
		says = err
		return asked
	}
	source, err := mtls.NewSource(mtls.SourceConfig{
		Certificate: issue(t, nil, forServer).tls(), ClientCAs: []*x509.Certificate{ca.cert},
		Revocation: mtls.RevocationFunc(func(ctx context.Context, chain []*x509.Certificate) error {
			mu.Lock()
			defer mu.Unlock()
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
	if got := server.mustGet(t, client(t, id, nil)); got != mtls.ThumbprintText(id.cert) || answers(nil) == 0 {
		t.Errorf("%s, asked %d times", got, answers(nil))
	}
	for _, c := range []struct {
		says   error
		reason audit.Reason
		status int
	}{{mtls.ErrRevoked, mtls.ErrRevoked, 401}, {errors.Join(errors.New("since monday"), mtls.ErrRevoked), mtls.ErrRevoked, 401},
		{errors.New("responder gone"), mtls.ErrRevocationUnknown, 503}, {mtls.ErrExpired, mtls.ErrRevocationUnknown, 503}} {
		answers(c.says)
		server.refused(t, client(t, id, nil))
		_, err := source.Peer(shown(id, ca))
		wants(t, err, c.reason, c.status)
	}
	answers(nil)
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
