package mtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

const (
	maxOCSPAnswer = 64 << 10 // bytes
	maxOCSPFields = 16 << 10 // bytes of the header of an answer
)

var (
	errOCSPPrivate = words("mtls: OCSP: the responder has a private address")
	errOCSPSize    = words("mtls: OCSP: answer too large")
	errOCSPType    = words("mtls: OCSP: answer of another media type")
)

// outbound is the client for questions: no redirects, no proxy settings of the environment, no connection kept.
func (o *OCSP) outbound(settings *tls.Config) *http.Client {
	if settings == nil {
		settings = &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: FAPI2.suites12()}
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: o.dial, TLSClientConfig: settings.Clone(), DisableKeepAlives: true, DisableCompression: true,
			MaxResponseHeaderBytes: maxOCSPFields,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial refuses private addresses after resolution: whoever writes a certificate, or answers for the name in it, could
// otherwise make this service call into its own network.
func (o *OCSP) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := new(net.Dialer)
	named := slices.ContainsFunc(o.private, func(p string) bool { return strings.EqualFold(p, host) })
	_, notLiteral := netip.ParseAddr(host)
	if configured := notLiteral == nil && o.literal == host; !named && !configured {
		dialer.Control = publicOnly
	}
	return dialer.DialContext(ctx, network, address)
}

// call sends one question (RFC 6960 appendix A.1).
func (o *OCSP) call(ctx context.Context, target string, question []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	r.Header.Set("Accept", "application/ocsp-response")
	answer, err := o.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // read only
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("mtls: OCSP: status %d", answer.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || kind != "application/ocsp-response" {
		return nil, errOCSPType
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxOCSPAnswer+1))
	if err == nil && len(raw) > maxOCSPAnswer {
		err = errOCSPSize
	}
	return raw, err
}

// publicOnly refuses what is no public unicast address.
func publicOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errOCSPPrivate
	}
	a := ap.Addr().Unmap()
	special := slices.ContainsFunc(notPublic[:], func(p netip.Prefix) bool { return p.Contains(a) })
	if special || a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() {
		return errOCSPPrivate
	}
	return nil
}

// notPublic is what the registries of special-purpose addresses (RFC 6890) have besides what net/netip knows.
var notPublic = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}
