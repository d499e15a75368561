// Package mtls says who is at the other end of a TLS connection.
//
// [Server] makes the *tls.Config of a resource server that follows the FAPI 2.0 Security Profile,
// section 5.2, and BCP 195 (RFC 9325): TLS 1.3 preferred, TLS 1.2 with the six ECDHE suites that are
// authenticated encryption, client certificates demanded and verified, on resumed connections too.
// [Source] holds what such a server needs from files, the server's certificate, the client trust anchors and
// the revocation lists, and takes new ones without dropping a connection. [Source.Peer] gives the client's
// certificate of a request as the source judges it now, and [Thumbprint] the value that RFC 8705 binds an
// access token to. [IdentityOf] reads what a certificate says about its holder, and [Rules] tie it to a client.
//
// Behind proxies that terminate TLS, [Proxies] finds the certificate and the client's address in what
// listed proxies add, takes out what anybody else sent, and leaves a [Caller] for [Peer] and [Address].
// Behind those that forward bytes, [ProxyListener] reads the PROXY protocol before TLS begins.
//
// Whether a certificate was revoked its issuer's lists tell, or its issuer's responder: [OCSP] asks it, remembers
// the answer, and takes the one that a client of TLS 1.3 staples to its certificate.
//
//	source, err := mtls.NewSource(mtls.SourceConfig{
//		CertFile: "server.pem", KeyFile: "server.key",
//		ClientCAFiles: []string{"clients.pem"}, CRLFiles: []string{"clients.crl"},
//	})
//	config, err := mtls.Server(mtls.ServerConfig{Source: source})
//	server := &http.Server{Addr: ":8443", Handler: handler, TLSConfig: config}
//	err = server.ListenAndServeTLS("", "")
package mtls
