package tour

import (
	"time"

	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/token"
)

// approved is what a customer agreed to pay, as a token says it (RFC 9396).
func approved(amount string) []any {
	return []any{map[string]any{
		"type": "payment_initiation", "instructedAmount": map[string]string{"amount": amount, "currency": "EUR"},
		"creditorAccount": "DE02120300000000202051",
	}}
}

func agreements() []scene {
	return []scene{{
		"a payment that nobody approved",
		"The customer approved one amount to one payee; the app orders another.",
		func(w *world) []step {
			right := w.byCertificate(actors.Claims{"authorization_details": approved("12.50")})
			wrong := w.byCertificate(actors.Claims{"authorization_details": approved("20.00")})
			return []step{
				told("POST /payments as approved", w.usual.do(call{method: "POST", path: "/payments", json: payment, token: right, cert: &w.app.cert}),
					want{status: 201}),
				told("the same, when 20.00 was approved", w.usual.do(call{method: "POST", path: "/payments", json: payment, token: wrong, cert: &w.app.cert}),
					want{status: 403, code: "insufficient_scope", reason: token.ErrDetailsPayment}),
			}
		},
	}, {
		"a large payment",
		"For large payments the customer must have shown more than a password, and lately.",
		func(w *world) []step {
			order := func(claims actors.Claims) answer {
				return w.usual.do(call{method: "POST", path: "/payments/high-value", json: payment, token: w.byCertificate(claims), cert: &w.app.cert})
			}
			const code = "insufficient_user_authentication"
			return []step{
				told("POST /payments/high-value after a password", order(actors.Claims{"acr": "urn:bank:acr:password", "auth_time": minutesAgo(1)}),
					want{status: 401, code: code, reason: token.ErrACR}),
				told("the same after strong authentication an hour ago", order(actors.Claims{"acr": "urn:bank:acr:sca", "auth_time": minutesAgo(60)}),
					want{status: 401, code: code, reason: token.ErrAuthAge}),
				told("the same after strong authentication just now", order(actors.Claims{"acr": "urn:bank:acr:sca", "auth_time": minutesAgo(1)}),
					want{status: 201}),
			}
		},
	}, {
		"a consent withdrawn",
		"The customer takes the app's leave back, while its token is still good.",
		func(w *world) []step {
			consent := token.Consent{Status: token.ConsentActive, Permissions: []string{"accounts"}, Accounts: []string{"acc-1001"}, Expires: time.Now().Add(time.Hour)}
			kept := w.consents.Put(w.issuer.URL, "consent-7", consent)
			t := w.byCertificate(actors.Claims{"consent_id": "consent-7"})
			one := call{path: "/accounts/acc-1001", token: t, cert: &w.app.cert}
			before := told("GET /accounts/acc-1001 under the consent", w.usual.do(one), want{status: 200}).also(kept == nil, "a consent that was kept")
			other := told("GET /accounts/acc-1002, which it does not cover", w.usual.do(call{path: "/accounts/acc-1002", token: t, cert: &w.app.cert}),
				want{status: 403, code: "insufficient_scope", reason: token.ErrConsentAccount})
			w.consents.Withdraw(w.issuer.URL, "consent-7")
			return []step{before, other, told("GET /accounts/acc-1001 after it was withdrawn", w.usual.do(one),
				want{status: 403, code: "insufficient_scope", reason: token.ErrConsentInactive})}
		},
	}, {
		"a token taken back",
		"The bank learns that a token was stolen, and takes it back before its time.",
		func(w *world) []step {
			c := call{token: w.byCertificate(actors.Claims{"jti": "stolen-1"}), cert: &w.app.cert}
			before := told("GET /accounts with the token", w.usual.do(c), want{status: 200})
			err := w.revocations.Revoke(w.ctx, token.IDName(w.issuer.URL, "stolen-1"), time.Now().Add(time.Hour))
			return []step{before, told("the same after it was taken back", w.usual.do(c), want{status: 401, code: "invalid_token", reason: token.ErrRevoked}).
				also(err == nil, "a revocation that was kept")}
		},
	}}
}
