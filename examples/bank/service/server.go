package service

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

const (
	// maxHeader leaves room for a token of 12 KiB, a proof and whatever proxies add: 32 KiB are always served.
	maxHeader = 64 << 10
	// grace is how long requests under way may go on when the service is told to end.
	grace = 1500 * time.Millisecond
)

// TLS is how the service takes connections. A client certificate is optional, because DPoP needs none; one that is
// shown is verified.
func TLS(source *mtls.Source, profile mtls.Profile) (*tls.Config, error) {
	return mtls.Server(mtls.ServerConfig{Source: source, ClientCertificate: mtls.Optional, Profile: profile})
}

// NewServer puts TLS and limits of time and size around handler; without settings there is no TLS. Complaints takes
// what net/http has to say about connections.
func NewServer(handler http.Handler, settings *tls.Config, complaints *log.Logger) *http.Server {
	return &http.Server{
		Handler:   handler,
		TLSConfig: settings,
		// OPTIONS * would be answered beside the chain, without a record.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  30 * time.Second,
		WriteTimeout:                 40 * time.Second,
		IdleTimeout:                  2 * time.Minute,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     complaints,
	}
}

// Serve answers on listener until ctx ends, then lets the requests under way finish for a moment and cuts
// what is left. It closes listener.
func Serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	ended := make(chan error, 1)
	go func() {
		if server.TLSConfig == nil {
			ended <- server.Serve(listener)
			return
		}
		ended <- server.ServeTLS(listener, "", "")
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close() // what is still open had its time
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
