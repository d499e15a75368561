package mtls_test

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/token"
)

// A resource server that demands a client certificate from everybody.
func Example() {
	source, err := mtls.NewSource(mtls.SourceConfig{
		CertFile:      "server.pem",
		KeyFile:       "server.key",
		ClientCAFiles: []string{"clients.pem"},
		CRLFiles:      []string{"clients.crl"},
		OnError:       func(err error) { log.Print(err) },
	})
	if err != nil {
		log.Print(err)
		return
	}
	config, err := mtls.Server(mtls.ServerConfig{Source: source})
	if err != nil {
		log.Print(err)
		return
	}
	server := &http.Server{
		Addr:              ":8443",
		TLSConfig:         config,
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cert, err := source.Peer(r)
			if err != nil || cert == nil {
				return
			}
			_, _ = fmt.Fprintln(w, mtls.ThumbprintText(cert))
		}),
	}
	log.Print(server.ListenAndServeTLS("", ""))
}

// Certificates that no authority has issued are taken only when the choice is written out.
func Example_selfSignedClients() {
	source, err := mtls.NewSource(mtls.SourceConfig{CertFile: "server.pem", KeyFile: "server.key"})
	if err != nil {
		log.Print(err)
		return
	}
	// Right: list the clients' certificates in ClientCAFiles, and leave ClientCertificate at Required.
	// Here anybody may connect, and only the comparison with a token's thumbprint is left.
	config, err := mtls.Server(mtls.ServerConfig{Source: source, ClientCertificate: mtls.DangerouslyUnverified})
	if err != nil {
		log.Print(err)
		return
	}
	log.Print(mtls.Check(config)) // names it
}

// A service behind a proxy that terminates TLS, with clients held to what they were registered with.
func Example_behindProxies() {
	source, err := mtls.NewSource(mtls.SourceConfig{ClientCAFiles: []string{"clients.pem"}, CRLFiles: []string{"clients.crl"}})
	if err != nil {
		log.Print(err)
		return
	}
	proxies, err := mtls.NewProxies(mtls.ProxyConfig{
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24")},
		Format:    mtls.RFC9440, Address: mtls.XForwardedFor, Source: source,
	})
	if err != nil {
		log.Print(err)
		return
	}
	tpp, err := mtls.ParseOrganization("PSDFR-ACPR-12345")
	if err != nil {
		log.Print(err)
		return
	}
	rules, err := mtls.NewRules(mtls.RulesConfig{
		Certificate: source.Peer, // what Proxies found, where it stands outside
		Registry:    mtls.Registrations{"tpp-1": {Organization: tpp, Roles: mtls.RoleAISP}},
		Expiries:    mtls.NewExpiries(0),
	})
	if err != nil {
		log.Print(err)
		return
	}
	settings := token.Config{
		Certificate: source.Peer,
		Admit:       func(r *http.Request, g token.Grant) error { return rules.Admit(r, g.Client()) },
	}
	handler := proxies.Wrap(http.NotFoundHandler()) // in between: the Verifier of settings
	_, _ = settings, handler
}

// Certificates are good for as long as their issuer's responder says so.
func ExampleNewOCSP() {
	responders, err := mtls.NewOCSP(mtls.OCSPConfig{
		Keep:    30 * time.Minute,
		OnError: func(err error) { log.Print(err) },
	})
	if err != nil {
		log.Print(err)
		return
	}
	source, err := mtls.NewSource(mtls.SourceConfig{
		CertFile: "server.pem", KeyFile: "server.key",
		ClientCAFiles: []string{"clients.pem"},
		Revocation:    responders,
	})
	if err != nil {
		log.Print(err)
		return
	}
	_, err = mtls.Server(mtls.ServerConfig{Source: source})
	log.Print(err)
}

// A load balancer in front forwards bytes, and says in a PROXY header whose they are.
func ExampleProxyListener() {
	inner, err := net.Listen("tcp", ":8443")
	if err != nil {
		log.Print(err)
		return
	}
	listener, err := mtls.NewProxyListener(mtls.ProxyListenerConfig{
		Listener: inner, Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.2.0/28")},
	})
	if err != nil {
		log.Print(err)
		return
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second} // with the TLSConfig of Server
	log.Print(server.ServeTLS(listener, "", ""))
}
