package redisstore_test

import (
	"context"
	"net"
	"sync"
)

// line is the way from one replica to Redis. It can be stalled, so that nothing passes and nothing
// fails, and cut.
type line struct {
	mu      sync.Mutex
	passing chan struct{} // closed while the line passes
	cut     bool
	conns   map[*lineConn]struct{}
}

func newLine() *line {
	l := &line{passing: make(chan struct{}), conns: map[*lineConn]struct{}{}}
	close(l.passing)
	return l
}

// dial is a redis.Options.Dialer.
func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, net.ErrClosed
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &lineConn{Conn: conn, line: l, gone: make(chan struct{})}
	l.conns[c] = struct{}{}
	return c, nil
}

// stall stops everything on its way until resume.
func (l *line) stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passing = make(chan struct{})
}

func (l *line) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.passing)
}

// setCut ends all connections, and lets none be made until it is taken back.
func (l *line) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for c := range l.conns {
			_ = c.Conn.Close()
		}
		clear(l.conns)
	}
}

type lineConn struct {
	net.Conn
	line *line
	once sync.Once
	gone chan struct{}
}

func (c *lineConn) wait() {
	c.line.mu.Lock()
	passing := c.line.passing
	c.line.mu.Unlock()
	select {
	case <-passing:
	case <-c.gone:
	}
}

func (c *lineConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wait() // what has arrived meanwhile stays on its way
	return n, err
}

func (c *lineConn) Write(b []byte) (int, error) {
	c.wait()
	return c.Conn.Write(b)
}

func (c *lineConn) Close() error {
	c.once.Do(func() { close(c.gone) })
	return c.Conn.Close()
}
