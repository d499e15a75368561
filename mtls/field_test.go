package mtls_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

// rewrite gives the one text that a proxy of the format writes for these encodings.
func rewrite(format mtls.Format, ders [][]byte) (cert, chain string) {
	certs := make([]*x509.Certificate, len(ders))
	for i, der := range ders {
		certs[i] = &x509.Certificate{Raw: der}
	}
	switch format {
	case mtls.RFC9440:
		var items []string
		for _, c := range certs[1:] {
			items = append(items, sfBinary(c))
		}
		return sfBinary(certs[0]), strings.Join(items, ",")
	case mtls.Nginx:
		return nginxText(certs[0]), ""
	case mtls.Apache:
		return apacheText(certs[0]), ""
	}
	return haproxyText(certs[0]), ""
}

// settle takes out what may differ between two texts of one meaning.
func settle(format mtls.Format, text string) string {
	switch format {
	case mtls.RFC9440:
		return strings.NewReplacer(" ", "", "\t", "").Replace(text)
	case mtls.Nginx:
		text = strings.NewReplacer("%0a", "%0A", "%2b", "%2B", "%2f", "%2F", "%3d", "%3D").Replace(text)
		return strings.TrimSuffix(text, "%0A")
	case mtls.Apache:
		return strings.TrimSuffix(text, " ")
	}
	return text
}

// short moves the end of the first line of base64 to the left.
func short(text, end string) string {
	lines := strings.Split(text, end)
	for i := 1; i+1 < len(lines); i++ {
		if len(lines[i]) == 64 {
			lines[i], lines[i+1] = lines[i][:60], lines[i][60:]+lines[i+1]
		}
	}
	return strings.Join(lines, end)
}

// FuzzField: what is accepted is what the proxy of that format writes for the result, and for no other.
func FuzzField(f *testing.F) {
	cert := &x509.Certificate{Raw: []byte("no certificate, \xfb\xef\xbe\xff\xff\xff but enough for two lines of base64 in PEM")}
	seeds := 0
	for _, format := range []mtls.Format{mtls.RFC9440, mtls.Nginx, mtls.Apache, mtls.HAProxy} {
		text, _ := rewrite(format, [][]byte{cert.Raw})
		for _, s := range []string{text, text[:len(text)-1], text + " ", text + text, strings.ToLower(text), "",
			text + "\n\n\n\n", ":AAAA\n\n\n\n:", strings.ReplaceAll(text, "%2B", "+"), strings.ReplaceAll(text, "%20", " "), short(text, "%0A"), short(text, " "), "(null)", "::", ":AA==:", ":AB==:", ":A\nA=:"} {
			f.Add(int(format), s, "")
			f.Add(int(format), s, sfBinary(cert)+" ,"+sfBinary(cert))
			seeds++
		}
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, n int, cert, chain string) {
		format := mtls.Format(n)
		if format == mtls.Envoy {
			return // FuzzEnvoy
		}
		ders, err := mtls.FieldDER(format, cert, chain)
		if err != nil || len(ders) == 0 {
			return
		}
		if format != mtls.RFC9440 {
			chain = ""
		}
		wantCert, wantChain := rewrite(format, ders)
		if got := settle(format, cert); got != settle(format, wantCert) || format == mtls.RFC9440 && got != cert {
			t.Fatalf("%q was taken for %q", cert, wantCert)
		}
		if settle(format, chain) != settle(format, wantChain) {
			t.Fatalf("chain %q was taken for %q", chain, wantChain)
		}
	})
}

// FuzzEnvoy: whatever else stands in the element, the certificate is the one of its one Hash, written once.
func FuzzEnvoy(f *testing.F) {
	cert := &x509.Certificate{Raw: []byte("no certificate, \xfb\xef\xbe\xff\xff\xff but enough for two lines of base64 in PEM")}
	good := envoyText(cert)
	for _, s := range []string{good, good + "," + good, good + ";" + good, strings.ToUpper(good), good[4:], good + ",URI=x", `Subject="` + good + `";` + good, "Hash=;Cert="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ders, err := mtls.FieldDER(mtls.Envoy, text, "")
		if err != nil {
			return
		}
		sum := sha256.Sum256(ders[0])
		lower := strings.ToLower(text)
		if strings.Count(lower, "hash="+hex.EncodeToString(sum[:])) == 0 {
			t.Fatalf("%q was taken without its hash", text)
		}
		if !strings.Contains(settle(mtls.Nginx, text), strings.TrimSuffix(envoyPEM(&x509.Certificate{Raw: ders[0]}), "%0A")) {
			t.Fatalf("%q was taken for %x", text, ders[0])
		}
		// A second element or a second certificate is never passed over.
		for _, more := range []string{text + "," + text, text + ";" + text, text + `;Cert="` + envoyPEM(cert) + `"`} {
			if _, err := mtls.FieldDER(mtls.Envoy, more, ""); err == nil {
				t.Fatalf("%q was taken", more)
			}
		}
	})
}

// TestFieldVariants takes what proxies in use differ in.
func TestFieldVariants(t *testing.T) {
	id := issue(t, nil, nil)
	lower := strings.NewReplacer("%0A", "%0a", "%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(nginxText(id.cert))
	for name, c := range map[string]struct {
		format mtls.Format
		text   string
	}{
		"nginx":                            {mtls.Nginx, nginxText(id.cert)},
		"nginx, lower case":                {mtls.Nginx, lower},
		"nginx, without the last line end": {mtls.Nginx, strings.TrimSuffix(nginxText(id.cert), "%0A")},
		"Apache":                           {mtls.Apache, apacheText(id.cert)},
		"Apache, trimmed":                  {mtls.Apache, strings.TrimSpace(apacheText(id.cert))},
		"HAProxy":                          {mtls.HAProxy, haproxyText(id.cert)},
		"Envoy, not quoted":                {mtls.Envoy, strings.ReplaceAll(envoyText(id.cert)[:strings.Index(envoyText(id.cert), ";Subject")], `"`, "")},
	} {
		t.Run(name, func(t *testing.T) {
			ders, err := mtls.FieldDER(c.format, c.text, "")
			if err != nil || len(ders) != 1 || string(ders[0]) != string(id.cert.Raw) {
				t.Errorf("%d, %v", len(ders), err)
			}
		})
	}
	for format, text := range map[mtls.Format]string{mtls.Apache: "(null)", mtls.HAProxy: ""} {
		d := newDoor(t, behind(format, fixedSource(t, id.cert)))
		if d.send(t, from(proxyAddr, "X-SSL-Client-Cert", text)); format == mtls.Apache && (d.seen == nil || d.cert != nil || d.err != nil) {
			t.Errorf("%q is not none: %v, %v", text, d.cert, d.err)
		} else if d.seen == nil || d.cert != nil {
			t.Errorf("%q is not none", text)
		}
	}
}

// BenchmarkForwarded reports what a request costs as ratios to base64 and x509 parsing of the same certificate: read
// for the first time, and again.
func BenchmarkForwarded(b *testing.B) {
	ca := authority(b, "ca")
	settings := behind(mtls.RFC9440, fixedSource(b, ca.cert))
	settings.VerifiedByProxy = true
	const many = 4096
	texts := make([]string, many)
	for i := range texts {
		texts[i] = sfBinary(issue(b, ca, nil).cert)
	}
	for name, distinct := range map[string]int{"first": many, "again": 1} {
		b.Run(name, func(b *testing.B) {
			proxies, err := mtls.NewProxies(settings)
			if err != nil {
				b.Fatal(err)
			}
			r := from(proxyAddr, "Client-Cert", "")
			var spent [2]time.Duration
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				text := texts[i%distinct]
				r.Header["Client-Cert"][0] = text
				began := time.Now()
				der, _ := base64.StdEncoding.DecodeString(text[1 : len(text)-1])
				if _, err := x509.ParseCertificate(der); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if c, err := proxies.Identify(r); err != nil || c == nil {
					b.Fatal(err)
				}
				spent[0] += middle.Sub(began)
				spent[1] += time.Since(middle)
			}
			b.ReportMetric(float64(spent[1])/float64(spent[0]), "x-base64+x509")
		})
	}
}
