package audit

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
)

// writer is the response writer that handlers get: whatever makes bytes leave begins first.
type writer struct{ c *record }

func (w writer) Header() http.Header { return w.c.under.Header() }

func (w writer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("audit: invalid WriteHeader code %d", status))
	}
	interim := status < 200 && status != http.StatusSwitchingProtocols
	if interim || w.c.sent.Load() {
		if !w.c.sent.Load() || !w.c.lost {
			w.c.under.WriteHeader(status) // net/http tells of superfluous calls
		}
		return
	}
	w.c.begin(status)
}

func (w writer) Write(b []byte) (int, error) {
	if !w.c.begin(http.StatusOK) {
		return 0, errLost
	}
	n, err := w.c.under.Write(b)
	w.c.bytes.Add(int64(n))
	return n, err
}

func (w writer) WriteString(s string) (int, error) {
	if !w.c.begin(http.StatusOK) {
		return 0, errLost
	}
	n, err := io.WriteString(w.c.under, s)
	w.c.bytes.Add(int64(n))
	return n, err
}

// Unwrap is for http.ResponseController. It does not lead straight to the server's writer:
// what would send bytes from there stops at the gate.
func (w writer) Unwrap() http.ResponseWriter { return gate{w} }

// gate stands between our writer and the server's on the way of Unwrap. It catches the two calls of
// http.ResponseController that make bytes leave, where a layer outside hides them behind an Unwrap.
type gate struct{ writer }

func (g gate) FlushError() error                            { return g.c.flush() }
func (g gate) Hijack() (net.Conn, *bufio.ReadWriter, error) { return g.c.hijack() }
func (g gate) Unwrap() http.ResponseWriter                  { return g.c.under }

// writer gives the shape that shows exactly what the server's writer can do.
func (c *record) writer() http.ResponseWriter {
	w := writer{c}
	_, f := c.under.(http.Flusher)
	_, h := c.under.(http.Hijacker)
	_, r := c.under.(io.ReaderFrom)
	switch {
	case f && h && r:
		return writerFHR{w}
	case f && h:
		return writerFH{w}
	case f && r:
		return writerFR{w}
	case h && r:
		return writerHR{w}
	case f:
		return writerF{w}
	case h:
		return writerH{w}
	case r:
		return writerR{w}
	}
	return w
}

// The shapes are structs of one pointer: none costs an allocation.
type (
	writerF   struct{ writer }
	writerH   struct{ writer }
	writerR   struct{ writer }
	writerFH  struct{ writer }
	writerFR  struct{ writer }
	writerHR  struct{ writer }
	writerFHR struct{ writer }
)

func (w writerF) Flush()              { _ = w.c.flush() }
func (w writerF) FlushError() error   { return w.c.flush() }
func (w writerFH) Flush()             { _ = w.c.flush() }
func (w writerFH) FlushError() error  { return w.c.flush() }
func (w writerFR) Flush()             { _ = w.c.flush() }
func (w writerFR) FlushError() error  { return w.c.flush() }
func (w writerFHR) Flush()            { _ = w.c.flush() }
func (w writerFHR) FlushError() error { return w.c.flush() }

func (w writerH) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.c.hijack() }
func (w writerFH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.c.hijack() }
func (w writerHR) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.c.hijack() }
func (w writerFHR) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.c.hijack() }

func (w writerR) ReadFrom(src io.Reader) (int64, error)   { return w.c.readFrom(src) }
func (w writerFR) ReadFrom(src io.Reader) (int64, error)  { return w.c.readFrom(src) }
func (w writerHR) ReadFrom(src io.Reader) (int64, error)  { return w.c.readFrom(src) }
func (w writerFHR) ReadFrom(src io.Reader) (int64, error) { return w.c.readFrom(src) }
