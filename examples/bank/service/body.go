package service

import (
	"io"
	"net/http"
)

// spill is how much of a body that is too large is still read and thrown away, so that a client that reads
// only after it has sent everything sees the refusal and not a broken connection.
const spill = 8 << 20

// readBody reads the whole body, up to limit bytes. The server's ReadTimeout bounds how long it takes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit+spill {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, unread(err)
	}
	if int64(len(body)) > limit {
		_, _ = io.CopyN(io.Discard, r.Body, spill)
		return nil, tooLarge()
	}
	return body, nil
}
