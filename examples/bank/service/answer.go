package service

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// writeJSON answers 200 with value. Refusals do not come this way: audit.Refused writes them.
func writeJSON(w http.ResponseWriter, value any) {
	body := describe(w.Header(), value)
	_, _ = w.Write(body)
}

// writeCreated answers 201 with value, which is found at location from now on.
func writeCreated(w http.ResponseWriter, location string, value any) {
	body := describe(w.Header(), value)
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(body)
}

// describe gives value as JSON and says in h that it is. Value must be one that encoding/json can write.
func describe(h http.Header, value any) []byte {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err) // a mistake in this package; the audit log answers 500 and records it
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	return body
}
