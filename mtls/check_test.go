package mtls_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

func TestCheck(t *testing.T) {
	t.Run("what Server makes is good", func(t *testing.T) {
		source := fixedSource(t, authority(t, "ca").cert)
		for _, demand := range []mtls.ClientCertificate{mtls.Required, mtls.Optional, mtls.NotRequested} {
			config := serverConfig(t, source, demand)
			if err := mtls.Check(config); err != nil {
				t.Errorf("demand %d: %v", demand, err)
			}
			perHandshake, err := config.GetConfigForClient(new(tls.ClientHelloInfo))
			if err != nil {
				t.Fatal(err)
			}
			if err := mtls.Check(perHandshake); err != nil {
				t.Errorf("demand %d, for one handshake: %v", demand, err)
			}
		}
	})
	t.Run("unverified clients are named", func(t *testing.T) {
		err := mtls.Check(serverConfig(t, fixedSource(t), mtls.DangerouslyUnverified))
		if err == nil || !strings.Contains(err.Error(), "without verifying") {
			t.Errorf("%v", err)
		}
	})
	t.Run("nil", func(t *testing.T) {
		if mtls.Check(nil) == nil {
			t.Error("nil is good enough")
		}
	})
	t.Run("all at once", func(t *testing.T) {
		err := mtls.Check(&tls.Config{ClientAuth: tls.RequestClientCert, InsecureSkipVerify: true})
		if err == nil || strings.Count(err.Error(), "\n") != 3 {
			t.Errorf("%v", err)
		}
	})
	t.Run("TLS 1.3 only needs no suites", func(t *testing.T) {
		config := goodConfig(t)
		config.MinVersion, config.CipherSuites = tls.VersionTLS13, nil
		if err := mtls.Check(config); err != nil {
			t.Error(err)
		}
	})
	t.Run("suites of TLS 1.3 may be listed", func(t *testing.T) {
		config := goodConfig(t)
		config.CipherSuites = append(config.CipherSuites, tls.TLS_AES_128_GCM_SHA256, tls.TLS_CHACHA20_POLY1305_SHA256)
		if err := mtls.Check(config); err != nil {
			t.Error(err)
		}
	})
}

// TestCheckNames changes one thing of a good Config at a time: it is named, and nothing else is.
func TestCheckNames(t *testing.T) {
	weak := issueFor(t, rsaKey(t, 1024), nil, forServer).tls()
	ignore := func([][]byte, [][]*x509.Certificate) error { return nil }
	for name, c := range map[string]struct {
		change func(*tls.Config)
		want   string
	}{
		"FAPI2-SP-5.2.1-2/not set":      {func(c *tls.Config) { c.MinVersion = 0 }, "MinVersion"},
		"FAPI2-SP-5.2.1-2/TLS 1.1":      {func(c *tls.Config) { c.MinVersion = tls.VersionTLS11 }, "MinVersion"},
		"RFC9325-3.1.1-a":               {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "TLS 1.3"},
		"FAPI2-SP-5.2.2-1/Go's suites":  {func(c *tls.Config) { c.CipherSuites = nil }, "not set"},
		"FAPI2-SP-5.2.2-1/CBC":          {func(c *tls.Config) { c.CipherSuites[2] = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA }, "CBC_SHA"},
		"FAPI2-SP-5.2.2-1/RSA exchange": {func(c *tls.Config) { c.CipherSuites[0] = tls.TLS_RSA_WITH_AES_128_GCM_SHA256 }, "TLS_RSA_WITH_AES_128_GCM_SHA256"},
		"renegotiation":                 {func(c *tls.Config) { c.Renegotiation = tls.RenegotiateOnceAsClient }, "Renegotiation"},
		"no client authorities":         {func(c *tls.Config) { c.ClientCAs = nil }, "ClientCAs"},
		"any client":                    {func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert; c.VerifyConnection = nil }, "without verifying"},
		"RFC9325-3.4":                   {func(c *tls.Config) { c.VerifyPeerCertificate = ignore; c.VerifyConnection = nil }, "resumption"},
		"key log":                       {func(c *tls.Config) { c.KeyLogWriter = new(bytes.Buffer) }, "KeyLogWriter"},
		"randomness":                    {func(c *tls.Config) { c.Rand = rand.Reader }, "Rand"},
		"skip":                          {func(c *tls.Config) { c.InsecureSkipVerify = true }, "InsecureSkipVerify"},
		"weak key":                      {func(c *tls.Config) { c.Certificates = []tls.Certificate{weak} }, "Certificates[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			config := goodConfig(t)
			c.change(config)
			err := mtls.Check(config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than the one mistake is named: %v", err)
			}
		})
	}
}

func goodConfig(t testing.TB) *tls.Config {
	t.Helper()
	return serverConfig(t, fixedSource(t, authority(t, "ca").cert), mtls.Required)
}
