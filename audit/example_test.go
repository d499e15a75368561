package audit_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tegata-go/tegata/audit"
)

// errClosed is the reason of a door of one's own.
const errClosed = audit.Reason("counter: closed")

// door is a decision: it takes the request and says nothing, or no.
func door(r *http.Request) error {
	if r.Header.Get("X-Branch") == "" {
		return &audit.Refusal{Reason: errClosed, Status: http.StatusForbidden, Detail: "the counter is closed"}
	}
	return nil
}

func Example() {
	var trail bytes.Buffer // a file, in earnest
	log, err := audit.New(audit.Config{Handler: audit.NewLines(&trail)})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		if audit.Refused(w, r, door(r)) {
			return
		}
		audit.Add(r.Context(), slog.String("branch", "tokyo"))
		_, _ = io.WriteString(w, "{}")
	})
	h := log.Wrap(audit.NotFound(mux))

	r := httptest.NewRequest("GET", "/accounts/4711", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)

	r.Header.Set("X-Branch", "1")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)

	fmt.Println(strings.Count(trail.String(), "\n"), "records")
	// Output:
	// 403 {"title":"Forbidden","status":403,"detail":"the counter is closed"}
	// 200 {}
	// 2 records
}

// Report-only: one predicate decides which reasons are recorded and not enforced yet.
func ExampleConfig_waive() {
	var trail bytes.Buffer
	log, err := audit.New(audit.Config{
		Handler: audit.NewLines(&trail),
		Waive:   func(_ *http.Request, f *audit.Refusal) bool { return f.Reason == errClosed },
	})
	if err != nil {
		panic(err)
	}
	h := log.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if audit.Refused(w, r, door(r)) {
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, strings.Contains(trail.String(), `"decision":"would_deny","reason":"counter: closed"`))
	// Output: 200 true
}

// An adapter for a framework without http.Handler starts the record, decides and ends it itself.
func ExampleLog_Start() {
	log, err := audit.New(audit.Config{Handler: audit.NewLines(io.Discard)})
	if err != nil {
		panic(err)
	}
	serve := func(r *http.Request) (status int, header http.Header, body []byte) {
		r, finish := log.Start(r)
		defer func() { _ = finish(http.StatusInternalServerError) }() // counts only after a panic
		f := audit.Decide(r, nil)
		if f == nil {
			f = audit.Decide(r, door(r))
		}
		if f != nil {
			status, header, body = audit.Answer(r, f)
		} else {
			status, header = http.StatusOK, http.Header{"X-Fapi-Interaction-Id": {audit.InteractionID(r.Context())}}
		}
		if err := finish(status); err != nil { // the record was not taken
			return audit.Answer(r, audit.Decide(r, err))
		}
		return status, header, body
	}
	status, header, _ := serve(httptest.NewRequest("GET", "/", nil))
	fmt.Println(status, header.Get("Content-Type"))
	// Output: 403 application/problem+json
}
