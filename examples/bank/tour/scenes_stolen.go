package tour

import (
	"strings"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/examples/bank/internal/actors"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

func stolenTokens() []scene {
	return []scene{{
		"a stolen token",
		"The thief has copied the token from a log, but has no certificate.",
		func(w *world) []step {
			a := w.usual.do(call{token: w.byCertificate(nil)})
			return []step{told("GET /accounts with the token alone", a, want{status: 401, code: "invalid_token", reason: token.ErrNoCertificate})}
		},
	}, {
		"a stolen token and the thief's own certificate",
		"The thief is a customer of the same authority and shows a certificate that is valid, but not the one in the token.",
		func(w *world) []step {
			a := w.usual.do(call{token: w.byCertificate(nil), cert: &w.thief.cert})
			return []step{told("GET /accounts with the token and the thief's certificate", a,
				want{status: 401, code: "invalid_token", reason: token.ErrCertificateMismatch})}
		},
	}, {
		"the proof left out",
		"The thief sends a token that wants a proof as if it wanted none.",
		func(w *world) []step {
			a := w.usual.do(call{token: w.byKey()})
			return []step{told("GET /accounts with the DPoP token, sent as Bearer", a, want{status: 401, code: "invalid_token", reason: token.ErrDowngrade})}
		},
	}, {
		"the thief signs the proof",
		"The thief makes a perfect proof with a key of his own, but the token names another key.",
		func(w *world) []step {
			t := w.byKey()
			a := w.plain.do(call{token: t, dpop: true, proof: w.thief.key.Proof("GET", origin+"/accounts", t, nil)})
			return []step{told("GET /accounts with the token and the thief's proof", a, want{status: 401, code: "invalid_token", reason: token.ErrKeyMismatch})}
		},
	}}
}

// stolen is a scene with one proof that is wrong in one way.
func stolen(title, plain, tried string, reason audit.Reason, proof func(w *world, t string) string) scene {
	return scene{title, plain, func(w *world) []step {
		t := w.byKey()
		a := w.plain.do(call{token: t, dpop: true, proof: proof(w, t)})
		return []step{told(tried, a, want{status: 401, code: "invalid_dpop_proof", reason: reason})}
	}}
}

func stolenProofs() []scene {
	return []scene{{
		"a proof used twice",
		"The thief has overheard token and proof, and sends both again at once.",
		func(w *world) []step {
			t := w.byKey()
			c := call{token: t, dpop: true, proof: w.app.key.Proof("GET", origin+"/accounts", t, nil)}
			first, second := w.plain.do(c), w.plain.do(c)
			return []step{
				told("GET /accounts by the app", first, want{status: 200}),
				told("the very same request by the thief", second, want{status: 401, code: "invalid_dpop_proof", reason: replay.ErrUsed}),
			}
		},
	},
		stolen("a proof for another url", "The proof was made for the list of accounts; the thief wants to use it elsewhere.",
			"GET /accounts with a proof for /accounts/acc-1001", token.ErrProofTarget,
			func(w *world, t string) string { return w.app.key.Proof("GET", origin+"/accounts/acc-1001", t, nil) }),
		stolen("a proof for another method", "The proof was made for sending something, and is used for reading.",
			"GET /accounts with a proof for POST", token.ErrProofMethod,
			func(w *world, t string) string { return w.app.key.Proof("POST", origin+"/accounts", t, nil) }),
		stolen("a proof for another token", "The proof was made for a token with fewer rights.",
			"GET /accounts with a proof for another token", token.ErrProofToken,
			func(w *world, _ string) string { return w.app.key.Proof("GET", origin+"/accounts", w.byKey(), nil) }),
		stolen("an old proof", "The proof is ten minutes old.",
			"GET /accounts with that proof", token.ErrProofTime,
			func(w *world, t string) string {
				return w.app.key.Proof("GET", origin+"/accounts", t, actors.Claims{"iat": minutesAgo(10)})
			}),
		stolen("a forged proof", "The thief writes the app's key into a proof, but can only guess the signature.",
			"GET /accounts with the app's key and a made-up signature", token.ErrProofSignature,
			func(w *world, t string) string {
				proof := w.app.key.Proof("GET", origin+"/accounts", t, nil)
				return proof[:strings.LastIndexByte(proof, '.')+1] + strings.Repeat("A", 86)
			}),
	}
}
