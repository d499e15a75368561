package token

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const maxKeySetBytes = 1 << 20

var (
	errTooLarge = errors.New("token: key set too large")
	errNoFile   = errors.New("token: key set is not a regular file")
	errPrivate  = errors.New("token: host resolves to a private address")
)

// forever is the max-age of an answer that names none.
const forever = time.Duration(math.MaxInt64)

func fetchFile(path string) func(context.Context) (string, time.Duration, error) {
	return func(context.Context) (string, time.Duration, error) {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return "", 0, errors.Join(errNoFile, err) // to open a pipe would wait for its writer
		}
		f, err := os.Open(path)
		if err != nil {
			return "", 0, err
		}
		defer f.Close() //nolint:errcheck // read only
		body, err := readBounded(f)
		return body, forever, err
	}
}

func readBounded(r io.Reader) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxKeySetBytes+1))
	if err == nil && len(body) > maxKeySetBytes {
		err = errTooLarge
	}
	return string(body), err
}

// fetchURL asks over TLS and reads a bounded body.
func fetchURL(u *url.URL, settings *tls.Config, privateHosts []string) func(context.Context) (string, time.Duration, error) {
	client := outboundClient(u, settings, privateHosts, 0)
	target := u.String()
	return func(ctx context.Context) (string, time.Duration, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return "", 0, err
		}
		r.Header.Set("Accept", "application/jwk-set+json, application/json")
		resp, err := client.Do(r)
		if err != nil {
			return "", 0, err
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		if resp.StatusCode != http.StatusOK {
			return "", 0, fmt.Errorf("token: key set: status %d", resp.StatusCode)
		}
		body, err := readBounded(resp.Body)
		return body, maxAge(resp.Header.Values("Cache-Control")), err
	}
}

// outboundClient calls one https URL: no redirects, no proxy settings, bounded headers. Up to idle connections
// are kept, for a while.
func outboundClient(u *url.URL, settings *tls.Config, privateHosts []string, idle int) *http.Client {
	if settings == nil {
		settings = clientTLS()
	}
	_, err := netip.ParseAddr(u.Hostname())
	dialer := &net.Dialer{}
	if err != nil && !slices.ContainsFunc(privateHosts, func(h string) bool { return strings.EqualFold(h, u.Hostname()) }) {
		dialer.Control = publicOnly
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: settings.Clone(), DisableCompression: true, MaxResponseHeaderBytes: 32 << 10,
			DisableKeepAlives: idle == 0, MaxIdleConns: idle, MaxIdleConnsPerHost: idle, IdleConnTimeout: 10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// clientTLS is FAPI 2.0 Security Profile §5.2.2: TLS 1.2 with ECDHE and AEAD, or TLS 1.3.
func clientTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// publicOnly refuses, after resolution, what is not a public unicast address.
func publicOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errPrivate
	}
	a := ap.Addr().Unmap()
	special := slices.ContainsFunc(notPublic[:], func(p netip.Prefix) bool { return p.Contains(a) })
	if special || a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() {
		return errPrivate
	}
	return nil
}

// notPublic is what the registries of special-purpose addresses (RFC 6890) have beside what package netip knows:
// shared and benchmarking space, protocol assignments, reserved, and forms that carry an IPv4 address inside.
var notPublic = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("fec0::/10"),
}

// maxAge reads how long Cache-Control lets the answer live (RFC 9111 §5.2.2); anything unclear is the shortest.
func maxAge(fields []string) time.Duration {
	age := forever
	for _, field := range fields {
		for directive := range strings.SplitSeq(field, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return 0
			case "max-age":
				seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 32)
				if err != nil {
					return 0
				}
				age = min(age, time.Duration(seconds)*time.Second)
			}
		}
	}
	return age
}
