package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tegata-go/tegata/examples/bank/service"
	"github.com/tegata-go/tegata/mtls"
)

// transport are the flags about who is at the other end of a connection.
type transport struct {
	proxies, format, crl, profile string
	plain                         bool
}

func (t *transport) flags(set *flag.FlagSet) {
	set.StringVar(&t.proxies, "proxy", "", "")
	set.StringVar(&t.format, "proxy-format", "", "")
	set.BoolVar(&t.plain, "plain", false, "")
	set.StringVar(&t.crl, "crl", "", "")
	set.StringVar(&t.profile, "tls-profile", "fapi2", "")
}

var (
	proxyFormats = map[string]mtls.Format{
		"": mtls.RFC9440, "rfc9440": mtls.RFC9440, "xfcc": mtls.Envoy, "nginx": mtls.Nginx, "haproxy": mtls.HAProxy, "apache": mtls.Apache,
	}
	tlsProfiles = map[string]mtls.Profile{"fapi2": mtls.FAPI2, "fapi1": mtls.FAPI1, "brasil": mtls.Brasil}
)

func (t *transport) judge(given map[string]bool) error {
	var all []error
	wrong := func(is bool, text string) {
		if is {
			all = append(all, errors.New(text))
		}
	}
	_, errPrefixes := prefixes(t.proxies)
	wrong(given["proxy"] && errPrefixes != nil, "-proxy: not CIDR,...")
	_, known := proxyFormats[t.format]
	wrong(!known, "-proxy-format: not rfc9440, xfcc, nginx, haproxy or apache")
	wrong(given["proxy-format"] && !given["proxy"], "-proxy-format needs -proxy")
	wrong(t.plain && !given["proxy"], "-plain needs -proxy: nobody else could call")
	wrong(given["crl"] && (t.crl == "" || strings.Contains(","+t.crl+",", ",,")), "-crl: no file")
	_, known = tlsProfiles[t.profile]
	wrong(!known, "-tls-profile: not fapi2, fapi1 or brasil")
	return errors.Join(all...)
}

// prefixes reads CIDR,...; an address is itself alone.
func prefixes(text string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, part := range strings.Split(text, ",") {
		if addr, err := netip.ParseAddr(part); err == nil {
			all = append(all, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, err
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}

// source holds the server's certificate, the client authorities and the revocation lists.
func (o *options) source(says *notices) (*mtls.Source, error) {
	c := mtls.SourceConfig{
		ClientCAFiles: []string{o.caFile}, Revocation: mtls.NoRevocation{},
		OnError: func(err error) { says.say("certificates: " + err.Error()) },
	}
	if !o.transport.plain {
		c.CertFile, c.KeyFile = o.certFile, o.keyFile
	}
	if o.transport.crl != "" {
		c.CRLFiles, c.Revocation, c.Interval = strings.Split(o.transport.crl, ","), nil, time.Second
	}
	return mtls.NewSource(c)
}

// connections fills in who is at the other end, and gives what the listener needs: nil without TLS.
func (o *options) connections(c *service.Config, source *mtls.Source) (*tls.Config, error) {
	c.Certificate = source.Peer
	if o.transport.proxies != "" {
		listed, err := prefixes(o.transport.proxies)
		if err != nil {
			return nil, err
		}
		c.Proxies, err = mtls.NewProxies(mtls.ProxyConfig{
			Addresses: listed, Format: proxyFormats[o.transport.format], Address: mtls.XForwardedFor, Source: source,
		})
		if err != nil {
			return nil, fmt.Errorf("-proxy: %w", err)
		}
	}
	if o.transport.plain {
		return nil, nil
	}
	return service.TLS(source, tlsProfiles[o.transport.profile])
}
