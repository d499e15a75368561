package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tegata-go/tegata/token"
)

// issuer is one authorization server and where its keys are: at an URL, or in a file.
type issuer struct{ name, jwksURL, jwksFile string }

// introspection is where opaque tokens are asked about, and as whom.
type introspection struct {
	url, client, keyFile string
	signed               bool
}

// pair puts issuers and key sets together in the order in which they were given.
func (o *options) pair(issuers, jwks []string) error {
	if len(issuers) != len(jwks) {
		return errors.New("each -issuer needs its -jwks")
	}
	seen := make(map[string]bool)
	for n, name := range issuers {
		if seen[name] {
			return errors.New("one issuer twice")
		}
		seen[name] = true
		i := issuer{name: name, jwksFile: jwks[n]}
		if strings.Contains(jwks[n], "://") {
			i.jwksURL, i.jwksFile = jwks[n], ""
		}
		o.issuers = append(o.issuers, i)
	}
	return nil
}

func (o *options) readNonce(t *texts) error {
	policies := map[string]token.NoncePolicy{"never": token.NonceNever, "always": token.NonceAlways, "skewed": token.NonceSkewed}
	switch policy, known := policies[t.nonce]; {
	case known && (!t.requireNonce || policy == token.NonceAlways):
		o.nonce = policy
	case t.nonce != "":
		return errors.New("not never, always or skewed, or at odds with -require-nonce")
	case !t.requireNonce:
		o.nonce = token.NonceNever
	}
	return nil
}

func (o *options) readProfile(name string) error {
	profiles := map[string]func() token.Profile{
		"fapi2": token.FAPI2, "fapi1-advanced": token.FAPI1Advanced, "uk": token.UKOpenBanking,
		"brasil": token.OpenFinanceBrasil, "cdr": token.CDR,
	}
	profile := profiles[name]
	if profile == nil {
		return errors.New("not fapi2, fapi1-advanced, uk, brasil or cdr")
	}
	o.profile = profile()
	return nil
}

func (o *options) readIntrospection(i introspection, given map[string]bool) error {
	if !given["introspect"] {
		if given["introspect-client"] || given["introspect-key"] || i.signed {
			return errors.New("-introspect is required with its other flags")
		}
		return nil
	}
	if !isHTTPS(i.url, false) || i.client == "" || i.keyFile == "" {
		return errors.New("an https URL, -introspect-client and -introspect-key are required")
	}
	o.introspect = &i
	return nil
}

func isLoopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// keySets are the sources of the issuers' keys, in the order of the flags.
type keySets []*token.JWKS

// run keeps all of them fresh until ctx ends.
func (k keySets) run(ctx context.Context) {
	for _, set := range k {
		go set.Run(ctx) //nolint:errcheck // it ends with ctx, and says so
	}
}

// ready is nil when every issuer's keys are at hand.
func (k keySets) ready() error {
	var all []error
	for _, set := range k {
		all = append(all, set.Ready())
	}
	return errors.Join(all...)
}

// resolver reads access tokens: signed ones of every issuer and, when flags say so, encrypted and opaque ones.
func (o *options) resolver(says *notices) (token.Resolver, keySets, error) {
	var sets keySets
	var all []*token.JWT
	for _, i := range o.issuers {
		set, err := o.keys(i, says)
		if err != nil {
			return nil, nil, err
		}
		c := o.profile.JWT
		c.Issuer, c.Audiences, c.Keys = i.name, []string{o.audience}, set
		jwt, err := token.NewJWT(c)
		if err != nil {
			return nil, nil, err
		}
		sets, all = append(sets, set), append(all, jwt)
	}
	signed, err := token.NewIssuers(all...)
	if err != nil {
		return nil, nil, err
	}
	shapes := token.Shapes{Signed: signed}
	if shapes.Encrypted, err = o.encrypted(signed); err != nil {
		return nil, nil, err
	}
	if shapes.Opaque, err = o.opaque(sets[0]); err != nil {
		return nil, nil, err
	}
	return shapes, sets, nil
}

const (
	// patience is what a slow authorization server is given: within the 5 s that a request may wait in all.
	patience = 4 * time.Second
	// opaqueTTL is how long a token that the server took back may go on.
	opaqueTTL = 5 * time.Second
)

// keys makes the source of one issuer's keys. It fetches nothing yet: the service starts without the issuer.
func (o *options) keys(i issuer, says *notices) (*token.JWKS, error) {
	c := token.JWKSConfig{
		URL: i.jwksURL, File: i.jwksFile, TTL: o.jwksTTL, MinRefresh: o.jwksMinRefresh, Timeout: patience,
		Failed: func(err error) { says.say("key set: " + err.Error()) },
	}
	c.PrivateHosts = hostOf(i.jwksURL)
	return token.NewJWKS(c)
}

// hostOf is the host that whoever wrote the flag meant, wherever it is.
func hostOf(address string) []string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	return []string{u.Hostname()}
}

func (o *options) encrypted(signed token.Resolver) (token.Resolver, error) {
	if o.tokenKeys == "" {
		return nil, nil
	}
	keys, err := os.ReadFile(o.tokenKeys)
	if err != nil {
		return nil, err
	}
	return token.NewEncrypted(token.EncryptedConfig{Keys: keys, Signed: signed})
}

// opaque asks the first issuer about tokens that say nothing themselves.
func (o *options) opaque(keys token.KeySource) (token.Resolver, error) {
	if o.introspect == nil {
		return nil, nil
	}
	key, err := os.ReadFile(o.introspect.keyFile)
	if err != nil {
		return nil, err
	}
	c := token.IntrospectionConfig{
		URL: o.introspect.url, Issuer: o.issuers[0].name, Audiences: []string{o.audience}, AudienceOptional: true,
		ClientID: o.introspect.client, ClientKey: key, PrivateHosts: hostOf(o.introspect.url),
		Timeout: patience, TTL: opaqueTTL,
	}
	if o.introspect.signed {
		c.SignedBy, c.SignedAudience = keys, o.introspect.client
	}
	return token.NewIntrospection(c)
}
