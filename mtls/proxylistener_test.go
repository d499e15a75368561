package mtls_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/mtls"
)

// stating is a listener on loopback for proxies on loopback.
func stating(t testing.TB, timeout time.Duration, proxies ...string) *mtls.ProxyListener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := mtls.ProxyListenerConfig{Listener: inner, Timeout: timeout}
	for _, p := range proxies {
		config.Addresses = append(config.Addresses, netip.MustParsePrefix(p))
	}
	l, err := mtls.NewProxyListener(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func dial(t testing.TB, l net.Listener, first string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if first == "" {
		return conn
	}
	if _, err := io.WriteString(conn, first); err != nil {
		t.Fatal(err)
	}
	return conn
}

// closed expects that the other side closes without a word.
func closed(t testing.TB, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	said, err := io.ReadAll(conn)
	if timeout, ok := errors.AsType[net.Error](err); len(said) > 0 || ok && timeout.Timeout() {
		t.Errorf("%q, %v", said, err)
	}
}

func TestProxyListener(t *testing.T) {
	t.Run("C1/H4/a stranger", func(t *testing.T) {
		l := stating(t, 0, "192.0.2.0/24")
		conn := dial(t, l, "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n")
		go func() {
			if got, err := l.Accept(); err == nil {
				_ = got.Close() // and nothing was refused
			}
		}()
		closed(t, conn)
		if l.Refused() != 1 {
			t.Errorf("%d refused", l.Refused())
		}
	})
	t.Run("C1/byte by byte", func(t *testing.T) {
		l := stating(t, time.Minute, "127.0.0.1/32")
		conn := dial(t, l, "")
		go func() {
			for _, b := range []byte(proxyHeaders["v2, with vectors"].header + "!") {
				_, _ = conn.Write([]byte{b})
			}
		}()
		got, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = got.Close() }()
		last := make([]byte, 1)
		if _, err := io.ReadFull(got, last); err != nil || last[0] != '!' || got.RemoteAddr().String() != its4 {
			t.Errorf("%q, %v, %v", last, err, got.RemoteAddr())
		}
	})
	t.Run("C1/Close ends what waits", func(t *testing.T) {
		l := stating(t, time.Hour, "127.0.0.1/32")
		silent, whole := dial(t, l, ""), dial(t, l, "PROXY UNKNOWN\r\n")
		var all sync.WaitGroup
		accepts := make(chan error, 2)
		for range 2 {
			all.Go(func() {
				conn, err := l.Accept()
				if err == nil {
					_ = conn.Close()
				}
				accepts <- err
			})
		}
		if err := <-accepts; err != nil {
			t.Error(err)
		}
		closed(t, whole)
		_ = l.Close()
		if err := <-accepts; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		all.Wait()
		closed(t, silent)
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	t.Run("mistakes", func(t *testing.T) {
		_, err := mtls.NewProxyListener(mtls.ProxyListenerConfig{Timeout: -1})
		for _, want := range []string{"Listener is required", "Addresses: none is listed", "negative"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
		if _, err := mtls.NewProxyListener(mtls.ProxyListenerConfig{Listener: new(net.TCPListener), Addresses: []netip.Prefix{netip.MustParsePrefix("::/0")}}); err == nil {
			t.Error("everybody was taken for a proxy")
		}
	})
}

// piped is a listener of connections in memory, which come from loopback.
type piped struct {
	conns chan net.Conn
	ended chan struct{}
}

func (p *piped) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return fromLoopback{conn}, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *piped) Addr() net.Addr { return loopback }
func (p *piped) Close() error   { close(p.ended); return nil }

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}

type fromLoopback struct{ net.Conn }

func (fromLoopback) RemoteAddr() net.Addr { return loopback }

// TestProxyListenerTime: silence holds nobody up and ends, and the deadline of the header is not the connection's.
func TestProxyListenerTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &piped{make(chan net.Conn), make(chan struct{})}
		l, err := mtls.NewProxyListener(mtls.ProxyListenerConfig{Listener: inner, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan net.Conn)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- conn
			}
		}()
		open := func(first string) net.Conn {
			near, far := net.Pipe()
			inner.conns <- far
			_, _ = io.WriteString(near, first)
			return near
		}
		slow := []net.Conn{open(""), open("PROXY TC"), open(signatureV2 + "\x21")}
		time.Sleep(4 * time.Second)
		far := open("PROXY UNKNOWN\r\n")
		near := <-accepted
		for _, conn := range slow {
			if _, err := io.ReadAll(conn); err != nil {
				t.Error(err)
			}
		}
		if l.Refused() != 3 {
			t.Errorf("%d refused", l.Refused())
		}
		time.Sleep(time.Hour)
		go func() { _, _ = io.WriteString(far, "late") }()
		late := make([]byte, 4)
		if _, err := io.ReadFull(near, late); err != nil {
			t.Error(err)
		}
		crowd := make([]net.Conn, 1100)
		for i := range crowd {
			crowd[i] = open("")
		}
		synctest.Wait()
		if l.Refused() != 3+76 {
			t.Errorf("%d refused of a crowd", l.Refused())
		}
		_ = l.Close()
		if _, open := <-accepted; open {
			t.Error("accepted after Close")
		}
		for _, conn := range append(crowd, far, near) {
			_ = conn.Close()
		}
	})
}

// TestProxyListenerEnds: with the inner listener, whoever closes it; and no connection outlives it that nobody got.
func TestProxyListenerEnds(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := mtls.NewProxyListener(mtls.ProxyListenerConfig{Listener: inner, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		t.Fatal(err)
	}
	dial(t, l, "PROXY UNKNOWN\r\n")
	got, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Close()
	waiting := dial(t, l, "PROXY UNKNOWN\r\n")
	time.Sleep(50 * time.Millisecond) // most likely its header was read by now
	if err := inner.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for {
			conn, err := l.Accept() // it may still give the one that waits
			if err != nil {
				ended <- err
				return
			}
			_ = conn.Close()
		}
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Accept waits for ever")
	}
	closed(t, waiting)
}

// TestProxyListenerClosesWhatWaits is Close while connections wait for Accept.
func TestProxyListenerClosesWhatWaits(t *testing.T) {
	l := stating(t, 0, "127.0.0.1/32")
	dial(t, l, "PROXY UNKNOWN\r\n")
	got, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Close()
	waiting := dial(t, l, "PROXY UNKNOWN\r\n")
	time.Sleep(50 * time.Millisecond)
	_ = l.Close()
	closed(t, waiting)
}
