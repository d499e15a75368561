package redistest

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between a client and a server and loses replies.
type Proxy struct {
	addr, upstream string
	lose           atomic.Pointer[[]byte]
	lost           atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	done  bool
	wg    sync.WaitGroup
}

// NewProxy forwards a free loopback address to upstream until the test ends.
func NewProxy(tb testing.TB, upstream string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{addr: l.Addr().String(), upstream: upstream, conns: map[net.Conn]struct{}{}}
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			p.wg.Go(func() { p.serve(conn) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		p.closeAll()
		p.wg.Wait()
	})
	return p
}

// Addr is the host:port clients are given.
func (p *Proxy) Addr() string { return p.addr }

// LoseReplyTo lets the server execute the next command whose name contains word (any case) and
// cuts the connection before its reply arrives.
func (p *Proxy) LoseReplyTo(word string) {
	w := bytes.ToLower([]byte(word))
	p.lose.Store(&w)
}

// Lost is how many replies were lost so far.
func (p *Proxy) Lost() int { return int(p.lost.Load()) }

func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !p.track(client, server) {
		return
	}
	defer p.forget(client, server)
	var cut atomic.Bool
	p.wg.Go(func() {
		p.copy(client, server, func([]byte) bool { return !cut.Load() })
	})
	p.copy(server, client, func(chunk []byte) bool {
		if w := p.lose.Load(); w != nil && bytes.Contains(bytes.ToLower(chunk), *w) && p.lose.CompareAndSwap(w, nil) {
			p.lost.Add(1)
			cut.Store(true)
		}
		return true
	})
}

// copy forwards chunks as long as pass allows, and ends the connection when it stops.
func (p *Proxy) copy(dst, src net.Conn, pass func([]byte) bool) {
	defer func() { _, _ = dst.Close(), src.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if !pass(buf[:n]) {
				return
			}
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// track remembers connections so that they end with the test.
func (p *Proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return !p.done
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

func (p *Proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	for c := range p.conns {
		_ = c.Close()
	}
}
