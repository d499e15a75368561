package tour

import (
	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/examples/bank/service"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

func operations() []scene {
	return []scene{{
		"the bank restarts",
		"The bank has no shared memory such as Redis and forgets which proofs were used; so it believes none that is older than itself.",
		func(w *world) []step {
			t := w.byKey()
			c := call{token: t, dpop: true, proof: w.app.key.Proof("GET", origin+"/accounts", t, nil)}
			before := w.plain.do(c)
			w.plain.stop()
			again, err := w.open(func(*service.Config) {})
			if err != nil {
				return []step{{tried: "starting the bank again", came: err.Error(), wrong: "a bank"}}
			}
			after := again.do(c)
			nextSecond()
			c.proof = w.app.key.Proof("GET", origin+"/accounts", t, nil)
			return []step{
				told("GET /accounts by the app, before the restart", before, want{status: 200}),
				told("the very same request by the thief, after the restart", after, want{status: 401, code: "invalid_dpop_proof", reason: replay.ErrTooOld}),
				told("GET /accounts by the app with a new proof", again.do(c), want{status: 200}),
			}
		},
	}, {
		"looking before refusing",
		"A bank that introduces all this may first only record what it would refuse.",
		func(w *world) []step {
			a := w.lenient.do(call{token: w.byCertificate(nil)})
			return []step{told("GET /accounts with a stolen token, in report-only", a, want{status: 200, waived: true, reason: token.ErrNoCertificate})}
		},
	}, {
		"the audit log is full",
		"What cannot be recorded must not happen: the bank refuses until its log takes a record again.",
		func(w *world) []step {
			c := call{token: w.byCertificate(nil), cert: &w.app.cert}
			first := w.recorder.do(c)
			w.torn.torn.Store(true)
			second := w.recorder.do(c)
			w.torn.torn.Store(false)
			probe := w.recorder.do(c)
			return []step{
				told("GET /accounts while all is well", first, want{status: 200}),
				told("the same when the log has no space left", second, want{status: 503, lost: true}),
				told("the same when there is space again: the refusal itself is the test record", probe, want{status: 503, reason: audit.ErrSink}),
				told("the same once more", w.recorder.do(c), want{status: 200}),
			}
		},
	}}
}
