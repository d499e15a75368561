package mtls

import (
	"context"
	"crypto/x509"
	"net/netip"
)

// Caller is who sent a request that may have come through a listed proxy. It never changes.
type Caller struct {
	certificate *x509.Certificate
	err         error // why there is no certificate, although one was shown
	address     netip.Addr
	addressErr  error
	proxied     bool
	encrypted   bool
	stripped    int
}

// Certificate gives the client's certificate: from the proxy's header, or from the connection when no
// listed proxy stands between. Nil, nil is none; the error, an *audit.Refusal, is one that was shown
// and is unacceptable, or whose revocation nobody knows.
func (c *Caller) Certificate() (*x509.Certificate, error) { return c.certificate, c.err }

// Address gives the client's network address, as [Address] tells it.
func (c *Caller) Address() (netip.Addr, error) { return c.address, c.addressErr }

// Proxied reports whether the request came through a listed proxy.
func (c *Caller) Proxied() bool { return c.proxied }

// Encrypted reports whether the client used TLS: to this server, or to a listed proxy that does not
// say otherwise.
func (c *Caller) Encrypted() bool { return c.encrypted }

// Stripped is how many header fields that only a listed proxy may send somebody else did.
func (c *Caller) Stripped() int { return c.stripped }

type callerKey struct{}

// NewContext gives ctx with c in it, for Peer and Address: what Proxies.Wrap does, for frameworks that
// call Identify themselves.
func NewContext(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// FromContext gives the Caller that Proxies.Wrap left, or nil where there was none.
func FromContext(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}
