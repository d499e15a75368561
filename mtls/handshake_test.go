package mtls_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

// The alerts of RFC 8446 section 6 that these tests expect.
const (
	alertHandshakeFailure     = 40
	alertProtocolVersion      = 70
	alertUnsupportedExtension = 110
)

// keyed starts one server with an ECDSA key and one with an RSA key; clients need no certificate.
func keyed(t *testing.T) map[string]*listener {
	t.Helper()
	servers := map[string]*listener{}
	for name, id := range map[string]*identity{
		"ECDSA": issue(t, nil, forServer),
		"RSA":   issueFor(t, rsaKey(t, 2048), nil, forServer),
	} {
		source, err := mtls.NewSource(mtls.SourceConfig{Certificate: id.tls()})
		if err != nil {
			t.Fatal(err)
		}
		servers[name] = serve(t, serverConfig(t, source, mtls.NotRequested))
	}
	return servers
}

func TestSuitesAllowed(t *testing.T) {
	servers := keyed(t)
	for _, c := range []struct {
		key   string
		suite uint16
	}{
		{"ECDSA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		{"ECDSA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		{"ECDSA", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
		{"RSA", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		{"RSA", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
		{"RSA", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
	} {
		t.Run("FAPI2-SP-5.2.2-1/"+tls.CipherSuiteName(c.suite), func(t *testing.T) {
			_, state, err := servers[c.key].get(client(t, nil, func(config *tls.Config) {
				config.MaxVersion = tls.VersionTLS12
				config.CipherSuites = []uint16{c.suite}
			}))
			if err != nil {
				t.Fatal(err)
			}
			if state.Version != tls.VersionTLS12 || state.CipherSuite != c.suite {
				t.Errorf("negotiated %s with %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
			}
		})
	}
}

func TestVersions(t *testing.T) {
	for key, server := range keyed(t) {
		t.Run(key, func(t *testing.T) {
			t.Run("RFC9325-3.1.1-a", func(t *testing.T) {
				_, state, err := server.get(client(t, nil, func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }))
				if err != nil || state.Version != tls.VersionTLS13 {
					t.Fatalf("%v, %v", state, err)
				}
			})
			t.Run("RFC9325-3.1.1-b", func(t *testing.T) {
				_, state, err := server.get(client(t, nil, func(c *tls.Config) { c.MinVersion = tls.VersionTLS12 }))
				if err != nil || state.Version != tls.VersionTLS13 {
					t.Fatalf("TLS 1.3 does not win: %v, %v", state, err)
				}
			})
		})
	}
}

// TestRefusedHellos sends the hellos of clients that offer only what is refused, and reads the alert.
func TestRefusedHellos(t *testing.T) {
	servers := keyed(t)
	offers := func(version uint16, suites ...uint16) []byte {
		return hello(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version, CipherSuites: suites})
	}
	// A suite that Go does not know is put in the place of one that it does.
	offering := func(suite uint16) []byte {
		known := binary.BigEndian.AppendUint16([]byte{0, 2}, tls.TLS_RSA_WITH_AES_128_GCM_SHA256)
		raw := offers(tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256)
		if bytes.Count(raw, known) != 1 {
			t.Fatalf("no single place for the suite in %x", raw)
		}
		return bytes.Replace(raw, known, binary.BigEndian.AppendUint16([]byte{0, 2}, suite), 1)
	}
	for name, c := range map[string]struct {
		hello []byte
		alert byte
	}{
		"FAPI2-SP-5.2.1-2/TLS 1.0":                       {offers(tls.VersionTLS10), alertProtocolVersion},
		"FAPI2-SP-5.2.1-2/TLS 1.1":                       {offers(tls.VersionTLS11), alertProtocolVersion},
		"FAPI2-SP-5.2.1-3/RC4":                           {offers(tls.VersionTLS12, tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA), alertHandshakeFailure},
		"FAPI2-SP-5.2.1-3/3DES":                          {offers(tls.VersionTLS12, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA), alertHandshakeFailure},
		"FAPI2-SP-5.2.1-3/NULL":                          {offering(0x003b), alertHandshakeFailure}, // RSA_WITH_NULL_SHA256
		"FAPI2-SP-5.2.1-3/export":                        {offering(0x0008), alertHandshakeFailure}, // RSA_EXPORT_WITH_DES40_CBC_SHA
		"FAPI2-SP-5.2.2-1/ECDHE_ECDSA_CBC":               {offers(tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256), alertHandshakeFailure},
		"FAPI2-SP-5.2.2-1/ECDHE_RSA_CBC":                 {offers(tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256), alertHandshakeFailure},
		"FAPI2-SP-5.2.2-1/RSA key exchange":              {offers(tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA), alertHandshakeFailure},
		"FAPI2-SP-5.2.2-1/DHE_RSA_AES_128_GCM":           {offering(0x009e), alertHandshakeFailure},
		"FAPI2-SP-5.2.2-1/ECDHE_ECDSA_WITH_AES_128_CCM":  {offering(0xc0ac), alertHandshakeFailure},
		"FAPI2-SP-5.2.2-1/ECDHE_RSA_AES_256_CBC_SHA384":  {offering(0xc028), alertHandshakeFailure},
		"FAPI2-SP-5.2.2-1/PSK_AES_128_GCM without a PSK": {offering(0x00a8), alertHandshakeFailure},
	} {
		for key, server := range servers {
			t.Run(name+"/"+key, func(t *testing.T) {
				expectAlert(t, server, c.hello, c.alert)
			})
		}
	}
}

// TestEarlyData sends early data as RFC 8446 section 4.2.10 announces it.
func TestEarlyData(t *testing.T) {
	t.Run("RFC8446-0RTT", func(t *testing.T) {
		server := keyed(t)["ECDSA"]
		raw := hello(t, &tls.Config{MinVersion: tls.VersionTLS13})
		// record header 5, handshake header 4, version 2, random 32, then the session id.
		at := 5 + 4 + 2 + 32
		at += 1 + int(raw[at])
		at += 2 + int(binary.BigEndian.Uint16(raw[at:])) // suites
		at += 1 + int(raw[at])                           // compression methods
		grow := func(length []byte, by uint16) {
			binary.BigEndian.PutUint16(length, binary.BigEndian.Uint16(length)+by)
		}
		grow(raw[at:], 4)
		grow(raw[3:], 4)
		grow(raw[7:], 4) // the lower half of 24 bits
		raw = append(raw, 0, 42, 0, 0)
		request := "POST /payments HTTP/1.1\r\nHost: bank.example\r\n\r\n"
		raw = append(raw, 23, 3, 3, 0, byte(len(request)))
		raw = append(raw, request...)
		expectAlert(t, server, raw, alertUnsupportedExtension)
	})
}

// hello gives the first record that a client of this configuration sends.
func hello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	config.ServerName = "bank.example"
	near, far := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = tls.Client(near, config).Handshake()
	}()
	raw := make([]byte, 5)
	if _, err := io.ReadFull(far, raw); err != nil {
		t.Fatal(err)
	}
	raw = append(raw, make([]byte, binary.BigEndian.Uint16(raw[3:]))...)
	if _, err := io.ReadFull(far, raw[5:]); err != nil {
		t.Fatal(err)
	}
	_, _ = near.Close(), far.Close()
	<-ended
	return raw
}

// expectAlert sends raw bytes and expects nothing but one fatal alert, and no handler.
func expectAlert(t testing.TB, server *listener, raw []byte, alert byte) {
	t.Helper()
	conn, err := net.Dial("tcp", server.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(raw); err != nil {
		t.Fatal(err)
	}
	// A reset after the alert is possible where bytes were left unread.
	answer, err := io.ReadAll(conn)
	if len(answer) != 7 || answer[0] != 21 || answer[5] != 2 || answer[6] != alert {
		t.Fatalf("answer %x (%v), want alert %d", answer, err, alert)
	}
	if server.handled.Load() != 0 {
		t.Error("the handler ran")
	}
}

func TestProtocols(t *testing.T) {
	t.Run("HTTP/2", func(t *testing.T) {
		ca := authority(t, "ca")
		server := serve(t, serverConfig(t, fixedSource(t, ca.cert), mtls.Required))
		id := issue(t, ca, nil)
		c := client(t, id, nil)
		for range 2 { // two streams of one connection
			body, state, err := server.get(c)
			if err != nil || state.NegotiatedProtocol != "h2" || body != mtls.ThumbprintText(id.cert) {
				t.Fatalf("%q, %v, %v", body, state, err)
			}
		}
	})
	t.Run("HTTP/1.1 by choice", func(t *testing.T) {
		config := serverConfig(t, fixedSource(t), mtls.NotRequested)
		config.NextProtos = []string{"http/1.1"}
		only := new(http.Protocols)
		only.SetHTTP1(true)
		server := serveWith(t, &http.Server{TLSConfig: config, Protocols: only})
		body, state, err := server.get(client(t, nil, nil))
		if err != nil || state.NegotiatedProtocol != "http/1.1" || body != "none" {
			t.Fatalf("%q, %v, %v", body, state, err)
		}
	})
	t.Run("FAPI2-SP-5.2.1-1/plain HTTP", func(t *testing.T) {
		server := serve(t, serverConfig(t, fixedSource(t), mtls.NotRequested))
		answer, err := http.Get("http://" + server.addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusBadRequest || server.handled.Load() != 0 {
			t.Errorf("status %d, handled %d", answer.StatusCode, server.handled.Load())
		}
	})
}
