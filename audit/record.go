package audit

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

type key struct{}

// record is the context value, the state behind the response writer and the facts of one request:
// one allocation.
type record struct {
	context.Context // of the request as it came

	// fixed when the record is opened
	log      *Log
	under    http.ResponseWriter // nil for adapters
	outer    http.Header         // what layers outside had set; nil when nothing
	began    time.Time
	id       string // interaction id
	replaced bool   // something was sent that is none
	trace    string
	peer     string

	// gate makes "record, then header" one step; it is held while the sink is called
	gate      sync.Mutex
	attempted bool
	failure   error
	status    int
	values    [2]string   // what the response header's slices lie in
	lost      bool        // our 503 went out in place of the handler's answer
	sent      atomic.Bool // the final header is out; published after lost, status
	bytes     atomic.Int64

	mu       sync.Mutex // guards what follows; never held while foreign code runs
	req      *http.Request
	shut     *Refusal // the sink is broken: the answer to whatever is asked
	refusal  *Refusal
	late     Reason
	pardoned []*Refusal
	waived   []string
	complete func(code string) []string
	client   string
	recorded bool
	taken    bool
	dropped  int
	facts    []slog.Attr
	room     [inlineFacts]slog.Attr
}

func from(ctx context.Context) *record {
	c, _ := ctx.Value(key{}).(*record)
	return c
}

// Value makes the record findable in its own context.
func (c *record) Value(k any) any {
	if _, ok := k.(key); ok {
		return c
	}
	return c.Context.Value(k)
}

// lasting is the request's context without its end.
type lasting struct{ c *record }

func (l lasting) Deadline() (time.Time, bool) { return time.Time{}, false }
func (l lasting) Done() <-chan struct{}       { return nil }
func (l lasting) Err() error                  { return nil }
func (l lasting) Value(k any) any             { return l.c.Value(k) }

// InteractionID gives the request's x-fapi-interaction-id: the client's own when that was one
// valid UUID, else one made for this request. Without a Log outside it is empty.
func InteractionID(ctx context.Context) string {
	if c := from(ctx); c != nil {
		return c.id
	}
	return ""
}

// Follow tells the record which copy of the request goes on: routers write the matched pattern
// into the request that they are given. A layer that copies the request calls it with the copy.
func Follow(r *http.Request) {
	if c := from(r.Context()); c != nil {
		c.mu.Lock()
		c.req = r
		c.mu.Unlock()
	}
}

// request is the copy that went furthest.
func (c *record) request() *http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.req
}

// Step reports one decision to Config.Step: the control's name, when it began and its reason,
// empty when it refused nothing. Without a Log outside, or a Config.Step, it costs nothing. A zero
// began reports no duration.
func Step(ctx context.Context, control string, began time.Time, reason Reason) {
	c := from(ctx)
	if c == nil || c.log.step == nil {
		return
	}
	var took time.Duration
	if !began.IsZero() {
		took = time.Since(began)
	}
	defer func() { _ = recover() }()
	c.log.step(ctx, control, took, reason)
}

// Challenges leaves with the record what completes a refusal that must carry a challenge and has
// none: any 401, and any 403 whose Code is insufficient_scope. complete gets the refusal's Code,
// which may be empty, and gives one WWW-Authenticate field value per challenge; it must not keep
// or share the slice. The last call counts.
func Challenges(r *http.Request, complete func(code string) []string) {
	if c := from(r.Context()); c != nil {
		c.mu.Lock()
		c.complete = complete
		c.mu.Unlock()
	}
}

// over tells Config.Done, once, that the request has ended.
func (c *record) over(panicked bool, stack []byte) {
	if c.log.done == nil {
		return
	}
	c.gate.Lock()
	failure := c.failure
	c.gate.Unlock()
	c.mu.Lock()
	d := Done{Status: c.status, Bytes: c.bytes.Load(), Took: time.Since(c.began), Late: c.late,
		Panicked: panicked, Stack: stack, Recorded: c.taken, Failure: failure}
	d.Decision, d.Reason = c.verdict()
	c.mu.Unlock()
	defer func() { _ = recover() }()
	c.log.done(lasting{c}, d)
}
