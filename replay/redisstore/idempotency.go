package redisstore

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/replay"
)

// RunsConfig is what [Runs] are made from. Its zero value is complete.
type RunsConfig struct {
	_ [0]func()

	// Prefix is that of [Config].
	Prefix string

	// Timeout is that of [Config].
	Timeout time.Duration

	// MaxInFlight is that of [Config].
	MaxInFlight int
}

// Runs is a replay.RunStore in Redis, shared by replicas: for replay.Idempotency. One key per run:
//
//	<prefix>:runs:1:{<43 characters: the Key in base64url>}
//
// holds s or d, 16 bytes of the run's ID, 32 of the fingerprint, and then, for s, when the lease ends, in
// milliseconds by Redis's clock, for d the answer. It expires by Redis's clock.
//
// It fails closed: whatever goes wrong is replay.ErrUnavailable. A Begin whose outcome is unknown is undone
// when Redis can be asked again within its Timeout; else its key, with which nothing ran, is of
// unknown outcome.
//
// What Redis loses can run again: the words on persistence in the documentation of this package weigh
// double here. Answers lie in Redis as they are; who may read it reads them.
type Runs struct {
	client                redis.UniversalClient
	prefix                string
	calls                 calls
	begin, finish, forget *redis.Script
}

var _ replay.RunStore = (*Runs)(nil)

// NewRuns makes a store over the caller's client. It does not reach for Redis. Nothing has to be closed.
func NewRuns(client redis.UniversalClient, c RunsConfig) (*Runs, error) {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = DefaultMaxInFlight
	}
	mistakes := Config{Prefix: c.Prefix, Timeout: c.Timeout, MaxSkew: time.Minute, MaxInFlight: c.MaxInFlight}.mistakes()
	if client == nil {
		mistakes = append(mistakes, errors.New("redisstore: no client"))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return &Runs{
		client: client,
		prefix: c.Prefix + ":runs:1:{",
		calls:  calls{c.Timeout, make(chan struct{}, c.MaxInFlight)},
		begin:  redis.NewScript(beginRun),
		finish: redis.NewScript(finishRun),
		forget: redis.NewScript(forgetRun),
	}, nil
}

// Begin is [replay.RunStore].
func (s *Runs) Begin(ctx context.Context, run replay.Run) ([]byte, error) {
	if err := run.Check(); err != nil {
		return nil, err
	}
	var kept []byte
	undo := func(ctx context.Context) { _ = s.undo(ctx, run) }
	err := s.calls.do(ctx, func(ctx context.Context) error {
		answer, err := s.begin.Run(ctx, s.client, s.key(run),
			run.ID[:], run.Fingerprint[:], run.Lease.Milliseconds(), run.TTL.Milliseconds()).Slice()
		if err != nil {
			return unavailable(err)
		}
		if len(answer) != 2 {
			return unavailable(errAnswer)
		}
		text, _ := answer[1].(string)
		kept, err = beganAs(answer[0], text)
		return err
	}, undo)
	if errors.Is(err, replay.ErrUnavailable) {
		// It may have begun although nobody was told. Nothing will run: it is to be forgotten.
		go func() {
			_ = s.calls.do(context.WithoutCancel(ctx), func(ctx context.Context) error { undo(ctx); return nil }, nil)
		}()
	}
	if err != nil {
		return nil, err
	}
	return kept, nil
}

// beganAs reads the answer of beginRun.
func beganAs(n any, text string) ([]byte, error) {
	switch n {
	case int64(runBegun):
		return nil, nil
	case int64(runAnswered):
		if text == "" {
			return nil, unavailable(errAnswer)
		}
		return []byte(text), nil
	case int64(runMismatch):
		return nil, replay.ErrMismatch
	case int64(runInFlight):
		return nil, replay.ErrInFlight
	case int64(runUnresolved):
		return nil, replay.ErrUnresolved
	}
	return nil, unavailable(errAnswer)
}

// Finish is [replay.RunStore].
func (s *Runs) Finish(ctx context.Context, run replay.Run, answer []byte) error {
	if err := run.Check(); err != nil {
		return err
	}
	return s.settle(ctx, func(ctx context.Context) error {
		return settled(s.finish.Run(ctx, s.client, s.key(run), run.ID[:], run.Fingerprint[:], run.TTL.Milliseconds(), answer))
	})
}

// Forget is [replay.RunStore].
func (s *Runs) Forget(ctx context.Context, run replay.Run) error {
	return s.settle(ctx, func(ctx context.Context) error { return s.undo(ctx, run) })
}

func (s *Runs) undo(ctx context.Context, run replay.Run) error {
	return settled(s.forget.Run(ctx, s.client, s.key(run), run.ID[:], noRun[:]))
}

// noRun is the ID of an operator's Forget.
var noRun [16]byte

func (s *Runs) settle(ctx context.Context, f func(context.Context) error) error {
	return s.calls.do(ctx, f, nil)
}

// settled reads the answer of finishRun and forgetRun.
func settled(c *redis.Cmd) error {
	switch n, err := c.Int(); {
	case err != nil:
		return unavailable(err)
	case n == runBegun:
		return nil
	case n == runUnresolved:
		return replay.ErrUnresolved
	}
	return unavailable(errAnswer)
}

func (s *Runs) key(run replay.Run) []string {
	return []string{s.prefix + base64.RawURLEncoding.EncodeToString(run.Key[:]) + "}"}
}
