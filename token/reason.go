package token

import (
	"errors"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
)

// Reasons for which a request is refused. What the client is told is in the table below: several
// reasons share one answer, so that unknown keys, bad signatures and unknown issuers look the same.
const (
	ErrMissing     = audit.Reason("token: missing")
	ErrInQuery     = audit.Reason("token: in the query only")
	ErrScheme      = audit.Reason("token: unknown scheme")
	ErrSeveral     = audit.Reason("token: several credentials")
	ErrCredentials = audit.Reason("token: malformed credentials")
	ErrTooLarge    = audit.Reason("token: too large")

	ErrMalformed    = audit.Reason("token: malformed")
	ErrAlgorithm    = audit.Reason("token: algorithm not allowed")
	ErrCritical     = audit.Reason("token: critical header")
	ErrType         = audit.Reason("token: not an access token")
	ErrIssuer       = audit.Reason("token: unknown issuer")
	ErrAudience     = audit.Reason("token: other audience")
	ErrExpired      = audit.Reason("token: expired")
	ErrNotYet       = audit.Reason("token: not yet valid")
	ErrLifetime     = audit.Reason("token: lives too long")
	ErrClaims       = audit.Reason("token: claim missing or of the wrong type")
	ErrConfirmation = audit.Reason("token: unusable confirmation")
	ErrUnknownKey   = audit.Reason("token: unknown key")
	ErrSignature    = audit.Reason("token: bad signature")
	ErrInactive     = audit.Reason("token: inactive")
	ErrDecryption   = audit.Reason("token: cannot be decrypted")

	ErrUnbound             = audit.Reason("token: not sender-constrained")
	ErrDowngrade           = audit.Reason("token: bound to a DPoP key but sent as Bearer")
	ErrNotDPoP             = audit.Reason("token: not bound to a DPoP key")
	ErrNoCertificate       = audit.Reason("token: no client certificate")
	ErrCertificateMismatch = audit.Reason("token: bound to another certificate")
	ErrCertificate         = audit.Reason("token: unacceptable client certificate")
	ErrKeyMismatch         = audit.Reason("token: bound to another DPoP key")
	ErrRevoked             = replay.ErrRevoked
	ErrNotAdmitted         = audit.Reason("token: not admitted")
	ErrUnavailable         = audit.Reason("token: dependency unavailable")

	ErrProofMissing   = audit.Reason("token: no DPoP proof")
	ErrProofSeveral   = audit.Reason("token: several DPoP proofs")
	ErrProofTooLarge  = audit.Reason("token: DPoP proof too large")
	ErrProofMalformed = audit.Reason("token: DPoP proof malformed")
	ErrProofType      = audit.Reason("token: DPoP proof type")
	ErrProofAlgorithm = audit.Reason("token: DPoP proof algorithm")
	ErrProofKey       = audit.Reason("token: DPoP proof key")
	ErrProofClaims    = audit.Reason("token: DPoP proof claim missing or of the wrong type")
	ErrProofMethod    = audit.Reason("token: DPoP proof for another method")
	ErrProofTarget    = audit.Reason("token: DPoP proof for another target")
	ErrProofTime      = audit.Reason("token: DPoP proof outside its time")
	ErrProofToken     = audit.Reason("token: DPoP proof for another token")
	ErrProofSignature = audit.Reason("token: DPoP proof signature")
	ErrNonceMissing   = audit.Reason("token: no DPoP nonce")
	ErrNonce          = audit.Reason("token: stale or foreign DPoP nonce")

	ErrScope = audit.Reason("token: insufficient scope")
)

// Error codes of RFC 6750 §3.1 and RFC 9449 §12.2.
const (
	invalidRequest    = "invalid_request"
	invalidToken      = "invalid_token"
	insufficientScope = "insufficient_scope"
	invalidProof      = "invalid_dpop_proof"
	useNonce          = "use_dpop_nonce"
)

// answer is what the client is told for any of reasons.
type answer struct {
	told    audit.Refusal
	reasons []audit.Reason
}

// answers is the one table from reason to answer. Reasons that share a code share the sentence too.
var answers = index(append([]answer{{
	audit.Refusal{Status: 401, Detail: "an access token is required"},
	[]audit.Reason{ErrMissing, ErrInQuery, ErrScheme},
}, {
	audit.Refusal{Status: 400, Code: invalidRequest, Detail: "exactly one well-formed access token is required"},
	[]audit.Reason{ErrSeveral, ErrCredentials},
}, {
	audit.Refusal{Status: 401, Code: invalidToken, Detail: "the access token is not valid for this request"},
	[]audit.Reason{
		ErrTooLarge, ErrMalformed, ErrAlgorithm, ErrCritical, ErrType, ErrIssuer, ErrAudience, ErrExpired, ErrNotYet, ErrLifetime,
		ErrClaims, ErrConfirmation, ErrUnknownKey, ErrSignature, ErrInactive, ErrDecryption, ErrUnbound, ErrDowngrade, ErrNotDPoP, ErrNoCertificate,
		ErrCertificateMismatch, ErrCertificate, ErrRevoked, ErrNotAdmitted,
	},
}, {
	audit.Refusal{Status: 401, Code: invalidToken, Detail: "Invalid DPoP key binding"},
	[]audit.Reason{ErrKeyMismatch},
}, {
	audit.Refusal{Status: 401, Code: invalidProof, Detail: "the DPoP proof is missing or not valid for this request"},
	[]audit.Reason{
		ErrProofMissing, ErrProofSeveral, ErrProofTooLarge, ErrProofMalformed, ErrProofType, ErrProofAlgorithm, ErrProofKey, ErrProofClaims,
		ErrProofMethod, ErrProofTarget, ErrProofTime, ErrProofToken, ErrProofSignature, replay.ErrUsed, replay.ErrTooOld,
	},
}, {
	audit.Refusal{Status: 401, Code: useNonce, Detail: "the DPoP proof must carry the nonce given here"},
	[]audit.Reason{ErrNonceMissing, ErrNonce},
}, {
	audit.Refusal{Status: 403, Code: insufficientScope, Detail: "the access token does not cover this request"},
	[]audit.Reason{ErrScope},
}, {
	audit.Refusal{Status: 503, Detail: "temporarily unavailable"},
	[]audit.Reason{ErrUnavailable, replay.ErrUnavailable, replay.ErrFull},
}}, policyAnswers...))

func index(list []answer) map[audit.Reason]audit.Refusal {
	byReason := make(map[audit.Reason]audit.Refusal)
	for _, a := range list {
		for _, reason := range a.reasons {
			told := a.told
			told.Reason = reason
			byReason[reason] = told
		}
	}
	return byReason
}

// reasonOf finds what the table knows in err; anything else is an outage. What is left of err is the cause.
func reasonOf(err error) (audit.Reason, error) {
	var f *audit.Refusal
	if errors.As(err, &f) && f != nil {
		if _, known := answers[f.Reason]; known {
			return f.Reason, f.Cause
		}
		return ErrUnavailable, err
	}
	if reason, ok := errors.AsType[audit.Reason](err); ok {
		if _, known := answers[reason]; known {
			return reason, err
		}
	}
	return ErrUnavailable, err
}
