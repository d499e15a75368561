package audit

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// flush begins and flushes, if the server's writer can.
func (c *record) flush() error {
	if !reaches(c.under, func(w http.ResponseWriter) bool {
		switch w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			return true
		}
		return false
	}) {
		return http.ErrNotSupported
	}
	if !c.begin(http.StatusOK) {
		return errLost
	}
	return http.NewResponseController(c.under).Flush()
}

// hijack records before it hands over the connection, with the status that a hijacked connection
// commonly goes on with: what is said on it afterwards is not ours to see.
func (c *record) hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !reaches(c.under, func(w http.ResponseWriter) bool { _, ok := w.(http.Hijacker); return ok }) {
		return nil, nil, http.ErrNotSupported
	}
	c.gate.Lock()
	defer c.gate.Unlock()
	if c.sent.Load() {
		if c.lost {
			return nil, nil, errLost
		}
		return http.NewResponseController(c.under).Hijack()
	}
	if c.commit(http.StatusSwitchingProtocols, keyHijacked) != nil {
		return nil, nil, errLost // and whatever is written next is our 503
	}
	conn, rw, err := http.NewResponseController(c.under).Hijack()
	if err == nil {
		c.status = http.StatusSwitchingProtocols
		c.sent.Store(true)
	}
	return conn, rw, err
}

// reaches reports whether http.ResponseController would find what it looks for in w.
func reaches(w http.ResponseWriter, found func(http.ResponseWriter) bool) bool {
	for !found(w) {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
	return true
}

// readFrom begins with the first byte that src gives, not before: a source that fails at once
// leaves the handler its choice of answer.
func (c *record) readFrom(src io.Reader) (n int64, err error) {
	if !c.sent.Load() {
		if n, err = c.readFirst(src); err != nil || n == 0 {
			return n, err
		}
	}
	if c.lost {
		return n, errLost
	}
	rest, err := c.under.(io.ReaderFrom).ReadFrom(src)
	c.bytes.Add(rest)
	return n + rest, err
}

// readFirst copies what a first read gives; 0, nil is the end.
func (c *record) readFirst(src io.Reader) (int64, error) {
	var first [512]byte // what net/http looks at to tell a content type
	for {
		n, err := src.Read(first[:])
		if n > 0 {
			w, werr := writer{c}.Write(first[:n])
			switch {
			case werr != nil:
				return int64(w), werr
			case err == io.EOF:
				return int64(w), nil
			}
			return int64(w), err
		}
		if err == io.EOF {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
