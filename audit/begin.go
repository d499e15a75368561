package audit

import (
	"net/http"
	"strconv"
	"strings"
)

// begin makes the record and then the header go out, in this order and once. False means that the
// record was not taken: our 503 went out instead and nothing more may follow.
func (c *record) begin(status int) bool {
	if c.sent.Load() {
		return !c.lost
	}
	c.gate.Lock()
	defer c.gate.Unlock()
	if c.sent.Load() {
		return !c.lost
	}
	if c.commit(status, "") != nil {
		c.replace()
		return false
	}
	c.dress()
	c.status = status
	c.under.WriteHeader(status)
	c.sent.Store(true)
	return true
}

// dress puts onto the response what every response carries, whatever the handler did to the
// header: the interaction id, and no-store unless the handler said otherwise.
func (c *record) dress() {
	h := c.under.Header()
	for name := range h {
		if len(name) == len(interactionHeader) && name != interactionHeader && strings.EqualFold(name, interactionHeader) {
			delete(h, name) // written past http.Header: it would be a second line
		}
	}
	c.values = [2]string{c.id, "no-store"}
	h[interactionHeader] = c.values[0:1:1]
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = c.values[1:2:2]
	}
}

// replace sends 503 in place of an answer whose record was not taken; c.gate is held. The length
// is declared and the answer flushed, so that it is whole for the client although the handler
// still runs.
func (c *record) replace() {
	c.lost = true
	c.reset()
	status, header, body := Answer(c.request(), c.shut)
	h := c.under.Header()
	for name, values := range header {
		h[name] = values
	}
	if body != nil {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.status = status
	c.under.WriteHeader(status)
	if body != nil {
		n, _ := c.under.Write(body)
		c.bytes.Add(int64(n))
	}
	_ = http.NewResponseController(c.under).Flush()
	c.sent.Store(true)
}

// dropTrailers takes away what the handler set to go out behind its body.
func dropTrailers(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			delete(h, name)
		}
	}
}

// reset takes away everything that the handler has set on the response.
func (c *record) reset() {
	h := c.under.Header()
	clear(h)
	for name, values := range c.outer {
		h[name] = values
	}
}
