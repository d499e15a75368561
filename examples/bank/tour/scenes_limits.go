package tour

import (
	"fmt"
	"strconv"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/ratelimit"
)

func tooMuch() []scene {
	return []scene{{
		"a flood",
		"One app asks much more often than it may; the others do not notice.",
		func(w *world) []step {
			c := call{token: w.byCertificate(actors.Claims{"client_id": "greedy"}), cert: &w.app.cert}
			passed := 0
			last := w.usual.do(c)
			for ; last.status == 200 && passed < 2*perMin; last = w.usual.do(c) {
				passed++
			}
			seconds, _ := strconv.Atoi(last.header.Get("Retry-After"))
			flood := told(fmt.Sprintf("GET /accounts until the bank has enough, which is after %d", passed), last,
				want{status: 429, reason: ratelimit.ErrExceeded}).
				also(passed >= perMin && passed <= perMin+perMin/4, "a refusal after about 40 requests").
				also(seconds >= 1, "Retry-After in seconds")
			flood.came += fmt.Sprintf("; Retry-After: %d", seconds)
			other := w.usual.do(call{token: w.byCertificate(nil), cert: &w.app.cert})
			return []step{flood, told("GET /accounts by the app", other, want{status: 200})}
		},
	}, {
		"paths that do not exist",
		"Whoever is known is told that there is nothing; a stranger is not told even that.",
		func(w *world) []step {
			t := w.byCertificate(nil)
			return []step{
				told("GET /vault with token and certificate", w.usual.do(call{path: "/vault", token: t, cert: &w.app.cert}),
					want{status: 404, reason: audit.ErrNotFound}),
				told("DELETE /accounts with token and certificate", w.usual.do(call{method: "DELETE", token: t, cert: &w.app.cert}),
					want{status: 405, reason: audit.ErrMethodNotAllowed}),
				told("GET /vault without a token", w.usual.do(call{path: "/vault"}), want{status: 401, reason: "token: missing"}),
			}
		},
	}}
}
