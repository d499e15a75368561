package token

import "github.com/tegata-go/tegata/audit"

// Reasons for which a policy refuses a caller who is known.
const (
	ErrNoPolicy   = audit.Reason("token: empty policy")
	ErrClaim      = audit.Reason("token: claim does not fit")
	ErrOwner      = audit.Reason("token: resource of somebody else")
	ErrNoCustomer = audit.Reason("token: acts for no customer")

	ErrACR     = audit.Reason("token: authentication too weak")
	ErrAuthAge = audit.Reason("token: authentication too long ago")

	ErrDetailsMissing   = audit.Reason("token: no authorization details of the type")
	ErrDetailsMalformed = audit.Reason("token: malformed authorization details")
	ErrDetails          = audit.Reason("token: authorization details do not cover the request")
	ErrDetailsBody      = audit.Reason("token: body cannot be compared with authorization details")
	ErrDetailsPayment   = audit.Reason("token: payment differs from authorization details")
	ErrDetailsUsed      = audit.Reason("token: authorization details used")
	ErrDetailsOnce      = audit.Reason("token: use of authorization details cannot be counted")

	ErrConsentMissing     = audit.Reason("token: no consent named")
	ErrConsentUnknown     = audit.Reason("token: unknown consent")
	ErrConsentInactive    = audit.Reason("token: consent not active")
	ErrConsentExpired     = audit.Reason("token: consent expired")
	ErrConsentParty       = audit.Reason("token: consent of other parties")
	ErrConsentPermission  = audit.Reason("token: permission not in the consent")
	ErrConsentAccount     = audit.Reason("token: account not in the consent")
	ErrConsentUnavailable = audit.Reason("token: consents unavailable")

	ErrAddress            = audit.Reason("token: address not allowed for the client")
	ErrAddressUnknown     = audit.Reason("token: address unknown")
	ErrAddressUnavailable = audit.Reason("token: address unavailable")
	ErrHours              = audit.Reason("token: outside the client's service hours")
	ErrClientUnknown      = audit.Reason("token: client not registered")
	ErrClientInactive     = audit.Reason("token: client not active")
	ErrClientPeriod       = audit.Reason("token: client outside its period of registration")
	ErrClientUnavailable  = audit.Reason("token: client registry unavailable")
	ErrRole               = audit.Reason("token: certificate lacks the role")
	ErrRoleCertificate    = audit.Reason("token: no certificate to read roles from")
	ErrRoleUnavailable    = audit.Reason("token: roles unavailable")
	ErrDenied             = audit.Reason("token: denied by the decision point")
	ErrDeciderUnavailable = audit.Reason("token: decision point unavailable")

	ErrBody         = audit.Reason("token: body not read")
	ErrBodyTooLarge = audit.Reason("token: body too large")
)

// insufficientAuthentication is the error code of RFC 9470 §3.
const insufficientAuthentication = "insufficient_user_authentication"

// policyAnswers are the rows of the table for policies. What another token could mend is insufficient_scope
// (RFC 6750 §3.1); what no token can has neither code nor challenge.
var policyAnswers = []answer{{
	audit.Refusal{Status: 403, Code: insufficientScope, Detail: "the access token does not cover this request"},
	[]audit.Reason{
		ErrClaim, ErrOwner, ErrNoCustomer,
		ErrDetailsMissing, ErrDetailsMalformed, ErrDetails, ErrDetailsBody, ErrDetailsPayment, ErrDetailsUsed, ErrDetailsOnce,
		ErrConsentMissing, ErrConsentUnknown, ErrConsentInactive, ErrConsentExpired, ErrConsentParty, ErrConsentPermission,
		ErrConsentAccount,
	},
}, {
	audit.Refusal{Status: 401, Code: insufficientAuthentication, Detail: "a stronger or more recent authentication is required"},
	[]audit.Reason{ErrACR, ErrAuthAge},
}, {
	audit.Refusal{Status: 403, Detail: "this request is not allowed"},
	[]audit.Reason{
		ErrNoPolicy, ErrAddress, ErrAddressUnknown, ErrHours, ErrClientUnknown, ErrClientInactive, ErrClientPeriod,
		ErrRole, ErrRoleCertificate, ErrDenied,
	},
}, {
	audit.Refusal{Status: 400, Detail: "the body did not arrive whole"},
	[]audit.Reason{ErrBody},
}, {
	audit.Refusal{Status: 413, Detail: "the body is too large"},
	[]audit.Reason{ErrBodyTooLarge},
}, {
	audit.Refusal{Status: 503, Detail: "temporarily unavailable"},
	[]audit.Reason{ErrConsentUnavailable, ErrAddressUnavailable, ErrClientUnavailable, ErrRoleUnavailable, ErrDeciderUnavailable},
}}
