package redistest

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a client and a server, and is late, loses replies, or cuts connections.
type Proxy struct {
	addr       string
	upstream   atomic.Pointer[string]
	lose, half atomic.Pointer[[]byte]
	lost       atomic.Int64
	latency    atomic.Int64 // in nanoseconds

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
	p := &Proxy{addr: l.Addr().String(), conns: map[net.Conn]struct{}{}}
	p.upstream.Store(&upstream)
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

// CutInside cuts the connection of the next command whose name contains word (any case) after one
// half of what the client sent with it.
func (p *Proxy) CutInside(word string) {
	w := bytes.ToLower([]byte(word))
	p.half.Store(&w)
}

// SetLatency lets every reply wait for d, from now on.
func (p *Proxy) SetLatency(d time.Duration) { p.latency.Store(int64(d)) }

// Redirect ends every connection and forwards new ones to another upstream.
func (p *Proxy) Redirect(upstream string) {
	p.upstream.Store(&upstream)
	p.Cut()
}

// Cut ends every connection. New ones are served.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Lost is how many commands were lost so far, on their way there or back.
func (p *Proxy) Lost() int { return int(p.lost.Load()) }

func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", *p.upstream.Load())
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
		p.copy(client, server, func(chunk []byte) ([]byte, bool) {
			time.Sleep(time.Duration(p.latency.Load()))
			return chunk, !cut.Load()
		})
	})
	p.copy(server, client, func(chunk []byte) ([]byte, bool) {
		if p.meets(&p.half, chunk) {
			_, _ = server.Write(chunk[:len(chunk)/2])
			return nil, false
		}
		if p.meets(&p.lose, chunk) {
			cut.Store(true)
		}
		return chunk, true
	})
}

// meets tells whether a chunk has the word that is waited for. Nobody waits for it then.
func (p *Proxy) meets(word *atomic.Pointer[[]byte], chunk []byte) bool {
	w := word.Load()
	if w == nil || !bytes.Contains(bytes.ToLower(chunk), *w) || !word.CompareAndSwap(w, nil) {
		return false
	}
	p.lost.Add(1)
	return true
}

// copy forwards what pass makes of chunks, and ends the connection when it is false.
func (p *Proxy) copy(dst, src net.Conn, pass func([]byte) ([]byte, bool)) {
	defer func() { _, _ = dst.Close(), src.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			chunk, ok := pass(buf[:n])
			if !ok {
				return
			}
			if _, werr := dst.Write(chunk); werr != nil {
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
