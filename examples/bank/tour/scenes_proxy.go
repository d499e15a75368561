package tour

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"

	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/token"
)

// proxies are those on loopback that show the proxy's own certificate.
func (w *world) proxies() (*mtls.Proxies, error) {
	return mtls.NewProxies(mtls.ProxyConfig{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Identity: func(c *x509.Certificate) error {
			if !c.Equal(w.proxy.Leaf) {
				return errors.New("tour: not the proxy")
			}
			return nil
		},
		Format: mtls.RFC9440, Address: mtls.XForwardedFor, Source: w.source,
	})
}

func behindProxy() []scene {
	return []scene{{
		"a forged proxy header",
		"A proxy in front writes down which certificate it saw. The thief writes the same, and is no proxy.",
		func(w *world) []step {
			c := call{token: w.byCertificate(nil), cert: &w.proxy, handed: ":" + base64.StdEncoding.EncodeToString(w.app.cert.Certificate[0]) + ":"}
			honest := w.fronted.do(c)
			c.cert = &w.thief.cert
			forged := w.fronted.do(c)
			return []step{
				told("GET /accounts by the app, through the proxy", honest, want{status: 200}),
				told("the same header by the thief, with the thief's certificate", forged,
					want{status: 401, code: "invalid_token", reason: token.ErrCertificateMismatch}).
					also(strings.Contains(forged.record.line, `"stripped":1`), "counted in the record"),
			}
		},
	}}
}
