package tour

import (
	"context"
	"io"
)

// PlayWrong plays one scene in which a stolen token is expected to be good.
func PlayWrong(ctx context.Context, out io.Writer, c Config) int {
	return play(ctx, out, c, []scene{{"wrong", "A scene that differs.", func(w *world) []step {
		return []step{told("GET /accounts with nothing", w.usual.do(call{}), want{status: 200})}
	}}})
}

// PlayWrongRecord plays one scene in which another reason is expected.
func PlayWrongRecord(ctx context.Context, out io.Writer, c Config) int {
	return play(ctx, out, c, []scene{{"wrong", "A scene that differs.", func(w *world) []step {
		return []step{told("GET /accounts with nothing", w.usual.do(call{}), want{status: 401, reason: "token: expired"})}
	}}})
}
