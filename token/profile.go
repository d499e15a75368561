package token

import (
	"net/http"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/internal/jose"
)

// Profile is what a standard fixes of a resource server's settings. Every field can be seen and changed; what a
// profile leaves at zero has to be filled in or stays at its strictest.
type Profile struct {
	Verifier Config
	JWT      JWTConfig
}

// FAPI2 is the FAPI 2.0 Security Profile (§5.3.4, §5.4.1): tokens bound to a certificate or a DPoP key.
func FAPI2() Profile {
	algorithms := jose.Algorithms()
	return Profile{
		Verifier: Config{Binding: BindingAny, ProofAlgorithms: algorithms, MaxAge: time.Minute, MaxSkew: 15 * time.Second},
		JWT:      JWTConfig{Algorithms: algorithms, MaxLifetime: time.Hour},
	}
}

// FAPI1Advanced is FAPI 1.0 Advanced (§6.2.1, §8.6): certificate-bound tokens signed with PS256 or ES256.
func FAPI1Advanced() Profile {
	return Profile{
		Verifier: Config{Binding: BindingCertificate},
		JWT:      JWTConfig{Algorithms: []string{"PS256", "ES256"}, Binding: BindingCertificate, MaxLifetime: time.Hour},
	}
}

// UKOpenBanking is FAPI 1.0 Advanced as Open Banking UK uses it.
func UKOpenBanking() Profile { return FAPI1Advanced() }

// OpenFinanceBrasil is FAPI 1.0 Advanced as Open Finance Brasil narrows it: PS256 only, lives of 15 minutes at most, and
// an interaction id in every request.
func OpenFinanceBrasil() Profile {
	p := FAPI1Advanced()
	p.Verifier.Admit = InteractionIDRequired
	p.JWT.Algorithms = []string{"PS256"}
	p.JWT.MaxLifetime = 15 * time.Minute
	return p
}

// CDR is the Australian Consumer Data Right: FAPI 1.0 Advanced with tokens of 10 minutes at most.
func CDR() Profile {
	p := FAPI1Advanced()
	p.JWT.MaxLifetime = 10 * time.Minute
	return p
}

// ErrInteractionID is the reason of InteractionIDRequired.
const ErrInteractionID = audit.Reason("token: no valid x-fapi-interaction-id")

// InteractionIDRequired refuses a request without exactly one valid x-fapi-interaction-id, with 400. It is a Config.Admit
// and a Policy, and needs an audit.Log outside.
func InteractionIDRequired(r *http.Request, g Grant) error {
	if g.by == nil {
		return misplaced()
	}
	sent := r.Header["X-Fapi-Interaction-Id"]
	if len(sent) == 1 && sent[0] != "" && sent[0] == audit.InteractionID(r.Context()) {
		return nil
	}
	return &audit.Refusal{Reason: ErrInteractionID, Status: http.StatusBadRequest, Code: invalidRequest,
		Detail: "x-fapi-interaction-id must be one UUID", Client: g.Client()}
}
