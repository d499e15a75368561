package redisstore

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/replay"
)

// said is what Redis said to SET.
type said struct {
	stored  bool  // now
	same    bool  // the key held the bytes of this Use
	failure error // errFull, or why it said nothing of the key
}

// command makes the SET of a question. As a RawCmd its answer that it stored, the usual one, is no
// error: go-redis would look at it from all sides, which costs more than the rest of the command.
func (q *question) command(ctx context.Context, end int64, ordinary bool) redis.Cmder {
	if ordinary {
		q.set = redis.NewStringCmd(ctx, "SET", q.key, q.once[:], "NX", "GET", "PXAT", end)
		return q.set
	}
	q.raw, q.set = redis.NewRawCmd(ctx, "SET", q.key, q.once[:], "NX", "GET", "PXAT", end), nil
	return q.raw
}

// read reads the answer to the SET.
func (q *question) read() {
	if q.set == nil {
		answer, err := q.raw.Result()
		q.said = rawAnswer(answer, err, q.once[:])
		return
	}
	switch before, err := q.set.Result(); {
	case errors.Is(err, redis.Nil):
		q.said = said{stored: true}
	case redis.IsOOMError(err):
		q.said = said{failure: errFull}
	case err != nil:
		q.said = said{failure: err}
	case before == "":
		q.said = said{failure: errAnswer}
	default:
		q.said = said{same: before == string(q.once[:])}
	}
}

// rawAnswer reads an answer as the protocol has it, RESP2 or RESP3. What is neither nothing, nor
// a string, nor an error for want of memory is errRefused.
func rawAnswer(answer []byte, err error, once []byte) said {
	switch {
	case err != nil:
		return said{failure: err}
	case len(answer) == 0:
		return said{failure: errAnswer}
	case string(answer) == "_\r\n" || string(answer) == "$-1\r\n":
		return said{stored: true}
	case answer[0] == '$':
		_, before, _ := bytes.Cut(bytes.TrimSuffix(answer, crlf), crlf)
		if len(before) == 0 {
			return said{failure: errAnswer}
		}
		return said{same: bytes.Equal(before, once)}
	case strings.HasPrefix(string(answer[:min(len(answer), 8)]), "-OOM "):
		return said{failure: errFull}
	}
	return said{failure: errRefused}
}

// crlf ends a line of the protocol.
var crlf = []byte("\r\n")

// answers tells whether it is Redis's word about the key.
func (s said) answers() bool { return s.failure == nil || errors.Is(s.failure, errFull) }

// reply is what it means for the Use, if nothing else speaks against it.
func (s said) reply() error {
	switch {
	case errors.Is(s.failure, errFull):
		return errFull
	case s.failure != nil:
		return unavailable(s.failure)
	case s.stored || s.same:
		return nil
	}
	return replay.ErrUsed
}
