package mtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	proxyHeaderTimeout = 5 * time.Second
	maxProxyPending    = 1024 // connections whose header is being read
)

// ProxyListenerConfig says who may begin a connection with a header of the PROXY protocol.
type ProxyListenerConfig struct {
	_ [0]func()

	// Listener accepts the connections. Required.
	Listener net.Listener
	// Addresses are those of the proxies, IPv4 prefixes written as such. Required. All others are closed.
	//
	// WARNING: whoever can connect from one of them can have any address.
	Addresses []netip.Prefix
	// Timeout bounds the reading of the header. 0 is 5 seconds.
	Timeout time.Duration
}

// ProxyListener accepts connections through proxies that forward bytes and say in front of them whose they are (the
// PROXY protocol, versions 1 and 2). RemoteAddr of its connections is the client's; TLS and HTTP stand above it:
//
//	err = server.ServeTLS(proxyListener, "", "")
//
// Without a header, with one that is malformed, longer than 2 KiB or late, a connection is closed. A proxy's
// connection of its own (LOCAL, UNKNOWN), as for a check of health, has the proxy's address. Reading headers does not
// hold Accept up. [Proxies] go by the proxy's address, not by the one that it states, when they decide whose header
// fields to believe: a statement makes nobody a listed proxy.
type ProxyListener struct {
	inner     net.Listener
	addresses []netip.Prefix
	timeout   time.Duration

	begin   sync.Once
	ctx     context.Context //nolint:containedctx // it ends with the listener, and no call of ours has one
	cancel  context.CancelFunc
	ready   chan accepted
	pending chan struct{}
	refused atomic.Uint64
}

type accepted struct {
	conn net.Conn
	err  error
}

// NewProxyListener makes a ProxyListener, or reports every mistake in config at once. It starts nothing; the first
// Accept does, and Close ends it.
func NewProxyListener(config ProxyListenerConfig) (*ProxyListener, error) {
	var errs []error
	if config.Listener == nil {
		errs = append(errs, errors.New("mtls: ProxyListenerConfig.Listener is required"))
	}
	if err := checkProxies(config.Addresses); err != nil {
		errs = append(errs, fmt.Errorf("mtls: ProxyListenerConfig.Addresses: %w", err))
	}
	if config.Timeout < 0 {
		errs = append(errs, errors.New("mtls: ProxyListenerConfig.Timeout is negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if config.Timeout == 0 {
		config.Timeout = proxyHeaderTimeout
	}
	l := &ProxyListener{
		inner: config.Listener, addresses: slices.Clone(config.Addresses), timeout: config.Timeout,
		ready: make(chan accepted), pending: make(chan struct{}, maxProxyPending),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// Accept gives the next connection whose header was read.
func (l *ProxyListener) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.accept() })
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and the connections that Accept did not give.
func (l *ProxyListener) Close() error {
	l.cancel()
	return l.inner.Close()
}

// Addr is that of the inner listener.
func (l *ProxyListener) Addr() net.Addr { return l.inner.Addr() }

// Refused is how many connections were closed without an answer.
func (l *ProxyListener) Refused() uint64 { return l.refused.Load() }

func (l *ProxyListener) accept() {
	for {
		conn, err := l.inner.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			l.cancel()
			return
		case err != nil:
			if !l.give(accepted{err: err}) {
				return
			}
			continue
		}
		peer, listed := l.peer(conn)
		if !listed {
			l.refuse(conn)
			continue
		}
		select {
		case l.pending <- struct{}{}:
			go l.read(conn, peer)
		default:
			l.refuse(conn)
		}
	}
}

// give hands over to Accept, unless the listener ends first.
func (l *ProxyListener) give(a accepted) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func (l *ProxyListener) refuse(conn net.Conn) {
	l.refused.Add(1)
	_ = conn.Close() // nothing was promised
}

// peer is who is at the other end, and whether it is a proxy.
func (l *ProxyListener) peer(conn net.Conn) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	addr := ap.Addr().Unmap()
	return addr, err == nil && slices.ContainsFunc(l.addresses, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// read reads the header of one connection and hands it over.
func (l *ProxyListener) read(conn net.Conn, peer netip.Addr) {
	defer func() { <-l.pending }()
	ended := context.AfterFunc(l.ctx, func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(l.timeout)) // a connection without deadlines is closed with the listener
	client, rest, err := readProxyHeader(conn)
	if err != nil || conn.SetReadDeadline(time.Time{}) != nil || !ended() {
		l.refuse(conn)
		return
	}
	stated := &proxied{Conn: conn, rest: rest, remote: conn.RemoteAddr(), local: &proxiedLocal{conn.LocalAddr(), peer}}
	if client.IsValid() {
		stated.remote = net.TCPAddrFromAddrPort(client)
	}
	if !l.give(accepted{conn: stated}) {
		l.refuse(conn)
	}
}

// proxied is a connection behind its header.
type proxied struct {
	net.Conn
	rest          []byte // read with the header
	remote, local net.Addr
}

func (c *proxied) Read(b []byte) (int, error) {
	if len(c.rest) == 0 || len(b) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *proxied) RemoteAddr() net.Addr { return c.remote }
func (c *proxied) LocalAddr() net.Addr  { return c.local }

// CloseWrite is what net/http ends a plain connection with, so that the last answer is not lost.
func (c *proxied) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// proxiedLocal carries the proxy's own address to where requests are judged: net/http puts the local address of a
// connection into the context of its requests.
type proxiedLocal struct {
	net.Addr
	peer netip.Addr
}

// peerAddress is the address at the other end of the connection, whatever a PROXY header stated.
func peerAddress(r *http.Request) (netip.Addr, error) {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*proxiedLocal); ok {
		return local.peer, nil
	}
	return connectionAddress(r)
}
