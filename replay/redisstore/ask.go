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
	set *redis.StringCmd
	err error // the reply; unavailable(errPanic) until there is one
}

// ask asks Redis for all calls, and gives what came of each. It tells whether Redis answered any in
// a way that says that it is well.
func (s *Store) ask(ctx context.Context, calls []*call) (questions []question, well bool) {
	questions = make([]question, len(calls))
	all := make([]*question, len(calls))
	unasked := unavailable(errPanic)
	random := make([]byte, len(calls[0].once)*len(calls))
	_, _ = rand.Read(random) // never fails: crypto/rand ends the process instead
	for i, c := range calls {
		copy(c.once[:], random[i*len(c.once):])
		questions[i] = question{call: c, err: unasked}
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

// exchange is one round trip over one connection:
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
func (s *Store) exchange(ctx context.Context, client redis.UniversalClient, questions []*question, asking bool) (well bool) {
	pipe := client.Pipeline()
	skew := s.maxSkew.Milliseconds()
	for _, q := range questions {
		if asking {
			pipe.Do(ctx, "ASKING")
		}
		q.set = redis.NewStringCmd(ctx, "SET", q.key, q.once[:], "NX", "GET", "PXAT", q.until+skew)
		_ = pipe.Process(ctx, q.set)
	}
	var acks *redis.Cmd
	if s.replicas > 0 {
		acks = pipe.Do(ctx, "WAIT", s.replicas, (s.timeout / 2).Milliseconds())
	}
	clock := pipe.Time(ctx)
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
		switch q.err = q.stored(); {
		case q.err == nil && err != nil:
			q.err = unavailable(err)
		case q.err == nil && now.UnixMilli() >= q.until:
			q.err = replay.ErrTooOld
		case q.err == nil && (!acked || acks != nil && q.set.Err() == nil):
			// Of what this Use stored over another connection, WAIT on this one says nothing.
			q.err = unavailable(errReplicas)
		}
		well = well || err == nil && isAnswer(q.set.Err())
	}
	return well
}

// stored reads the answer to SET.
func (q *question) stored() error {
	switch before, err := q.set.Result(); {
	case errors.Is(err, redis.Nil):
		return nil
	case redis.IsOOMError(err):
		return errFull
	case err != nil:
		return unavailable(err)
	case before == "":
		return unavailable(errAnswer)
	case before != string(q.once[:]):
		return replay.ErrUsed
	}
	return nil
}

// isAnswer tells whether what came is Redis's word about the key.
func isAnswer(err error) bool {
	return err == nil || errors.Is(err, redis.Nil) || redis.IsOOMError(err)
}
