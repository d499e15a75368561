package audit

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Config is what New needs. Only Handler is required.
type Config struct {
	_ [0]func() // keyed literals only

	// Handler takes the records. Enabled is not asked: no level silences a record, unless Handler
	// passes it on to one that is asked, as slog.MultiHandler does. A request that is allowed has
	// level Info, any other Warn. The context that Handle is given carries the request's values but
	// does not end with the request, so a client that hangs up cannot erase its record; a Handler
	// that can block must bound its own time. An error or a panic in Handle means that the record
	// was not taken, see Log.Wrap.
	Handler slog.Handler

	// Waive makes refusals report-only: it is asked once for each refusal that is not Final, and
	// when it says true the request goes on, with the reason in the record's list of waived
	// reasons. Nil waives nothing. It must be fast and safe for concurrent use; if it panics the
	// refusal stands.
	//
	// WARNING: a waived refusal is a control that is switched off for this request.
	Waive func(*http.Request, *Refusal) bool

	// Body replaces the body of a refusal, and nothing else of it. Nil, an empty content type, or
	// a panic give the problem of RFC 9457.
	//
	// WARNING: what it returns is sent as it is: it must quote nothing from the request.
	Body func(*http.Request, Problem) (contentType string, body []byte)

	// Done is called once when the request is over. The context is the one that Handler gets.
	// A panic in it is contained.
	Done func(context.Context, Done)

	// Step is called once for each decision that a layer reports with the function Step: took is
	// what it cost, reason is empty when it refused nothing. A panic in it is contained.
	Step func(ctx context.Context, control string, took time.Duration, reason Reason)
}

// Done is the outcome of a request, some of which is known only after its record was written.
type Done struct {
	Status   int           // the final status; 0 when none was sent
	Bytes    int64         // body bytes that the server took; not counted after Hijack
	Took     time.Duration // from opening the record to the end of the handler
	Decision string        // allow, deny or would_deny, judged now
	Reason   Reason        // of the first refusal that stood, else of the first that was waived
	Late     Reason        // the first refusal that came after the record was written
	Panicked bool          // the handler panicked with anything but http.ErrAbortHandler
	Stack    []byte        // where it did, as runtime/debug.Stack prints it: never the panic's value
	Recorded bool          // the sink took the record
	Failure  error         // what it said when it did not
}

// Log opens, carries and writes the records of requests. It is safe for concurrent use.
type Log struct {
	handler slog.Handler
	waive   func(*http.Request, *Refusal) bool
	body    func(*http.Request, Problem) (string, []byte)
	done    func(context.Context, Done)
	step    func(context.Context, string, time.Duration, Reason)
	sink    health
}

// New makes a Log. It starts nothing.
func New(c Config) (*Log, error) {
	var mistakes []error
	if c.Handler == nil {
		mistakes = append(mistakes, errors.New("audit: Config.Handler is required"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return &Log{handler: c.Handler, waive: c.Waive, body: c.Body, done: c.Done, step: c.Step}, nil
}
