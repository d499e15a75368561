package mtls_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

// TestSmuggledOverTheWire sends spellings of the certificate's field as bytes, as HTTP/1.1 reads them, through a
// stranger's connection and beside the field of a listed proxy: what the handler would believe is always the
// listed proxy's one field, or nothing.
func TestSmuggledOverTheWire(t *testing.T) {
	ca := authority(t, "ca")
	id, thief := issue(t, ca, nil), issue(t, ca, nil)
	source := fixedSource(t, ca.cert)
	for who, listed := range map[string]string{"stranger": "192.0.2.0/24", "listed": "127.0.0.0/8"} {
		settings := behind(mtls.RFC9440, source)
		settings.Addresses = []netip.Prefix{netip.MustParsePrefix(listed)}
		settings.Address = mtls.NoAddress
		proxies, err := mtls.NewProxies(settings)
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: proxies.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cert, err := mtls.Peer(r)
			left := 0
			for name := range r.Header {
				if strings.Contains(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "cert") {
					left++
				}
			}
			_, _ = fmt.Fprintf(w, "id=%v thief=%v err=%v left=%d", cert != nil && cert.Equal(id.cert), cert != nil && cert.Equal(thief.cert), err, left)
		}))}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = server.Serve(ln) }()
		defer func() { _ = server.Close(); <-ended }()
		good, bad := sfBinary(id.cert), sfBinary(thief.cert)
		believed, nothing := "id=true thief=false err=<nil> left=0", "id=false thief=false err=<nil> left=0"
		for name, c := range map[string]struct {
			lines            string
			listed, stranger string // the answer; a number is a status
		}{
			"as it is":             {"Client-Cert: " + good, believed, nothing},
			"letter case":          {"cLiEnT-cErT: " + good, believed, nothing},
			"underscore":           {"Client_Cert: " + bad, nothing, nothing},
			"underscore beside":    {"Client-Cert: " + good + "\r\nClient_Cert: " + bad, believed, nothing},
			"two lines":            {"Client-Cert: " + good + "\r\nClient-Cert: " + bad, "400", nothing},
			"two lines, case":      {"Client-Cert: " + good + "\r\nclient-cert: " + bad, "400", nothing},
			"comma":                {"Client-Cert: " + good + ", " + bad, "400", nothing},
			"space before colon":   {"Client-Cert : " + bad, "400", "400"},
			"tab before colon":     {"Client-Cert\t: " + bad, "400", "400"},
			"NUL in the name":      {"Client-Cert\x00: " + bad, "400", "400"},
			"NUL in the value":     {"Client-Cert: " + good + "\x00", "400", "400"},
			"folded line":          {"Client-Cert: " + good + "\r\n , " + bad, "400", "400|" + nothing},
			"bare CR":              {"X: y\rClient-Cert: " + bad, "400", "400"},
			"bare LF":              {"X: y\nClient-Cert: " + good, believed, nothing},
			"trailer":              {"Client-Cert: " + good + "\r\nConnection: Client-Cert", believed, nothing},
			"other proxies' names": {"X-Forwarded-Client-Cert: " + envoyText(thief.cert) + "\r\nX-SSL-Client-Cert: " + nginxText(thief.cert) + "\r\nSSL_CLIENT_CERT: x", nothing, nothing},
			"only the chain":       {"Client-Cert-Chain: " + bad, "400", nothing},
			"white space around":   {"Client-Cert: \t " + good + " \t", believed, nothing},
			"percent-encoded name": {"Client%2DCert: " + bad, "id=false thief=false err=<nil> left=1", "id=false thief=false err=<nil> left=1"},
		} {
			t.Run("M7/pitfall-77/"+who+"/"+name, func(t *testing.T) {
				want := c.stranger
				if who == "listed" {
					want = c.listed
				}
				conn, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
				if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: bank.example\r\n%s\r\n\r\n", c.lines); err != nil {
					t.Fatal(err)
				}
				answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = answer.Body.Close() }()
				got := fmt.Sprint(answer.StatusCode)
				if answer.StatusCode == http.StatusOK {
					line, _ := bufio.NewReader(answer.Body).ReadString('\n')
					got = line
				}
				if got != want && !strings.Contains("|"+want+"|", "|"+got+"|") {
					t.Errorf("%q, want %q", got, want)
				}
			})
		}
	}
}

// TestEnvoyQuoting: names that the client chose stand in the same field as the certificate.
func TestEnvoyQuoting(t *testing.T) {
	ca := authority(t, "ca")
	id, thief := issue(t, ca, nil), issue(t, ca, nil)
	d := newDoor(t, behind(mtls.Envoy, fixedSource(t, ca.cert)))
	element := func(c *x509.Certificate) string { text, _, _ := strings.Cut(envoyText(c), ";Subject"); return text }
	for name, c := range map[string]struct {
		text string
		good bool
	}{
		"subject with an element inside":         {element(id.cert) + `;Subject="CN=\",` + strings.ReplaceAll(element(thief.cert), `"`, `\"`) + `\""`, true},
		"subject that ends the quote":            {element(id.cert) + `;Subject="CN=x";Cert="` + envoyPEM(thief.cert) + `"`, false},
		"subject with a backslash at its end":    {element(id.cert) + `;Subject="CN=x\\"`, true},
		"backslash that swallows the quote":      {element(id.cert) + `;Subject="CN=x\"`, false},
		"URI that begins another element":        {element(id.cert) + `;URI=spiffe://a,` + element(thief.cert), false},
		"URI that brings a certificate":          {element(id.cert) + `;URI=spiffe://a;Cert="` + envoyPEM(thief.cert) + `"`, false},
		"Hash again":                             {element(id.cert) + `;hash=` + strings.Repeat("0", 64), false},
		"Cert again, other letters":              {element(id.cert) + `;cERT="` + envoyPEM(thief.cert) + `"`, false},
		"quote inside a bare value":              {element(id.cert) + `;URI=a"b`, false},
		"space before a key":                     {element(id.cert) + `; Subject="x"`, false},
		"line end in a quoted value":             {element(id.cert) + ";Subject=\"a\nb\"", false},
		"NUL in a quoted value":                  {element(id.cert) + ";Subject=\"a\x00b\"", false},
		"thousands of names":                     {element(id.cert) + strings.Repeat(";DNS=a.example", 1000), true},
		"certificate of one, hash of another":    {strings.Replace(element(id.cert), envoyPEM(id.cert), envoyPEM(thief.cert), 1), false},
		"percent-encoded quote in the PEM":       {strings.Replace(element(id.cert), "%0A", "%22%0A", 1), false},
		"chain of another certificate":           {element(id.cert) + `;Chain="` + envoyPEM(thief.cert, id.cert) + `"`, false},
		"chain whose first is the certificate's": {element(id.cert) + `;Chain="` + envoyPEM(id.cert, ca.cert) + `"`, true},
	} {
		t.Run("M6/pitfall-78/"+name, func(t *testing.T) {
			status, _ := d.send(t, from(proxyAddr, "X-Forwarded-Client-Cert", c.text))
			if c.good && (status != 200 || d.cert == nil || !d.cert.Equal(id.cert)) || !c.good && (status != 400 || d.seen != nil) {
				t.Errorf("%d, %v, %v", status, d.cert != nil, d.err)
			}
		})
	}
}

// TestManyNames: a certificate with thousands of names costs a bounded amount and pins nobody down by one of them.
func TestManyNames(t *testing.T) {
	ca := authority(t, "ca")
	many := issue(t, ca, func(c *x509.Certificate) {
		for i := range 3000 {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("n%d.example", i))
		}
		c.URIs = []*url.URL{{Scheme: "https", Host: "tpp.example"}}
	})
	source := fixedSource(t, ca.cert)
	t.Run("M10/pitfall-81/over a connection", func(t *testing.T) {
		server := serve(t, serverConfig(t, source, mtls.Required))
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			body, _, err := server.get(client(t, many, func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }))
			if err == nil && body != mtls.ThumbprintText(many.cert) {
				t.Errorf("%q", body)
			}
		}
	})
	t.Run("M10/pitfall-81/its names are not read", func(t *testing.T) {
		if id, err := mtls.IdentityOf(many.cert); err == nil {
			t.Errorf("%d names", len(id.DNSNames))
		}
		rules, err := mtls.NewRules(mtls.RulesConfig{
			Registry:    mtls.Registrations{"tpp": {URI: "https://tpp.example"}},
			Certificate: func(*http.Request) (*x509.Certificate, error) { return many.cert, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		wants(t, rules.Admit(over(many.cert), "tpp"), mtls.ErrIdentity, 401)
	})
	t.Run("RFC9440-3.2/in a header", func(t *testing.T) {
		d := newDoor(t, behind(mtls.RFC9440, source))
		d.refused(t, from(proxyAddr, "Client-Cert", sfBinary(many.cert)), 431, mtls.ErrForwardedTooLarge)
	})
}

// TestMappedPrefixes: an address is in a network in every way that it can be written, and in no other network.
func TestMappedPrefixes(t *testing.T) {
	t.Run("C2/pitfall-83/from", func(t *testing.T) {
		rules, err := mtls.NewRules(mtls.RulesConfig{
			Registry:    mtls.Registrations{"tpp": {From: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}},
			Certificate: func(*http.Request) (*x509.Certificate, error) { return nil, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		for remote, good := range map[string]bool{
			"198.51.100.7:1": true, "[::ffff:198.51.100.7]:1": true, "[::ffff:c633:6407]:1": true, "198.51.101.7:1": false,
			"[::198.51.100.7]:1": false, "[64:ff9b::198.51.100.7]:1": false, "[2002:c633:6407::]:1": false, "[fe80::1%198.51.100.7]:1": false, "": false, "@": false,
		} {
			r := from(remote)
			if err := rules.Admit(r, "tpp"); (err == nil) != good {
				t.Errorf("%s: %v", remote, err)
			}
		}
	})
}
