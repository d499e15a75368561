package tour

import (
	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/token"
)

const payment = `{"debtorAccount":"acc-1001","creditorAccount":"DE02120300000000202051",` +
	`"creditorName":"Corner Books","amount":"12.50","currency":"EUR","reference":"invoice 78"}`

func honest() []scene {
	return []scene{{
		"the app, with its certificate",
		"The app shows the certificate that its token names.",
		func(w *world) []step {
			a := w.usual.do(call{token: w.byCertificate(nil), cert: &w.app.cert})
			return []step{told("GET /accounts with token and certificate", a, want{status: 200})}
		},
	}, {
		"the app, with a proof",
		"The app has no certificate; it signs a proof, and must put into it a word that the bank has just chosen, so that no proof can be made in advance.",
		func(w *world) []step {
			t := w.byKey()
			first := w.usual.do(call{token: t, dpop: true, proof: w.app.key.Proof("GET", origin+"/accounts", t, nil)})
			nonce := first.header.Get("DPoP-Nonce")
			second := w.usual.do(call{token: t, dpop: true, proof: w.app.key.Proof("GET", origin+"/accounts", t, actors.Claims{"nonce": nonce})})
			return []step{
				told("GET /accounts with token and proof, without the bank's word", first, want{status: 401, code: "use_dpop_nonce", reason: token.ErrNonceMissing}).
					also(nonce != "", "a nonce to use"),
				told("the same with a new proof and the bank's word in it", second, want{status: 200}),
			}
		},
	}, {
		"the app pays",
		"With the customer's leave to pay, the app orders a payment.",
		func(w *world) []step {
			a := w.usual.do(call{method: "POST", path: "/payments", token: w.byCertificate(nil), cert: &w.app.cert, json: payment})
			return []step{told("POST /payments with token and certificate", a, want{status: 201})}
		},
	}}
}
