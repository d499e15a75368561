package tour

import (
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/token"
)

func minutesAgo(n int64) int64 { return time.Now().Unix() - 60*n }

// refused is a scene with one token that is wrong in one way, shown by the app with its certificate.
func refused(title, plain, tried string, status int, code string, reason audit.Reason, t func(w *world) call) scene {
	return scene{title, plain, func(w *world) []step {
		c := t(w)
		c.cert = &w.app.cert
		return []step{told(tried, w.usual.do(c), want{status: status, code: code, reason: reason})}
	}}
}

func badTokens() []scene {
	const invalid = "invalid_token"
	return []scene{
		refused("an expired token", "The customer's leave was for five minutes, and they are over.",
			"GET /accounts with token and certificate", 401, invalid, token.ErrExpired,
			func(w *world) call {
				return call{token: w.byCertificate(actors.Claims{"iat": minutesAgo(10), "exp": minutesAgo(5)})}
			}),
		refused("a token for another bank", "The token was issued by the same server, but for somebody else's accounts.",
			"GET /accounts with token and certificate", 401, invalid, token.ErrAudience,
			func(w *world) call {
				return call{token: w.byCertificate(actors.Claims{"aud": "https://other.example"})}
			}),
		refused("a token without a signature", "The thief writes a token himself and says that it is not signed.",
			"GET /accounts with a token of the algorithm none", 401, invalid, token.ErrAlgorithm,
			func(w *world) call {
				claims := w.issuer.Claims(actors.BoundTo(actors.CertificateThumbprint(w.app.cert), ""))
				return call{token: actors.Unsigned(map[string]any{"typ": "at+jwt", "alg": "none", "kid": w.issuer.Key().ID}, claims)}
			}),
		refused("a token signed by the thief", "The thief signs a token and claims that the key is the issuer's.",
			"GET /accounts with that token", 401, invalid, token.ErrSignature,
			func(w *world) call {
				forger := actors.NewKey("ES256", w.issuer.Key().ID)
				return call{token: w.issuer.TokenBy(forger, actors.BoundTo(actors.CertificateThumbprint(w.app.cert), ""))}
			}),
		refused("not what the customer agreed to", "The customer has agreed that the app reads accounts, not that it pays.",
			"POST /payments with a token for reading", 403, "insufficient_scope", token.ErrScope,
			func(w *world) call {
				return call{method: "POST", path: "/payments", json: payment, token: w.byCertificate(actors.Claims{"scope": "accounts"})}
			}),
		refused("a token in the address", "Addresses end up in logs and histories, so a token there does not count.",
			"GET /accounts?access_token=...", 401, "", token.ErrInQuery,
			func(w *world) call { return call{path: "/accounts?access_token=" + w.byCertificate(nil)} }),
		refused("two tokens", "With two tokens in one request, two programs may look at different ones.",
			"GET /accounts with two Authorization fields", 400, "invalid_request", token.ErrSeveral,
			func(w *world) call { return call{token: w.byCertificate(nil), again: w.byCertificate(nil)} }),
	}
}
