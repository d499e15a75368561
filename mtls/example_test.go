package mtls_test

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/mtls"
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
