package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

// files are what a Source reads, in a folder of the test.
type files struct {
	cert, key, ca string
	shown         *identity // the server certificate that was written last
}

func newFiles(t testing.TB) *files {
	t.Helper()
	dir := t.TempDir()
	f := &files{cert: filepath.Join(dir, "server.pem"), key: filepath.Join(dir, "server.key"), ca: filepath.Join(dir, "clients.pem")}
	f.server(t, issue(t, nil, forServer))
	f.anchors(t, authority(t, "ca").cert)
	return f
}

func (f *files) server(t testing.TB, id *identity) {
	t.Helper()
	write(t, f.cert, certPEM(append([]*x509.Certificate{id.cert}, id.chain...)...))
	write(t, f.key, keyPEM(t, id.key))
	f.shown = id
}

func (f *files) anchors(t testing.TB, certs ...*x509.Certificate) {
	t.Helper()
	write(t, f.ca, certPEM(certs...))
}

// config looks at the files whenever it is used.
func (f *files) config() mtls.SourceConfig {
	return mtls.SourceConfig{CertFile: f.cert, KeyFile: f.key, ClientCAFiles: []string{f.ca}, Interval: 1, Revocation: mtls.NoRevocation{}}
}

func (f *files) source(t testing.TB) *mtls.Source {
	t.Helper()
	source, err := mtls.NewSource(f.config())
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// shows gives the thumbprint of the server certificate in a handshake of now.
func shows(t testing.TB, config *tls.Config) string {
	t.Helper()
	var seen string
	got := connect(t, config, &tls.Config{InsecureSkipVerify: true, ServerName: "bank.example",
		VerifyConnection: func(state tls.ConnectionState) error {
			seen = mtls.ThumbprintText(state.PeerCertificates[0])
			return nil
		}})
	if got.err != nil {
		t.Fatal(got.err)
	}
	return seen
}

func TestSourceMistakes(t *testing.T) {
	f := newFiles(t)
	server, ca := f.shown, authority(t, "ca")
	absent := filepath.Join(t.TempDir(), "absent")
	for name, c := range map[string]struct {
		config mtls.SourceConfig
		want   []string
	}{
		"nothing": {mtls.SourceConfig{}, []string{"no server certificate"}},
		"everything": {mtls.SourceConfig{CertFile: absent, KeyFile: absent, Certificate: server.tls(),
			ClientCAFiles: []string{absent}, ClientCAs: []*x509.Certificate{ca.cert}, Interval: -1, CRLFiles: []string{absent}, Revocation: mtls.NoRevocation{}},
			[]string{"certificate in files and in memory", "anchors in files and in memory", "negative Interval", "absent", "revocation lists and NoRevocation{}"}},
		"key only":         {mtls.SourceConfig{KeyFile: f.key}, []string{"no server certificate"}},
		"certificate only": {mtls.SourceConfig{CertFile: f.cert}, []string{"no server certificate"}},
		"no key in memory": {mtls.SourceConfig{Certificate: tls.Certificate{Certificate: [][]byte{server.cert.Raw}}}, []string{"private key missing"}},
		"no chain":         {mtls.SourceConfig{Certificate: tls.Certificate{PrivateKey: server.key}}, []string{"chain or private key missing"}},
		"chain not DER":    {mtls.SourceConfig{Certificate: tls.Certificate{Certificate: [][]byte{{1}}, PrivateKey: server.key}}, []string{"server certificate"}},
		"M9/revocation neither chosen nor declined": {mtls.SourceConfig{Certificate: server.tls(), ClientCAs: []*x509.Certificate{ca.cert}},
			[]string{"CRLFiles or Revocation is required; NoRevocation{} declines it"}},
		"anchor nil":        {mtls.SourceConfig{Certificate: server.tls(), ClientCAs: []*x509.Certificate{nil}}, []string{"not a parsed certificate"}},
		"anchor not parsed": {mtls.SourceConfig{Certificate: server.tls(), ClientCAs: []*x509.Certificate{{}}}, []string{"not a parsed certificate"}},
		"both absent": {mtls.SourceConfig{CertFile: absent + "1", KeyFile: absent + "2", ClientCAFiles: []string{absent + "3"}},
			[]string{"absent1", "absent3"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mtls.NewSource(c.config)
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not reported in: %v", want, err)
				}
			}
		})
	}
}

func TestServerMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		config mtls.ServerConfig
		want   []string
	}{
		"nothing":          {mtls.ServerConfig{}, []string{"Source is required"}},
		"zero Source":      {mtls.ServerConfig{Source: new(mtls.Source)}, []string{"made by NewSource"}},
		"everything":       {mtls.ServerConfig{ClientCertificate: 9}, []string{"Source is required", "ClientCertificate 9"}},
		"negative":         {mtls.ServerConfig{Source: fixedSource(t), ClientCertificate: -1}, []string{"ClientCertificate -1"}},
		"required, none":   {mtls.ServerConfig{Source: fixedSource(t)}, []string{"no client trust anchors"}},
		"optional, no one": {mtls.ServerConfig{Source: fixedSource(t), ClientCertificate: mtls.Optional}, []string{"no client trust anchors"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mtls.Server(c.config)
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not reported in: %v", want, err)
				}
			}
		})
	}
}
