package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/replay"
)

// question is one call in one round trip, and what came of it.
type question struct {
	*call
	raw     *redis.RawCmd
	set     *redis.StringCmd // instead of raw, when it is asked in the ordinary way
	said    said
	err     error // the reply; unavailable(errPanic) until there is one
	listens bool  // whether somebody waits for the reply
}

// ask asks Redis for all calls, and gives what came of each. It tells whether Redis answered any in
// a way that says that it is well.
func (s *Store) ask(ctx context.Context, calls []*call) (questions []question, well bool) {
	questions = make([]question, len(calls))
	all := make([]*question, len(calls))
	random := make([]byte, len(calls[0].once)*len(calls))
	_, _ = rand.Read(random) // never fails: crypto/rand ends the process instead
	for i, c := range calls {
		copy(c.once[:], random[i*len(c.once):])
		questions[i] = question{call: c, err: errPanicked}
		all[i] = &questions[i]
	}
	// In a goroutine of ours a panic would end the process, not the request.
	defer func() { _ = recover() }()
	if s.cluster == nil {
		well = s.exchange(ctx, s.client, all, false)
	} else {
		well = s.askNodes(ctx, all)
	}
	return questions, well
}

// exchange asks over one connection, in one round trip unless Redis refuses. What it refuses is asked
// once more in the ordinary way of go-redis, which knows what passes by itself, and what says that
// a connection leads to the wrong server.
func (s *Store) exchange(ctx context.Context, client redis.UniversalClient, questions []*question, asking bool) (well bool) {
	well = s.put(ctx, client, questions, asking, false)
	var again []*question
	for _, q := range questions {
		if errors.Is(q.said.failure, errRefused) {
			again = append(again, q)
		}
	}
	if len(again) > 0 && ctx.Err() == nil {
		well = s.put(ctx, client, again, asking, true) || well
	}
	return well
}

// put is one round trip over one connection:
//
//	SET key once NX GET PXAT end     for each question, after ASKING if it is asked elsewhere than usual
//	WAIT replicas timeout            if replicas are to acknowledge
//	TIME
//
// SET answers nothing if it stored, and what was there before if not. When that is the same bytes,
// this same Use stored them: its reply was lost, and the client library sent the command again.
//
// TIME comes last: a value whose time is not over then was not over when it was set, and is
// remembered, while SET with a PXAT that is over stores nothing and answers as if it had. The
// key is kept for the skew beyond Until: a replica whose clock is that much behind Redis's
// accepts the value for so long.
func (s *Store) put(ctx context.Context, client redis.UniversalClient, questions []*question, asking, ordinary bool) (well bool) {
	commands := make([]redis.Cmder, 0, 2*len(questions)+2)
	for _, q := range questions {
		if asking {
			commands = append(commands, redis.NewCmd(ctx, "ASKING"))
		}
		commands = append(commands, q.command(ctx, q.until+s.maxSkew.Milliseconds(), ordinary))
	}
	var acks *redis.Cmd
	if s.replicas > 0 {
		acks = redis.NewCmd(ctx, "WAIT", s.replicas, (s.timeout / 2).Milliseconds())
		commands = append(commands, acks)
	}
	clock := redis.NewTimeCmd(ctx, "TIME")
	pipe := client.Pipeline()
	_ = pipe.BatchProcess(ctx, append(commands, clock)...)
	began := time.Now()
	_, _ = pipe.Exec(ctx) // the first error of those that are looked at

	now, err := clock.Result()
	if err == nil && (now.Before(began.Add(-s.maxSkew)) || now.After(time.Now().Add(s.maxSkew))) {
		err = errSkew
	}
	acked := acks == nil
	if acks != nil {
		n, err := acks.Int()
		acked = err == nil && n >= s.replicas
	}
	for _, q := range questions {
		q.read()
		switch q.err = q.said.reply(); {
		case q.err == nil && err != nil:
			q.err = unavailable(err)
		case q.err == nil && now.UnixMilli() >= q.until:
			q.err = replay.ErrTooOld
		case q.err == nil && (!acked || acks != nil && !q.said.stored):
			// Of what this Use stored over another connection, WAIT on this one says nothing.
			q.err = unavailable(errReplicas)
		}
		well = well || err == nil && q.said.answers()
	}
	return well
}
