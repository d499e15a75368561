package tour

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/examples/bank/service"
	"github.com/tegata-go/tegata/mtls"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

const (
	origin = "https://bank.example"
	perMin = 40 // requests a minute for each client of the usual bank
)

// world is everybody in the tour.
type world struct {
	ctx       context.Context
	authority *actors.Authority
	issuer    *actors.Issuer
	keys      *token.JWKS
	source    *mtls.Source
	book      *book

	app, thief person
	proxy      tls.Certificate // of the proxy in front of the fronted bank

	usual    *bank // wants nonces, limits, and its memory distrusts what is older than itself
	sealing  *bank // seals account numbers
	plain    *bank // as usual, without nonces: for the restart
	fronted  *bank // behind a proxy that terminates TLS
	lenient  *bank // records and lets pass
	recorder *bank // whose audit log will break
	fast     *bank // for the measurement: as usual, without nonces, records thrown away
	bare     *bank // for the measurement: the handler alone

	consents    *token.MemoryConsents
	revocations *replay.Revocations

	keyring, foreign *encrypt.Keyring
	torn             *book
}

// person is somebody with a certificate and a key for proofs.
type person struct {
	cert tls.Certificate
	key  *actors.Key
}

// newWorld makes everybody and opens all banks.
func newWorld(ctx context.Context) (*world, error) {
	w := &world{ctx: ctx, authority: actors.NewAuthority("Tour CA"), book: new(book), torn: new(book)}
	w.issuer = actors.NewIssuer("https://login.example", origin)
	w.app = person{w.authority.Client("app"), actors.NewKey("ES256", "")}
	w.thief = person{w.authority.Client("thief"), actors.NewKey("ES256", "")}
	w.proxy = w.authority.Client("proxy")
	var errConsents, errRevocations error
	w.consents, errConsents = token.NewMemoryConsents(10)
	w.revocations, errRevocations = replay.NewRevocations(replay.RevocationsConfig{Capacity: 10})
	if err := errors.Join(w.publishKeys(), w.makeKeyrings(), errConsents, errRevocations); err != nil {
		return nil, err
	}
	var err error
	w.source, err = mtls.NewSource(mtls.SourceConfig{
		Certificate: w.authority.Server("bank.example"), ClientCAs: []*x509.Certificate{w.authority.Certificate},
		Revocation: mtls.NoRevocation{},
	})
	if err != nil {
		return nil, err
	}
	if err := w.openBanks(); err != nil {
		return nil, err
	}
	// A proof says in whole seconds when it was made: the first ones shall not look older than the banks' memory.
	nextSecond()
	return w, nil
}

func nextSecond() { time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }

// publishKeys serves the issuer's key set over TLS, and makes the bank's source of it.
func (w *world) publishKeys() error {
	listener, err := (&net.ListenConfig{}).Listen(w.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: w.issuer, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{w.authority.Server("login.example")}},
	}
	go service.Serve(w.ctx, server, listener) //nolint:errcheck // without it the first scene fails
	w.keys, err = token.NewJWKS(token.JWKSConfig{
		URL: "https://" + listener.Addr().String() + "/keys",
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.authority.Pool()},
	})
	return err
}

// makeKeyrings makes the key that the bank and the app share, and one of somebody else under the same name.
func (w *world) makeKeyrings() (err error) {
	for _, ring := range []**encrypt.Keyring{&w.keyring, &w.foreign} {
		secret := make(encrypt.Secret, 32)
		_, _ = rand.Read(secret) // never fails: crypto/rand ends the process instead
		if *ring, err = encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "shared-1", Secret: secret}}}); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) openBanks() (err error) {
	nonces, err := replay.NewNonces(replay.NonceConfig{Service: origin})
	if err != nil {
		return err
	}
	proxies, err := w.proxies()
	if err != nil {
		return err
	}
	for _, open := range []struct {
		bank   **bank
		change func(*service.Config)
	}{
		{&w.usual, func(c *service.Config) { c.Nonces, c.Nonce = nonces, token.NonceAlways }},
		{&w.plain, func(*service.Config) {}},
		{&w.fronted, func(c *service.Config) { c.Proxies = proxies }},
		{&w.sealing, func(c *service.Config) { c.Keyring = w.keyring }},
		{&w.lenient, func(c *service.Config) { c.Waive = func(*http.Request, *audit.Refusal) bool { return true } }},
		{&w.recorder, func(c *service.Config) { c.Audit = audit.NewLines(w.torn) }},
		{&w.fast, func(c *service.Config) {
			c.Audit, c.Rate = audit.NewLines(io.Discard), &ratelimit.Limit{Count: 1e6, Period: time.Second}
		}},
	} {
		if *open.bank, err = w.open(open.change); err != nil {
			return err
		}
	}
	w.bare, err = w.listen(bareHandler())
	return err
}

// open makes a bank with a memory of its own; change may alter what it is made from.
func (w *world) open(change func(*service.Config)) (*bank, error) {
	used, err := replay.NewMemory(replay.MemoryConfig{Capacity: 1 << 18})
	if err != nil {
		return nil, err
	}
	tokens, err := token.NewJWT(token.JWTConfig{Issuer: w.issuer.URL, Audiences: []string{w.issuer.Audience}, Keys: w.keys})
	if err != nil {
		return nil, err
	}
	c := service.Config{
		Origin: origin, Audience: w.issuer.Audience, Tokens: tokens, Issuers: []string{w.issuer.URL}, Consents: w.consents, Revocations: w.revocations,
		Replay: used, Audit: audit.NewLines(w.book),
		Rate: &ratelimit.Limit{Count: perMin, Period: time.Minute},
	}
	change(&c)
	handler, err := service.Handler(c)
	if err != nil {
		return nil, err
	}
	return w.listen(handler)
}

// listen opens a port for handler on loopback. The clients call it bank.example.
func (w *world) listen(handler http.Handler) (*bank, error) {
	settings, err := service.TLS(w.source, mtls.FAPI2)
	if err != nil {
		return nil, err
	}
	server := service.NewServer(handler, settings, log.New(io.Discard, "", 0))
	listener, err := (&net.ListenConfig{}).Listen(w.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no port: %w", err)
	}
	ctx, stop := context.WithCancel(w.ctx)
	b := &bank{world: w, addr: listener.Addr().String(), stop: stop}
	go service.Serve(ctx, server, listener) //nolint:errcheck // what calls it sees
	return b, nil
}
