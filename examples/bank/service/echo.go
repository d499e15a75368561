package service

import (
	"net/http"
	"strconv"

	"github.com/tegata-go/tegata/audit"
)

const maxEcho = 1 << 20

// echo gives the body back as it came, with its Content-Type, or with none if it had none.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r, maxEcho)
	if audit.Refused(w, r, err) {
		return
	}
	h := w.Header()
	h["Content-Type"] = nil // present and empty: net/http does not guess one from the body
	if kind := r.Header.Get("Content-Type"); kind != "" {
		h.Set("Content-Type", kind)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
