package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

var profiles = map[string]mtls.Profile{"fapi2": mtls.FAPI2, "fapi1": mtls.FAPI1, "brasil": mtls.Brasil}

func profiled(t testing.TB, profile mtls.Profile, key *identity, anchors ...*x509.Certificate) *tls.Config {
	t.Helper()
	source, err := mtls.NewSource(mtls.SourceConfig{Certificate: key.tls(), ClientCAs: anchors, Revocation: mtls.NoRevocation{}})
	if err != nil {
		t.Fatal(err)
	}
	demand := mtls.NotRequested
	if len(anchors) > 0 {
		demand = mtls.Required
	}
	config, err := mtls.Server(mtls.ServerConfig{Source: source, ClientCertificate: demand, Profile: profile})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// tried are handshakes that a client of one version and one suite of TLS 1.2 or 1.3 tries, by OpenSSL's names.
var tried = []struct {
	id, version, suite string
	fapi2, fapi1       string // the server keys with which it must succeed, for Brasil as for FAPI 1.0
}{
	{"FAPI2-SP-5.2.1-2/FAPI1-BASE-7.1-1", "-tls1", "ALL", "", ""},
	{"FAPI2-SP-5.2.1-2/FAPI1-BASE-7.1-1", "-tls1_1", "ALL", "", ""},
	{"FAPI2-SP-5.2.2-1", "-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256", "RSA", "RSA"},
	{"FAPI2-SP-5.2.2-1", "-tls1_2", "ECDHE-RSA-AES256-GCM-SHA384", "RSA", "RSA"},
	{"FAPI1-ADV-8.5-1", "-tls1_2", "ECDHE-RSA-CHACHA20-POLY1305", "RSA", ""},
	{"FAPI1-ADV-8.5-1", "-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDSA", ""},
	{"FAPI1-ADV-8.5-1", "-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDSA", ""},
	{"FAPI1-ADV-8.5-1", "-tls1_2", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDSA", ""},
	{"FAPI2-SP-5.2.2-1", "-tls1_2", "DHE-RSA-AES128-GCM-SHA256", "", ""},
	{"FAPI2-SP-5.2.2-1", "-tls1_2", "ECDHE-RSA-AES128-SHA", "", ""},
	{"FAPI2-SP-5.2.2-1", "-tls1_2", "ECDHE-ECDSA-AES256-SHA384", "", ""},
	{"FAPI2-SP-5.2.2-1", "-tls1_2", "AES128-GCM-SHA256", "", ""},
	{"FAPI2-SP-5.2.2-1", "-tls1_2", "ECDHE-ECDSA-AES128-CCM", "", ""},
	{"FAPI2-SP-5.2.1-3", "-tls1_2", "NULL-SHA256", "", ""},
	{"RFC9325-3.1.1-a", "-tls1_3", "TLS_AES_128_GCM_SHA256", "RSA ECDSA", "RSA ECDSA"},
	{"RFC9325-3.1.1-a", "-tls1_3", "TLS_AES_256_GCM_SHA384", "RSA ECDSA", "RSA ECDSA"},
	{"RFC9325-3.1.1-a", "-tls1_3", "TLS_CHACHA20_POLY1305_SHA256", "RSA ECDSA", "RSA ECDSA"},
	{"RFC9325-3.1.1-a", "-tls1_3", "TLS_AES_128_CCM_SHA256", "", ""},
}

func TestProfilesWithOpenSSL(t *testing.T) {
	openssl := tool(t, "openssl")
	servers := map[string]map[string]*listener{}
	for name, profile := range profiles {
		servers[name] = map[string]*listener{}
		for key, id := range map[string]*identity{"ECDSA": issue(t, nil, forServer), "RSA": issueFor(t, rsaKey(t, 2048), nil, forServer)} {
			servers[name][key] = serve(t, profiled(t, profile, id))
		}
	}
	for _, c := range tried {
		flag, suite := "-cipher", c.suite+":@SECLEVEL=0"
		if c.version == "-tls1_3" {
			flag, suite = "-ciphersuites", c.suite
		}
		for name, byKey := range servers {
			good := c.fapi1
			if name == "fapi2" {
				good = c.fapi2
			}
			for key, server := range byKey {
				if name == "brasil" && key == "ECDSA" {
					continue // the suites are those of FAPI 1.0
				}
				t.Run(c.id+"/"+name+"/"+key+"/"+c.version[1:]+" "+c.suite, func(t *testing.T) {
					command := exec.Command(openssl, "s_client", "-connect", server.addr, c.version, flag, suite)
					said, err := command.CombinedOutput()
					if strings.Contains(string(said), "no cipher match") || strings.Contains(string(said), "no ciphers available") {
						t.Skip("this OpenSSL does not have the suite")
					}
					done := err == nil && (strings.Contains(string(said), "Cipher is "+c.suite) || strings.Contains(string(said), "Cipher    : "+c.suite))
					if want := strings.Contains(" "+good+" ", " "+key+" "); done != want {
						t.Errorf("succeeded %v, want %v: %s", done, want, said)
					}
				})
			}
		}
	}
}

// TestRenegotiation asks for one as OpenSSL's client does, with the letter R.
func TestRenegotiation(t *testing.T) {
	openssl := tool(t, "openssl")
	for name, profile := range profiles {
		t.Run("BRAZIL-TLS-3/renegotiation/"+name, func(t *testing.T) {
			server := serve(t, profiled(t, profile, issueFor(t, rsaKey(t, 2048), nil, forServer)))
			command := exec.Command(openssl, "s_client", "-connect", server.addr, "-tls1_2")
			command.Stdin = strings.NewReader("R\n")
			said, err := command.CombinedOutput()
			if !strings.Contains(string(said), "RENEGOTIATING") || err == nil || server.handled.Load() != 0 {
				t.Errorf("%v: %s", err, said)
			}
		})
	}
}

// TestNode lets a client of another family call with its certificate.
func TestNode(t *testing.T) {
	node, dir := tool(t, "node"), t.TempDir()
	ca := authority(t, "ca")
	id := issueFor(t, rsaKey(t, 2048), ca, nil)
	write(t, filepath.Join(dir, "client.pem"), certPEM(id.cert))
	write(t, filepath.Join(dir, "client.key"), keyPEM(t, id.key))
	const script = `
const [,, port, version, ciphers, dir] = process.argv, fs = require('fs');
const options = {host: '127.0.0.1', port, rejectUnauthorized: false, minVersion: version, maxVersion: version, ciphers};
if (dir) Object.assign(options, {cert: fs.readFileSync(dir + '/client.pem'), key: fs.readFileSync(dir + '/client.key')});
const request = require('https').get({...options, agent: false}, answer => {
  console.log('TLS', answer.socket.getProtocol(), answer.socket.getCipher().standardName);
  answer.on('data', d => console.log('SAW', d.toString()));
});
request.on('error', e => { console.log('ERROR', e.code); process.exit(1); });`
	write(t, filepath.Join(dir, "client.js"), []byte(script))
	for name, profile := range profiles {
		server := serve(t, profiled(t, profile, issueFor(t, rsaKey(t, 2048), nil, forServer), ca.cert))
		_, port, _ := net.SplitHostPort(server.addr)
		for _, c := range []struct {
			id, version, suite, dir string
			good                    bool
		}{
			{"FAPI2-SP-5.2.1-2", "TLSv1.3", "TLS_AES_256_GCM_SHA384", dir, true},
			{"FAPI2-SP-5.2.1-2", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", dir, true},
			{"FAPI2-SP-5.2.1-2", "TLSv1.1", "ALL:@SECLEVEL=0", dir, false},
			{"FAPI2-SP-5.2.2-1", "TLSv1.2", "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0", dir, false},
			{"RFC8705-3-4", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "", false},
			{"RFC8705-3-4", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", "", false},
		} {
			t.Run(c.id+"/"+name+"/"+c.version+" "+c.suite, func(t *testing.T) {
				said, err := exec.Command(node, filepath.Join(dir, "client.js"), port, c.version, c.suite, c.dir).CombinedOutput()
				text := string(said)
				if c.good != (err == nil) || c.good != strings.Contains(text, "SAW "+mtls.ThumbprintText(id.cert)) ||
					c.good != strings.Contains(text, "TLS "+c.version) {
					t.Errorf("%v: %s", err, text)
				}
			})
		}
	}
}

func TestResumptionByProfile(t *testing.T) {
	for name, profile := range profiles {
		for version, label := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
			t.Run("BRAZIL-TLS-3/"+name+"/"+label, func(t *testing.T) {
				ca := authority(t, "ca")
				config := profiled(t, profile, issueFor(t, rsaKey(t, 2048), nil, forServer), ca.cert)
				id, r := issue(t, ca, nil), resuming{version, tls.NewLRUClientSessionCache(4)}
				expect(t, connect(t, config, r.as(id)), id, false)
				expect(t, connect(t, config, r.as(id)), id, profile != mtls.Brasil)
			})
		}
	}
}

func TestProfileCheck(t *testing.T) {
	own := issueFor(t, rsaKey(t, 2048), nil, forServer)
	for name, profile := range profiles {
		if err := profile.Check(profiled(t, profile, own)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []struct {
		profile, of mtls.Profile
		want        []string
	}{
		{mtls.FAPI1, mtls.FAPI2, []string{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 (FAPI1-ADV section 8.5)", "CHACHA20"}},
		{mtls.Brasil, mtls.FAPI1, []string{"SessionTicketsDisabled"}},
		{mtls.FAPI2, mtls.Brasil, nil},
	} {
		err := c.profile.Check(profiled(t, c.of, own))
		if (err == nil) != (c.want == nil) {
			t.Errorf("%v", err)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
	}
	if _, err := mtls.Server(mtls.ServerConfig{Source: fixedSource(t), ClientCertificate: mtls.NotRequested, Profile: 3}); err == nil {
		t.Error("an unknown profile was taken")
	}
	behindProxies, err := mtls.NewSource(mtls.SourceConfig{ClientCAs: []*x509.Certificate{authority(t, "ca").cert}, Revocation: mtls.NoRevocation{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mtls.Server(mtls.ServerConfig{Source: behindProxies}); err == nil || !strings.Contains(err.Error(), "no server certificate") {
		t.Errorf("%v", err)
	}
}
