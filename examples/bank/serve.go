package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/examples/bank/service"
	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// serve runs the service until ctx ends.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprint(stdout, serveHelp)
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "bank serve: %v\nSee: bank serve -help\n", err)
		return 2
	}
	if err := o.serve(ctx, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stdout, "bank serve: %v\n", err)
		return 1
	}
	return 0
}

// serve makes the state, puts the chain over it and listens. From here on standard error belongs to the audit log,
// and what else there is to say goes to standard output.
func (o *options) serve(ctx context.Context, stdout, stderr io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	says := newNotices(ctx, stdout)
	sink, closeSink, err := openAudit(o.auditFile, stderr)
	if err != nil {
		return err
	}
	defer closeSink() //nolint:errcheck // every record was written and answered for by then
	source, err := mtls.NewSource(mtls.SourceConfig{
		CertFile: o.certFile, KeyFile: o.keyFile, ClientCAFiles: []string{o.caFile},
		OnError: func(err error) { says.say("certificates: " + err.Error()) },
	})
	if err != nil {
		return err
	}
	keys, err := o.keys(says)
	if err != nil {
		return err
	}
	used, closeUsed, err := newReplay(o)
	if err != nil {
		return err
	}
	defer closeUsed() //nolint:errcheck // nothing is left to lose
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // closed before, unless what follows fails

	origin := o.origin(listener.Addr())
	c := service.Config{
		Origin: origin, Issuer: o.issuer, Audience: o.audience, Keys: keys,
		Replay: used, Rate: o.rate, Audit: audit.NewLines(sink), Waive: o.waive,
	}
	if o.requireNonce {
		if c.Nonces, err = replay.NewNonces(replay.NonceConfig{Service: origin, Lifetime: o.nonceTTL}); err != nil {
			return err
		}
	}
	handler, err := service.Handler(c)
	if err != nil {
		return err
	}
	server, err := service.NewServer(handler, source, log.New(says, "", 0))
	if err != nil {
		return err
	}
	go keys.Run(ctx)   //nolint:errcheck // it ends with ctx, and says so
	go source.Run(ctx) //nolint:errcheck // the same
	says.say(fmt.Sprintf("listening on %s as %s", listener.Addr(), origin))
	return service.Serve(ctx, server, listener)
}

// keys makes the source of the issuer's keys. It fetches nothing yet: the service starts without the issuer.
func (o *options) keys(says *notices) (*token.JWKS, error) {
	c := token.JWKSConfig{
		URL: o.jwksURL, File: o.jwksFile, TTL: o.jwksTTL, MinRefresh: o.jwksMinRefresh,
		Failed: func(err error) { says.say("key set: " + err.Error()) },
	}
	if u, err := url.Parse(o.jwksURL); err == nil && o.jwksURL != "" {
		c.PrivateHosts = []string{u.Hostname()} // whoever wrote the flag meant that host
	}
	return token.NewJWKS(c)
}

// origin is how clients see the service: as the flag says, else at the address it listens on.
func (o *options) origin(listening net.Addr) string {
	if o.publicURL != "" {
		return o.publicURL
	}
	host, port, _ := net.SplitHostPort(o.addr) // judged before
	if a, ok := listening.(*net.TCPAddr); ok {
		port = fmt.Sprint(a.Port) // 0 is any, and a name is a number
	}
	return "https://" + net.JoinHostPort(host, port)
}
