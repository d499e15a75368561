package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/limiterstore"
	"github.com/tegata-go/tegata/token"
)

// options are the flags of serve, read and judged.
type options struct {
	addr, publicURL           string
	certFile, keyFile, caFile string
	issuers                   []issuer
	audience                  string
	jwksTTL, jwksMinRefresh   time.Duration
	nonce                     token.NoncePolicy
	nonceTTL                  time.Duration
	nonceSecret               string // a file; empty: nonces of this process
	profile                   token.Profile
	introspect                *introspection          // nil: no opaque tokens
	tokenKeys                 string                  // a file; empty: no encrypted tokens
	admin                     string                  // empty: no administration
	redis                     *redis.UniversalOptions // nil: remember in this process
	idempotency               bool                    // payments need an idempotency key
	rate                      *ratelimit.Limit        // nil: no limit
	seal                      sealing                 // empty: no field is sealed
	auditFile                 string                  // empty: standard error
	waive                     func(*http.Request, *audit.Refusal) bool
	transport                 transport
	limits                    limits
}

// texts are the flags whose value needs more reading than package flag does.
type texts struct {
	issuers, jwks           list
	redis, rate, reportOnly string
	seal, clients           string
	requireNonce            bool
	nonce, profile          string
	introspect              introspection
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set appends.
func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// parse reads the command line, and reports everything that is wrong with it at once. Its errors never quote the
// value of -redis, which holds a password.
func parse(args []string) (*options, error) {
	o, t := new(options), new(texts)
	set := flag.NewFlagSet("serve", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&o.addr, "addr", "", "")
	set.StringVar(&o.publicURL, "public-url", "", "")
	set.StringVar(&o.certFile, "tls-cert", "", "")
	set.StringVar(&o.keyFile, "tls-key", "", "")
	set.StringVar(&o.caFile, "client-ca", "", "")
	set.Var(&t.issuers, "issuer", "")
	set.StringVar(&o.audience, "audience", "", "")
	set.Var(&t.jwks, "jwks", "")
	set.DurationVar(&o.jwksTTL, "jwks-ttl", 5*time.Minute, "")
	set.DurationVar(&o.jwksMinRefresh, "jwks-min-refresh", time.Second, "")
	set.BoolVar(&t.requireNonce, "require-nonce", false, "")
	set.StringVar(&t.nonce, "nonce", "", "")
	set.StringVar(&t.profile, "profile", "fapi2", "")
	set.StringVar(&t.introspect.url, "introspect", "", "")
	set.StringVar(&t.introspect.client, "introspect-client", "", "")
	set.StringVar(&t.introspect.keyFile, "introspect-key", "", "")
	set.BoolVar(&t.introspect.signed, "introspect-signed", false, "")
	set.StringVar(&o.tokenKeys, "token-keys", "", "")
	set.StringVar(&o.admin, "admin", "", "")
	set.DurationVar(&o.nonceTTL, "nonce-ttl", 5*time.Minute, "")
	set.StringVar(&o.nonceSecret, "nonce-secret", "", "")
	set.StringVar(&t.redis, "redis", "", "")
	set.BoolVar(&o.idempotency, "idempotency", false, "")
	set.StringVar(&t.rate, "rate", "", "")
	set.StringVar(&t.seal, "seal", "", "")
	set.StringVar(&t.clients, "clients", "", "")
	set.StringVar(&o.auditFile, "audit", "", "")
	set.StringVar(&t.reportOnly, "report-only", "", "")
	o.transport.flags(set)
	o.limits.flags(set)
	if err := set.Parse(args); err != nil {
		return nil, unquoted(err)
	}
	given := make(map[string]bool)
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return o, errors.Join(o.missing(set.NArg(), t), o.read(t, given), o.judge(given), o.transport.judge(given), o.limits.judge(given))
}

// unquoted keeps the message of package flag unless it could hold a mistyped -redis.
func unquoted(err error) error {
	if errors.Is(err, flag.ErrHelp) || !strings.Contains(err.Error(), ":/") {
		return err
	}
	return errors.New("an unknown or malformed flag")
}

func (o *options) missing(extra int, t *texts) error {
	var all []error
	if extra > 0 {
		all = append(all, errors.New("an argument that belongs to no flag"))
	}
	for _, f := range []struct{ name, value string }{
		{"-addr", o.addr}, {"-tls-cert", o.certFile}, {"-tls-key", o.keyFile}, {"-client-ca", o.caFile},
		{"-issuer", t.issuers.String()}, {"-jwks", t.jwks.String()}, {"-audience", o.audience},
	} {
		if f.value == "" && (!o.transport.plain || !strings.HasPrefix(f.name, "-tls-")) {
			all = append(all, fmt.Errorf("%s is required", f.name))
		}
	}
	return errors.Join(all...)
}

func (o *options) read(t *texts, given map[string]bool) error {
	var all []error
	failed := func(name string, err error) {
		if err != nil {
			all = append(all, fmt.Errorf("-%s: %w", name, err))
		}
	}
	o.publicURL = canonical(o.publicURL)
	failed("issuer", o.pair(t.issuers, t.jwks))
	failed("nonce", o.readNonce(t))
	failed("profile", o.readProfile(t.profile))
	failed("introspect", o.readIntrospection(t.introspect, given))
	failed("seal", o.readSeal(t.seal, t.clients, given))
	if given["redis"] {
		var err error
		o.redis, err = parseRedis(t.redis)
		failed("redis", err)
	}
	if given["rate"] {
		limit, err := parseRate(t.rate)
		o.rate = &limit
		failed("rate", err)
	}
	if given["report-only"] {
		var err error
		o.waive, err = parseWaiver(t.reportOnly)
		failed("report-only", err)
	}
	return errors.Join(all...)
}

func (o *options) judge(given map[string]bool) error {
	var all []error
	wrong := func(is bool, text string) {
		if is {
			all = append(all, errors.New(text))
		}
	}
	host, port, err := net.SplitHostPort(o.addr)
	wrong(o.addr != "" && (err != nil || port == ""), "-addr: not HOST:PORT")
	wrong(err == nil && isWildcard(host) && o.publicURL == "", "-public-url is required with an -addr that names no host")
	wrong(o.publicURL != "" && !isHTTPS(o.publicURL, true), "-public-url: not an https origin without a path")
	for _, i := range o.issuers {
		wrong(i.jwksURL != "" && !isHTTPS(i.jwksURL, false), "-jwks: neither an https URL nor a file")
	}
	wrong(given["token-keys"] && o.tokenKeys == "", "-token-keys: no file")
	wrong(given["admin"] && !isLoopback(o.admin), "-admin: not HOST:PORT on loopback")
	wrong(o.jwksTTL < time.Second, "-jwks-ttl: less than 1s")
	wrong(o.jwksMinRefresh < time.Second, "-jwks-min-refresh: less than 1s")
	wrong(o.nonceTTL < time.Second || o.nonceTTL > 24*time.Hour, "-nonce-ttl: not from 1s to 24h")
	wrong(given["nonce-secret"] && o.nonceSecret == "", "-nonce-secret: no file")
	wrong(given["nonce-secret"] && o.nonce == token.NonceNever, "-nonce-secret needs -nonce or -require-nonce")
	wrong(given["audit"] && o.auditFile == "", "-audit: no file")
	return errors.Join(all...)
}

func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.Unmap().IsUnspecified()
}

func isHTTPS(text string, origin bool) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Contains(text, "#") {
		return false
	}
	return !origin || (u.Path == "" || u.Path == "/") && !strings.Contains(text, "?")
}

// canonical writes an origin in one way only: used proofs are remembered under it, and replicas that share a store
// must mean the same. What is no origin stays as it is, to be refused.
func canonical(text string) string {
	if text == "" || !isHTTPS(text, true) {
		return text
	}
	u, _ := url.Parse(text) // isHTTPS has parsed it
	return "https://" + strings.TrimSuffix(strings.ToLower(u.Host), ":443")
}

func parseRate(text string) (ratelimit.Limit, error) {
	limit, err := limiterstore.ParseRate(text)
	if err != nil || limit.Period > time.Hour {
		return ratelimit.Limit{}, errors.New("not N-S, N-M or N-H")
	}
	return limit, nil
}
