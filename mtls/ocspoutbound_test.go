package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

func insecureClient() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// TestOutboundTLS reads the hello of a question over https, and shows the client certificates that no client of
// TLS should trust.
func TestOutboundTLS(t *testing.T) {
	ca := issue(t, nil, asLister("ca"))
	root := authority(t, "servers")
	s := &responder{ca: ca}
	var mu sync.Mutex
	var hello *tls.ClientHelloInfo
	start := func(t *testing.T, change func(*x509.Certificate)) string {
		server := httptest.NewUnstartedServer(s.overHTTP(t))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		pair := issue(t, root, both(forServer, change)).tls()
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			hello = h
			return nil, nil
		}}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.URL
	}
	nothing := func(*x509.Certificate) {}
	t.Run("FAPI2-SP-5.2.2-2", func(t *testing.T) {
		url := start(t, nothing)
		_ = judged(newOCSP(t, mtls.OCSPConfig{Responder: url, Timeout: 20 * time.Second}), issue(t, ca, at("")).cert, ca.cert)
		mu.Lock()
		defer mu.Unlock()
		if hello == nil {
			t.Fatal("no hello")
		}
		allowed := []uint16{
			tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		}
		for _, suite := range hello.CipherSuites {
			if !slices.Contains(allowed, suite) {
				t.Errorf("%s is offered", tls.CipherSuiteName(suite))
			}
		}
		t.Run("FAPI1-BASE-7.1-1", func(t *testing.T) {
			for _, version := range hello.SupportedVersions {
				if version < tls.VersionTLS12 {
					t.Errorf("%s is offered", tls.VersionName(version))
				}
			}
		})
	})
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		roots  *x509.CertPool
		want   string
	}{
		"good":             {nothing, roots, "good"},
		"of a stranger":    {nothing, x509.NewCertPool(), "unknown"},
		"expired":          {expired, roots, "unknown"},
		"for another name": {func(c *x509.Certificate) { c.IPAddresses = nil }, roots, "unknown"},
	} {
		t.Run("FAPI2-SP-5.2.1-4/"+name, func(t *testing.T) {
			url := start(t, c.change)
			o := newOCSP(t, mtls.OCSPConfig{Responder: url, Timeout: 20 * time.Second, TLS: &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12}})
			if got := judged(o, issue(t, ca, at("")).cert, ca.cert); got != c.want {
				t.Error(got)
			}
		})
	}
}

// TestOCSPByOpenSSL lets OpenSSL read the questions and write the answers.
func TestOCSPByOpenSSL(t *testing.T) {
	openssl, dir := tool(t, "openssl"), t.TempDir()
	for name, key := range map[string]func() *identity{
		"ECDSA": func() *identity { return issue(t, nil, asLister("ca")) },
		"RSA":   func() *identity { return issueFor(t, rsaKey(t, 2048), nil, asLister("ca")) },
	} {
		ca := key()
		by, good, bad, other := issue(t, ca, forAnswers), issue(t, ca, at("http://o.example")), issue(t, ca, at("http://o.example")), issue(t, ca, at("http://o.example"))
		file := func(name string, data []byte) string {
			path := filepath.Join(dir, name)
			write(t, path, data)
			return path
		}
		line := func(status, revoked string, id *identity) string {
			serial := strings.ToUpper(id.cert.SerialNumber.Text(16))
			if len(serial)%2 == 1 {
				serial = "0" + serial
			}
			return strings.Join([]string{status, "401231235959Z", revoked, serial, "unknown", "/CN=client"}, "\t") + "\n"
		}
		index := file("index.txt", []byte(line("V", "", good)+line("R", "250101000000Z", bad)))
		caPEM := file("ca.pem", certPEM(ca.cert))
		for who, signer := range map[string]*identity{"issuer": ca, "delegate": by} {
			signerPEM, signerKey := file("signer.pem", certPEM(signer.cert)), file("signer.key", keyPEM(t, signer.key))
			o := newOCSP(t, mtls.OCSPConfig{Timeout: time.Minute})
			o.Answered(func(ctx context.Context, _ string, question []byte) ([]byte, error) {
				response := filepath.Join(dir, "response")
				command := exec.CommandContext(ctx, openssl, "ocsp", "-index", index, "-CA", caPEM, "-rsigner", signerPEM, "-rkey", signerKey,
					"-reqin", file("request", question), "-respout", response, "-ndays", "1")
				if said, err := command.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, said)
					return nil, err
				}
				return os.ReadFile(response)
			})
			for want, id := range map[string]*identity{"good": good, "revoked": bad, "unknown": other} {
				t.Run("M9/openssl/"+name+"/"+who+"/"+want, func(t *testing.T) {
					if got := judged(o, id.cert, ca.cert); got != want {
						t.Error(got)
					}
				})
			}
		}
	}
}
