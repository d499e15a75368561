package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

// broken gives what files may come to hold, and which of them are bad.
func broken(t testing.TB) map[string]func(f *files) {
	t.Helper()
	over := issue(t, nil, func(c *x509.Certificate) { forServer(c); expired(c) })
	soon := issue(t, nil, func(c *x509.Certificate) { forServer(c); early(c) })
	weak := issueFor(t, rsaKey(t, 1024), nil, forServer)
	good, ca := issue(t, nil, forServer), authority(t, "other")
	both := certPEM(ca.cert, authority(t, "third").cert)
	names := make([]*x509.Certificate, 0, 300)
	for i := range cap(names) {
		names = append(names, authority(t, fmt.Sprintf("%d %s", i, strings.Repeat("x", 240))).cert)
	}
	return map[string]func(f *files){
		"key of another certificate":  func(f *files) { write(t, f.key, keyPEM(t, good.key)) },
		"certificate of another key":  func(f *files) { write(t, f.cert, certPEM(good.cert)) },
		"certificate empty":           func(f *files) { write(t, f.cert, nil) },
		"certificate is no PEM":       func(f *files) { write(t, f.cert, good.cert.Raw) },
		"certificate cut short":       func(f *files) { write(t, f.cert, certPEM(good.cert)[:200]) },
		"certificate chain cut short": func(f *files) { f.server(t, good); write(t, f.cert, append(certPEM(good.cert), both[:200]...)) },
		"certificate expired":         func(f *files) { f.server(t, over) },
		"certificate not valid yet":   func(f *files) { f.server(t, soon) },
		"certificate with RSA 1024":   func(f *files) { f.server(t, weak) },
		"certificate too long":        func(f *files) { write(t, f.cert, append(certPEM(good.cert), make([]byte, 1<<20)...)) },
		"certificate gone":            func(f *files) { _ = os.Remove(f.cert) },
		"key gone":                    func(f *files) { _ = os.Remove(f.key) },
		"key a folder":                func(f *files) { _ = os.Remove(f.key); _ = os.Mkdir(f.key, 0o700) },
		"anchors empty":               func(f *files) { write(t, f.ca, nil) },
		"anchors no PEM":              func(f *files) { write(t, f.ca, []byte("no certificate here\n")) },
		"anchors cut short":           func(f *files) { write(t, f.ca, both[:len(both)-100]) },
		"anchors damaged inside":      func(f *files) { write(t, f.ca, append([]byte("-----BEGIN CERTIFICATE-----\n?\n"), both...)) },
		"anchors not DER": func(f *files) {
			write(t, f.ca, append(both, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1, 2, 3}})...))
		},
		"anchors with a private key": func(f *files) { write(t, f.ca, append(both, keyPEM(t, good.key)...)) },
		"anchors of another kind": func(f *files) {
			write(t, f.ca, pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: ca.cert.Raw}))
		},
		"anchors too long": func(f *files) { write(t, f.ca, append(both, make([]byte, 1<<20)...)) },
		"anchors too many": func(f *files) { f.anchors(t, names...) },
		"anchors gone":     func(f *files) { _ = os.Remove(f.ca) },
	}
}

func TestBadFilesAreNotTaken(t *testing.T) {
	for name, spoil := range broken(t) {
		t.Run(name+"/at the start", func(t *testing.T) {
			f := newFiles(t)
			spoil(f)
			if _, err := mtls.NewSource(f.config()); err == nil {
				t.Error("taken")
			}
		})
		t.Run(name+"/later", func(t *testing.T) {
			ca := authority(t, "ca")
			f := newFiles(t)
			f.anchors(t, ca.cert)
			first := f.shown
			var told []error
			settings := f.config()
			settings.OnError = func(err error) { told = append(told, err) }
			source, err := mtls.NewSource(settings)
			if err != nil {
				t.Fatal(err)
			}
			config := serverConfig(t, source, mtls.Optional)
			spoil(f)
			id := issue(t, ca, nil)
			for range 3 { // what was held stays in force, for both parts
				if got := shows(t, config); got != mtls.ThumbprintText(first.cert) {
					t.Fatalf("the server shows %s", got)
				}
				expect(t, connect(t, config, resuming{version: tls.VersionTLS13}.as(id)), id, false)
			}
			if len(told) != 1 || source.LastError() == nil || source.LastError().Error() != told[0].Error() {
				t.Fatalf("told %v, LastError %v", told, source.LastError())
			}
			if strings.Contains(told[0].Error(), "PRIVATE KEY") {
				t.Errorf("the error quotes the file: %v", told[0])
			}
			_ = os.Remove(f.key) // it may be a folder
			mended := issue(t, nil, forServer)
			f.server(t, mended)
			f.anchors(t, ca.cert)
			if got := shows(t, config); got != mtls.ThumbprintText(mended.cert) {
				t.Errorf("after the files were mended the server shows %s", got)
			}
			if err := source.LastError(); err != nil {
				t.Errorf("LastError after the files were mended: %v", err)
			}
			if len(told) != 1 {
				t.Errorf("told %v", told)
			}
		})
	}
}

// TestPartsAreIndependent: a bad part does not hold back a good one.
func TestPartsAreIndependent(t *testing.T) {
	f := newFiles(t)
	source := f.source(t)
	config := serverConfig(t, source, mtls.Optional)
	write(t, f.ca, []byte("broken"))
	f.server(t, issue(t, nil, forServer))
	if got := shows(t, config); got != mtls.ThumbprintText(f.shown.cert) {
		t.Errorf("the server shows %s", got)
	}
	if source.LastError() == nil {
		t.Error("the bad part is not told")
	}
}

func FuzzAnchors(f *testing.F) {
	one, two := authority(f, "one").cert, authority(f, "two").cert
	server := issue(f, nil, forServer).tls()
	path := filepath.Join(f.TempDir(), "clients.pem")
	source := func(t testing.TB, data []byte) (*mtls.Source, error) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return mtls.NewSource(mtls.SourceConfig{Certificate: server, ClientCAFiles: []string{path}, Revocation: mtls.NoRevocation{}})
	}
	seeds := [][]byte{certPEM(one), certPEM(one, two, one), append([]byte("Subject: one\n"), certPEM(one)...), certPEM(one, two)[:700], keyPEM(f, issue(f, nil, nil).key), nil}
	taken := 0
	for _, seed := range seeds {
		if _, err := source(f, seed); err == nil {
			taken++
		}
		f.Add(seed)
	}
	if taken == 0 || taken == len(seeds) {
		f.Fatalf("of %d seeds %d are taken: both kinds are needed", len(seeds), taken)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := source(t, data)
		if err != nil {
			return
		}
		// The law: what is taken is what the standard library finds in the file, and no block is passed over.
		oracle := x509.NewCertPool()
		oracle.AppendCertsFromPEM(data)
		if !serverConfig(t, s, mtls.Required).ClientCAs.Equal(oracle) {
			t.Error("the anchors differ from the standard library's")
		}
		n := 0
		for rest := data; ; n++ {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
		}
		if n != strings.Count(string(data), "-----BEGIN ") {
			t.Errorf("%d blocks are read of %d", n, strings.Count(string(data), "-----BEGIN "))
		}
	})
}
