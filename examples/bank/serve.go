package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/examples/bank/service"
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
	sink, err := openAudit(o.auditFile, stderr)
	if err != nil {
		return err
	}
	defer sink.Close() //nolint:errcheck // every record was written and answered for by then
	source, err := o.source(says)
	if err != nil {
		return err
	}
	tokens, keys, err := o.resolver(says)
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
		Origin: origin, Audience: o.audience, Tokens: tokens, Issuers: o.names(), Profile: o.profile,
		Replay: used, Rate: o.rate, Audit: audit.NewLines(sink), Done: says.recorded(), Waive: o.waive,
	}
	o.limits.bound(&c)
	if err := errors.Join(o.sealWith(&c), o.state(ctx, &c, keys), o.remember(ctx, &c)); err != nil {
		return err
	}
	settings, err := o.connections(&c, source)
	if err != nil {
		return err
	}
	handler, err := service.Handler(c)
	if err != nil {
		return err
	}
	server := service.NewServer(handler, settings, log.New(says, "", 0))
	keys.run(ctx)
	go source.Run(ctx) //nolint:errcheck // it ends with ctx, and says so
	says.say(fmt.Sprintf("listening on %s as %s", listener.Addr(), origin))
	return service.Serve(ctx, server, listener)
}

// state makes what the service remembers, and opens the administration that changes it.
func (o *options) state(ctx context.Context, c *service.Config, keys keySets) (err error) {
	if c.Nonce = o.nonce; o.nonce != token.NonceNever {
		secrets, err := readSecrets(o.nonceSecret)
		if err != nil {
			return err
		}
		if c.Nonces, err = replay.NewNonces(replay.NonceConfig{Service: c.Origin, Lifetime: o.nonceTTL, Secrets: secrets}); err != nil {
			return err
		}
	}
	if c.Consents, err = token.NewMemoryConsents(maxConsents); err != nil || o.admin == "" {
		return err
	}
	revocations, err := o.revocations(ctx)
	if err != nil {
		return err
	}
	c.Revocations = revocations
	a := &admin{issuers: o.issuers, revocations: revocations, consents: c.Consents, ready: keys.ready}
	return a.serve(ctx, o.admin)
}

const (
	maxConsents = 100_000
	maxRevoked  = 100_000
)

// names are the issuers as the metadata names them.
func (o *options) names() (names []string) {
	for _, i := range o.issuers {
		names = append(names, i.name)
	}
	return names
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
