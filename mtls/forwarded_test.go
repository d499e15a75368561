package mtls_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/mtls"
)

func TestForwardedMalformed(t *testing.T) {
	ca := authority(t, "ca")
	under := issue(t, ca, asAuthority("under"))
	id, other := issue(t, under, nil), issue(t, ca, nil)
	source := fixedSource(t, ca.cert)
	rfc9440, envoy := newDoor(t, behind(mtls.RFC9440, source)), newDoor(t, behind(mtls.Envoy, source))
	nginx := newDoor(t, behind(mtls.Nginx, source))
	cert, raw := sfBinary(id.cert), base64.StdEncoding.EncodeToString(id.cert.Raw)
	good := envoyText(id.cert)
	const cc, chain, xfcc = "Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert"
	for name, c := range map[string]struct {
		door   *door
		fields []string
		status int
		reason audit.Reason
	}{
		"RFC9440-2.1/bare base64":                     {rfc9440, []string{cc, raw}, 400, mtls.ErrForwarded},
		"RFC9440-2.1/empty":                           {rfc9440, []string{cc, ""}, 400, mtls.ErrForwarded},
		"RFC9440-2.1/PEM":                             {rfc9440, []string{cc, string(certPEM(id.cert))}, 400, mtls.ErrForwarded},
		"RFC9440-2.1/parameter":                       {rfc9440, []string{cc, cert + ";a=1"}, 400, mtls.ErrForwarded},
		"RFC9440-2.1/base64url":                       {rfc9440, []string{cc, strings.NewReplacer("+", "-", "/", "_").Replace(cert) + "-"}, 400, mtls.ErrForwarded},
		"RFC9440-2.1/trailing DER":                    {rfc9440, []string{cc, ":" + base64.StdEncoding.EncodeToString(append(bytes.Clone(id.cert.Raw), 0)) + ":"}, 400, mtls.ErrForwarded},
		"RFC8705-7.5/malformed DER":                   {rfc9440, []string{cc, ":MAMCAQA=:"}, 400, mtls.ErrForwarded},
		"pitfall-78/RFC9440-2.2-1/two lines":          {rfc9440, []string{cc, cert, cc, cert}, 400, mtls.ErrForwarded},
		"pitfall-78/RFC9440-2.2-1/list":               {rfc9440, []string{cc, cert + ", " + cert}, 400, mtls.ErrForwarded},
		"RFC9440-2.3-1/chain alone":                   {rfc9440, []string{chain, sfBinary(under.cert)}, 400, mtls.ErrForwarded},
		"RFC9440-2.3-1/chain repeats the leaf":        {rfc9440, []string{cc, cert, chain, sfBinary(under.cert) + ", " + cert}, 400, mtls.ErrForwarded},
		"RFC9440-2.3-1/chain empty":                   {rfc9440, []string{cc, cert, chain, ""}, 400, mtls.ErrForwarded},
		"RFC9440-2.3-1/chain ends with a comma":       {rfc9440, []string{cc, cert, chain, sfBinary(under.cert) + ","}, 400, mtls.ErrForwarded},
		"RFC9440-2.3-1/chain of nine":                 {rfc9440, []string{cc, cert, chain, strings.Repeat(sfBinary(under.cert)+",", 8) + sfBinary(under.cert)}, 400, mtls.ErrForwarded},
		"RFC9440-3.2/64 KiB":                          {rfc9440, []string{cc, ":" + strings.Repeat("A", 64<<10) + ":"}, 431, mtls.ErrForwardedTooLarge},
		"RFC9440-3.2/chain of 65 KiB":                 {rfc9440, []string{cc, cert, chain, ":" + strings.Repeat("A", 33<<10) + ":", chain, ":" + strings.Repeat("A", 33<<10) + ":"}, 431, mtls.ErrForwardedTooLarge},
		"pitfall-78/two elements":                     {envoy, []string{xfcc, good + "," + envoyText(other.cert)}, 400, mtls.ErrForwarded},
		"pitfall-78/an element that says little":      {envoy, []string{xfcc, good + ",URI=spiffe://x"}, 400, mtls.ErrForwarded},
		"pitfall-78/two lines of Envoy":               {envoy, []string{xfcc, good, xfcc, good}, 400, mtls.ErrForwarded},
		"Envoy without Cert":                          {envoy, []string{xfcc, good[:strings.Index(good, ";Cert")]}, 400, mtls.ErrForwarded},
		"Envoy without Hash":                          {envoy, []string{xfcc, good[strings.Index(good, "Cert="):]}, 400, mtls.ErrForwarded},
		"Envoy with two Certs":                        {envoy, []string{xfcc, good + `;Cert="` + envoyPEM(other.cert) + `"`}, 400, mtls.ErrForwarded},
		"Envoy with a Cert of another Hash":           {envoy, []string{xfcc, strings.Replace(good, envoyPEM(id.cert), envoyPEM(other.cert), 1)}, 400, mtls.ErrForwarded},
		"Envoy with another Chain":                    {envoy, []string{xfcc, good + `;Chain="` + envoyPEM(other.cert) + `"`}, 400, mtls.ErrForwarded},
		"Envoy, quote not closed":                     {envoy, []string{xfcc, good + `;Subject="`}, 400, mtls.ErrForwarded},
		"pitfall-79/nginx, + not encoded":             {nginx, []string{"X-SSL-Client-Cert", nginxText(id.cert) + "+"}, 400, mtls.ErrForwarded},
		"pitfall-79/nginx, not encoded":               {nginx, []string{"X-SSL-Client-Cert", strings.ReplaceAll(string(certPEM(id.cert)), "\n", "%0A")}, 400, mtls.ErrForwarded},
		"pitfall-79/nginx, empty":                     {nginx, []string{"X-SSL-Client-Cert", ""}, 400, mtls.ErrForwarded},
		"pitfall-79/nginx, a key":                     {nginx, []string{"X-SSL-Client-Cert", url.QueryEscape(string(keyPEM(t, id.key)))}, 400, mtls.ErrForwarded},
		"pitfall-79/nginx, two certificates":          {nginx, []string{"X-SSL-Client-Cert", nginxText(id.cert) + nginxText(other.cert)}, 400, mtls.ErrForwarded},
		"pitfall-79/nginx, cut short":                 {nginx, []string{"X-SSL-Client-Cert", nginxText(id.cert)[:500]}, 400, mtls.ErrForwarded},
		"pitfall-79/nginx, PEM with headers":          {nginx, []string{"X-SSL-Client-Cert", strings.Replace(nginxText(id.cert), "%0A", "%0Aa%3A%20b%0A%0A", 1)}, 400, mtls.ErrForwarded},
		"pitfall-79/nginx, lines of another length":   {nginx, []string{"X-SSL-Client-Cert", strings.Replace(nginxText(id.cert), "-----%0A", "-----%0AMIIB%0A", 1)}, 400, mtls.ErrForwarded},
		"pitfall-78/nginx, two lines, one of them ok": {nginx, []string{"X-SSL-Client-Cert", nginxText(id.cert), "X-SSL-Client-Cert", ""}, 400, mtls.ErrForwarded},
	} {
		t.Run(name, func(t *testing.T) { c.door.refused(t, from(proxyAddr, c.fields...), c.status, c.reason) })
	}
	// What is taken beside it: the intermediate is needed, and comes with the chain.
	t.Run("RFC9440-2.3-1", func(t *testing.T) {
		if rfc9440.send(t, from(proxyAddr, cc, cert)); !errors.Is(rfc9440.err, mtls.ErrUntrusted) {
			t.Errorf("without the intermediate: %v", rfc9440.err)
		}
		for name, r := range map[*door]*http.Request{
			rfc9440: from(proxyAddr, cc, cert, chain, sfBinary(other.cert), chain, sfBinary(under.cert)+" ,\t"+sfBinary(ca.cert)),
			envoy:   from(proxyAddr, xfcc, envoyText(id.cert, under.cert)),
		} {
			if name.send(t, r); name.cert == nil || !name.cert.Equal(id.cert) {
				t.Errorf("with it: %v", name.err)
			}
		}
	})
}

func TestForwardedIsJudged(t *testing.T) {
	all := makeClients(t)
	all.anchors = append(all.anchors, all.good["by an intermediate"].chain...)
	source := fixedSource(t, all.anchors...)
	proven := newDoor(t, behind(mtls.RFC9440, source))
	settings := behind(mtls.RFC9440, nil)
	settings.VerifiedByProxy = true
	believed := newDoor(t, settings)
	for name, id := range all.good {
		t.Run("M8/RFC8705-6.2-p/"+name, func(t *testing.T) {
			for _, d := range []*door{proven, believed} {
				if d.send(t, from(proxyAddr, "Client-Cert", sfBinary(id.cert))); d.cert == nil || !d.cert.Equal(id.cert) {
					t.Errorf("%v", d.err)
				}
			}
		})
	}
	inItself := map[string]error{
		"expired": mtls.ErrExpired, "not valid yet": mtls.ErrExpired, "no EKU": mtls.ErrUsage, "serverAuth": mtls.ErrUsage,
		"any usage": mtls.ErrUsage, "cannot sign": mtls.ErrUsage, "RSA 1024 bits": mtls.ErrWeakKey,
		"self-signed expired": mtls.ErrExpired, "self-signed with RSA 1024 bits": mtls.ErrWeakKey,
	}
	for name, id := range all.wrong {
		if name == "certificate without its key" || name == "intermediate missing" {
			continue // the proxy's handshake; the intermediate is an anchor here
		}
		t.Run("M8/RFC8705-6.2-p/"+name, func(t *testing.T) {
			status, _ := proven.send(t, from(proxyAddr, "Client-Cert", sfBinary(id.cert)))
			var refusal *audit.Refusal
			if status != 200 || proven.cert != nil || !errors.As(proven.err, &refusal) || refusal.Status != 401 || refusal.Code != "invalid_token" {
				t.Errorf("%v, %v", proven.cert, proven.err)
			}
			if want := inItself[name]; want != nil {
				believed.send(t, from(proxyAddr, "Client-Cert", sfBinary(id.cert)))
				if !errors.Is(proven.err, want) || !errors.Is(believed.err, want) || believed.cert != nil {
					t.Errorf("%v, %v, want %v", proven.err, believed.err, want)
				}
			}
		})
	}
}

func TestProxyMistakes(t *testing.T) {
	source := fixedSource(t, authority(t, "ca").cert)
	prefix := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for name, c := range map[string]struct {
		config mtls.ProxyConfig
		want   []string
	}{
		"nothing":   {mtls.ProxyConfig{}, []string{"Addresses: none is listed", "Format is required", "Address is required"}},
		"everybody": {mtls.ProxyConfig{Addresses: []netip.Prefix{netip.MustParsePrefix("::/0"), netip.MustParsePrefix("0.0.0.0/0")}}, []string{"::/0 lists everybody", "0.0.0.0/0 lists everybody"}},
		"mapped":    {mtls.ProxyConfig{Addresses: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104"), {}}}, []string{"::ffff:10.0.0.0/104 is no prefix", "invalid Prefix is no prefix"}},
		"no source": {mtls.ProxyConfig{Addresses: prefix, Format: mtls.RFC9440, Address: mtls.NoAddress}, []string{"Source with client trust anchors is required"}},
		"no anchors": {mtls.ProxyConfig{Addresses: prefix, Format: mtls.RFC9440, Address: mtls.NoAddress, Source: fixedSource(t)},
			[]string{"Source with client trust anchors is required"}},
		"field": {mtls.ProxyConfig{Addresses: prefix, Format: mtls.RFC9440, Address: mtls.NoAddress, Source: source, Field: "X"}, []string{"Field does not belong"}},
		"field name": {mtls.ProxyConfig{Addresses: prefix, Format: mtls.Nginx, Address: mtls.NoAddress, Source: source, Field: "X: y"},
			[]string{"no field name"}},
		"identity": {mtls.ProxyConfig{Addresses: prefix, Format: mtls.NoCertificate, Address: mtls.Forwarded, Identity: func(*x509.Certificate) error { return nil }},
			[]string{"Identity needs a Listener"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mtls.NewProxies(c.config)
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}
