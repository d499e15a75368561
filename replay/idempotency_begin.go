package replay

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Attempt is one request that came with an idempotency key, or needs none.
type Attempt struct {
	// Request is what shall be handled; its body was read and put back.
	Request *http.Request

	// Answer, if not nil, is what shall be answered: the request ran before, and must not run now.
	Answer *Answer

	by  *Idempotency
	run *Run // nil: without a key
}

// Begin decides about r: it reads key and body, and asks the store. The error is an *audit.Refusal. When
// there is none, and no Answer, the request shall run, and whoever runs it then calls one of Finish,
// Abandon and Forget. Safe methods (RFC 9110 §9.2.1) are none of its concern.
//
// The Attempt is never nil. After an error its Request has the body as it was sent, for a caller whose
// report-only waives the refusal; it then runs unprotected.
func (i *Idempotency) Begin(r *http.Request) (*Attempt, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return &Attempt{Request: r, by: i}, nil
	}
	began := time.Now()
	a, f := i.begin(r)
	if f != nil {
		audit.Step(r.Context(), control, began, f.Reason)
		return a, f
	}
	audit.Step(r.Context(), control, began, "")
	return a, nil
}

const control = "idempotency"

func (i *Idempotency) begin(r *http.Request) (*Attempt, *audit.Refusal) {
	a := &Attempt{Request: r, by: i}
	lines := r.Header.Values(i.c.Header)
	if len(lines) == 0 {
		if i.c.Optional {
			return a, nil
		}
		return a, i.refusal(ErrKeyMissing)
	}
	name, ok := parseIdempotencyKey(lines, i.c.Plain, i.c.MaxKey)
	if !ok {
		return a, i.refusal(ErrKey)
	}
	client, err := i.c.Client(r)
	owner := client
	if err == nil && i.c.Owner != nil {
		owner, err = i.c.Owner(r)
	}
	if err != nil || client == "" || owner == "" {
		return a, clientless(err)
	}
	body, err := i.read(a)
	if err != nil {
		return a, i.refusal(err)
	}
	run := i.identify(client, name)
	run.Owner = Digest("idempotency client", owner)
	sum := sha256.Sum256(body)
	run.Fingerprint = Digest("idempotent request", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(sum[:]))
	_, _ = rand.Read(run.ID[:]) // never fails: crypto/rand ends the process instead
	kept, err := i.c.Store.Begin(r.Context(), run)
	if err != nil {
		return a, i.refusal(err)
	}
	if kept == nil {
		a.run = &run
		return a, nil
	}
	if a.Answer, err = unmarshalAnswer(kept, i.keep); err != nil {
		return a, i.refusal(err)
	}
	return a, nil
}

// identify gives the run of a client's key.
func (i *Idempotency) identify(client, name string) Run {
	return Run{
		Key:   Digest("idempotency key", client, name),
		Lease: i.c.Lease,
		TTL:   i.c.TTL,
	}
}

// read reads the whole body, within the limit, and puts it back.
func (i *Idempotency) read(a *Attempt) ([]byte, error) {
	r := a.Request
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > i.c.MaxBody {
		return nil, ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, i.c.MaxBody+1))
	var limit *http.MaxBytesError
	if err != nil || int64(len(body)) > i.c.MaxBody {
		a.Request = withBody(r, io.MultiReader(bytes.NewReader(body), r.Body), r.ContentLength)
		if err == nil || errors.As(err, &limit) {
			return nil, errors.Join(ErrTooLarge, err)
		}
		return nil, errors.Join(ErrBody, err)
	}
	a.Request = withBody(r, bytes.NewReader(body), int64(len(body)))
	return body, nil
}

// withBody copies the request and gives the copy another body.
func withBody(r *http.Request, body io.Reader, length int64) *http.Request {
	out := r.WithContext(r.Context())
	out.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	out.ContentLength = length
	if length >= 0 {
		out.TransferEncoding = nil
	}
	return out
}

// Finish keeps the answer, if its status is from 200 to 399 and it is not too large. Otherwise it does
// what Wrap does: Forget up to 499, Abandon beyond. An error says that the store failed: the
// request took effect nevertheless, nobody else will run it, and its key is of unknown outcome.
func (a *Attempt) Finish(ctx context.Context, answer Answer) error {
	return a.finish(ctx, answer, len(answer.Body) > a.by.c.MaxAnswer)
}

func (a *Attempt) finish(ctx context.Context, answer Answer, large bool) error {
	switch {
	case a.run == nil:
		return nil
	case answer.Status >= 400 && answer.Status < 500:
		return a.Forget(ctx)
	case answer.Status < 200 || answer.Status >= 400:
		return a.Abandon(ctx)
	}
	b := notKept[:]
	if !large {
		kept := answer.marshal(a.by.keep)
		// A field that could not be sent again makes an answer that is not kept.
		if _, err := unmarshalAnswer(kept, a.by.keep); err == nil && len(kept) <= a.by.c.MaxAnswer {
			b = kept
		}
	}
	return a.by.c.Store.Finish(context.WithoutCancel(ctx), *a.run, b)
}

// Abandon says that nobody knows what came of the request. It must not run again.
func (a *Attempt) Abandon(ctx context.Context) error {
	if a.run == nil {
		return nil
	}
	return a.by.c.Store.Finish(context.WithoutCancel(ctx), *a.run, nil)
}

// Forget says that the request had no effect. Its key may be used again.
func (a *Attempt) Forget(ctx context.Context) error {
	if a.run == nil {
		return nil
	}
	return a.by.c.Store.Forget(context.WithoutCancel(ctx), *a.run)
}

// Release frees a key of unknown outcome, for an operator who has found out that the request with it had
// no effect: it can be sent again. The error is [ErrUnresolved] when the request was
// answered or is under way.
func (i *Idempotency) Release(ctx context.Context, client, key string) error {
	return i.c.Store.Forget(ctx, i.identify(client, key))
}
