package mtls_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"maps"
	"testing"

	"github.com/tegata-go/tegata/mtls"
)

// clients are certificates that the server with these anchors must take, or must not.
type clients struct {
	anchors     []*x509.Certificate
	good, wrong map[string]*identity
}

func makeClients(t testing.TB) clients {
	t.Helper()
	c := clients{good: map[string]*identity{}, wrong: map[string]*identity{}}
	ca, old := authority(t, "ca"), version1(t)
	c.anchors = append(c.anchors, ca.cert)
	c.selfSigned(t, old)
	c.issued(t, ca)
	c.misissued(t, ca)
	c.wrong["self-signed, not listed"] = issue(t, nil, nil)
	c.wrong["issued by a client"] = issue(t, c.good["self-signed"], nil)
	c.wrong["issued by a version 1 client"] = issue(t, old, nil)
	c.wrong["certificate without its key"] = &identity{cert: c.good["issued"].cert, key: issue(t, nil, nil).key}
	c.wrong["listed key, another certificate"] = issueFor(t, c.good["self-signed"].key, nil, nil)
	return c
}

// selfSigned adds clients that are listed themselves (RFC 8705 section 2.2).
func (c *clients) selfSigned(t testing.TB, old *identity) {
	t.Helper()
	good := map[string]*identity{
		"self-signed":                  issue(t, nil, nil),
		"self-signed without KeyUsage": issue(t, nil, signing(0)),
		"self-signed RSA":              issueFor(t, rsaKey(t, 2048), nil, nil),
		"self-signed authority":        issue(t, nil, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }),
	}
	wrong := map[string]*identity{
		"self-signed without EKU":        issue(t, nil, usage()),
		"self-signed with serverAuth":    issue(t, nil, usage(x509.ExtKeyUsageServerAuth)),
		"self-signed with any usage":     issue(t, nil, usage(x509.ExtKeyUsageAny)),
		"self-signed that cannot sign":   issue(t, nil, signing(x509.KeyUsageKeyEncipherment)),
		"self-signed expired":            issue(t, nil, expired),
		"self-signed not valid yet":      issue(t, nil, early),
		"self-signed with RSA 1024 bits": issueFor(t, rsaKey(t, 1024), nil, nil),
		"self-signed version 1":          old,
	}
	for _, ids := range []map[string]*identity{good, wrong} {
		for _, id := range ids {
			c.anchors = append(c.anchors, id.cert)
		}
	}
	maps.Copy(c.good, good)
	maps.Copy(c.wrong, wrong)
}

// issued adds clients with a chain to the authority, and the same with one fault each.
func (c *clients) issued(t testing.TB, ca *identity) {
	t.Helper()
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(c.good, map[string]*identity{
		"issued":              issue(t, ca, nil),
		"issued, Ed25519":     issueFor(t, edKey, ca, nil),
		"issued, RSA":         issueFor(t, rsaKey(t, 2048), ca, nil),
		"issued, P-384":       issueFor(t, p384, ca, nil),
		"issued, two usages":  issue(t, ca, usage(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)),
		"issued, no KeyUsage": issue(t, ca, signing(0)),
	})
	maps.Copy(c.wrong, map[string]*identity{
		"expired":       issue(t, ca, expired),
		"not valid yet": issue(t, ca, early),
		"no EKU":        issue(t, ca, usage()),
		"serverAuth":    issue(t, ca, usage(x509.ExtKeyUsageServerAuth)),
		"any usage":     issue(t, ca, usage(x509.ExtKeyUsageAny)),
		"cannot sign":   issue(t, ca, signing(x509.KeyUsageKeyEncipherment)),
		"RSA 1024 bits": issueFor(t, rsaKey(t, 1024), ca, nil),
		"critical extension not known": issue(t, ca, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: true, Value: []byte{5, 0}}}
		}),
	})
}

// misissued adds clients whose issuer, or the way to it, is the matter.
func (c *clients) misissued(t testing.TB, ca *identity) {
	t.Helper()
	under := issue(t, ca, asAuthority("intermediate"))
	servers := issue(t, ca, func(c *x509.Certificate) {
		asAuthority("servers")(c)
		usage(x509.ExtKeyUsageServerAuth)(c)
	})
	ended := issue(t, nil, func(c *x509.Certificate) {
		asAuthority("ended")(c)
		expired(c)
	})
	c.anchors = append(c.anchors, ended.cert)
	c.good["by an intermediate"] = issue(t, under, nil)
	bare := issue(t, under, nil)
	maps.Copy(c.wrong, map[string]*identity{
		"intermediate missing":       {cert: bare.cert, key: bare.key},
		"untrusted":                  issue(t, authority(t, "stranger"), nil),
		"authority of the same name": issue(t, authority(t, "ca"), nil),
		"by an expired authority":    issue(t, ended, nil),
		"issued by an issued client": issue(t, issue(t, ca, nil), nil),
		"authority for servers only": issue(t, servers, nil),
	})
}

func TestClientCertificates(t *testing.T) {
	all := makeClients(t)
	source := fixedSource(t, all.anchors...)
	for demand, name := range map[mtls.ClientCertificate]string{mtls.Required: "required", mtls.Optional: "optional"} {
		server := serve(t, serverConfig(t, source, demand))
		for version, label := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
			at := func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }
			for who, id := range all.good {
				t.Run("M8/RFC8705-6.2-p/"+name+"/"+label+"/"+who, func(t *testing.T) {
					if got := server.mustGet(t, client(t, id, at)); got != mtls.ThumbprintText(id.cert) {
						t.Errorf("the handler saw %q", got)
					}
				})
			}
			for who, id := range all.wrong {
				t.Run("M8/RFC8705-6.2-p/"+name+"/"+label+"/"+who, func(t *testing.T) {
					server.refused(t, client(t, id, at))
				})
			}
			t.Run(name+"/"+label+"/none shown", func(t *testing.T) {
				if demand == mtls.Required {
					server.refused(t, client(t, nil, at))
				} else if got := server.mustGet(t, client(t, nil, at)); got != "none" {
					t.Errorf("the handler saw %q", got)
				}
			})
		}
	}
}

func TestUnverified(t *testing.T) {
	all := makeClients(t)
	server := serve(t, serverConfig(t, fixedSource(t), mtls.DangerouslyUnverified))
	t.Run("RFC8705-6.2", func(t *testing.T) {
		unlisted := all.wrong["self-signed, not listed"]
		if got := server.mustGet(t, client(t, unlisted, nil)); got != mtls.ThumbprintText(unlisted.cert) {
			t.Errorf("the handler saw %q", got)
		}
	})
	t.Run("RFC8705-6.2-p/expired", func(t *testing.T) {
		if got := server.mustGet(t, client(t, all.wrong["expired"], nil)); got != mtls.ErrExpired.Error() {
			t.Errorf("Peer said %q", got)
		}
	})
	t.Run("possession of the key", func(t *testing.T) {
		server.refused(t, client(t, all.wrong["certificate without its key"], nil))
	})
	t.Run("none shown", func(t *testing.T) {
		if got := server.mustGet(t, client(t, nil, nil)); got != "none" {
			t.Errorf("the handler saw %q", got)
		}
	})
}

func TestNotRequested(t *testing.T) {
	t.Run("RFC8705-5", func(t *testing.T) {
		ca := authority(t, "ca")
		server := serve(t, serverConfig(t, fixedSource(t, ca.cert), mtls.NotRequested))
		if got := server.mustGet(t, client(t, issue(t, ca, nil), nil)); got != "none" {
			t.Errorf("the handler saw %q", got)
		}
	})
}

// TestVerifyConnection asks the last gate itself: a Config whose GetConfigForClient or ClientAuth was
// taken away by mistake still lets nobody in.
func TestVerifyConnection(t *testing.T) {
	all := makeClients(t)
	id := all.good["issued"]
	chain := [][]*x509.Certificate{{id.cert, all.anchors[0]}}
	for name, c := range map[string]struct {
		demand mtls.ClientCertificate
		state  tls.ConnectionState
		want   error
	}{
		"good":               {mtls.Required, tls.ConnectionState{PeerCertificates: chain[0][:1], VerifiedChains: chain}, nil},
		"none, required":     {mtls.Required, tls.ConnectionState{}, mtls.ErrMissing},
		"none, optional":     {mtls.Optional, tls.ConnectionState{}, nil},
		"no chain":           {mtls.Required, tls.ConnectionState{PeerCertificates: chain[0][:1]}, mtls.ErrUntrusted},
		"no chain, optional": {mtls.Optional, tls.ConnectionState{PeerCertificates: chain[0][:1]}, mtls.ErrUntrusted},
		"empty chain": {mtls.Required, tls.ConnectionState{PeerCertificates: chain[0][:1],
			VerifiedChains: [][]*x509.Certificate{{}}}, mtls.ErrUntrusted},
		"chain to a stranger": {mtls.Required, tls.ConnectionState{PeerCertificates: chain[0][:1],
			VerifiedChains: [][]*x509.Certificate{{id.cert, authority(t, "ca").cert}}}, mtls.ErrUntrusted},
		"chain to an expired authority": {mtls.Required, tls.ConnectionState{PeerCertificates: chain[0][:1],
			VerifiedChains: [][]*x509.Certificate{{id.cert, all.anchors[len(all.anchors)-1]}}}, mtls.ErrUntrusted},
		"expired": {mtls.Required, tls.ConnectionState{PeerCertificates: []*x509.Certificate{all.wrong["expired"].cert},
			VerifiedChains: chain}, mtls.ErrExpired},
		"no EKU": {mtls.Required, tls.ConnectionState{PeerCertificates: []*x509.Certificate{all.wrong["no EKU"].cert},
			VerifiedChains: chain}, mtls.ErrUsage},
		"cannot sign": {mtls.Required, tls.ConnectionState{PeerCertificates: []*x509.Certificate{all.wrong["cannot sign"].cert},
			VerifiedChains: chain}, mtls.ErrUsage},
		"weak key": {mtls.Required, tls.ConnectionState{PeerCertificates: []*x509.Certificate{all.wrong["RSA 1024 bits"].cert},
			VerifiedChains: chain}, mtls.ErrWeakKey},
	} {
		t.Run(name, func(t *testing.T) {
			config := serverConfig(t, fixedSource(t, all.anchors...), c.demand)
			if err := config.VerifyConnection(c.state); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	t.Run("a check added before the first handshake counts", func(t *testing.T) {
		config := serverConfig(t, fixedSource(t, all.anchors...), mtls.Required)
		ours, blocked := config.VerifyConnection, mtls.Thumbprint(id.cert)
		config.VerifyConnection = func(state tls.ConnectionState) error {
			if mtls.Thumbprint(state.PeerCertificates[0]) == blocked {
				return errors.New("blocked")
			}
			return ours(state)
		}
		server := serve(t, config)
		server.refused(t, client(t, id, nil))
		server.refused(t, client(t, all.wrong["no EKU"], nil))
		server.mustGet(t, client(t, all.good["issued, RSA"], nil))
	})
}
