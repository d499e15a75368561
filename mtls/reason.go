package mtls

import "github.com/tegata-go/tegata/audit"

// Reasons of this package. For a request they come inside an *audit.Refusal; a handshake that fails for
// one of them ends with the reason itself, which net/http writes to Server.ErrorLog.
const (
	// ErrMissing: the listener requires a client certificate and none was shown.
	ErrMissing = audit.Reason("mtls: no certificate")
	// ErrUntrusted: no chain of the certificate ends at a client trust anchor.
	ErrUntrusted = audit.Reason("mtls: certificate not trusted")
	// ErrExpired: the time is outside the certificate's validity period.
	ErrExpired = audit.Reason("mtls: certificate expired or not valid yet")
	// ErrUsage: the certificate does not name clientAuth in its extended key usage, or its key usage
	// does not allow it to sign (RFC 5280 sections 4.2.1.3 and 4.2.1.12).
	ErrUsage = audit.Reason("mtls: certificate not for client authentication")
	// ErrWeakKey: the certificate's key is shorter than FAPI 2.0 Security Profile section 5.4.1 allows.
	ErrWeakKey = audit.Reason("mtls: certificate key too weak")
	// ErrRevoked: a certificate of the chain was revoked by its issuer.
	ErrRevoked = audit.Reason("mtls: certificate revoked")
	// ErrRevocationUnknown: no fresh revocation list of an issuer is held, or who was asked does not know.
	ErrRevocationUnknown = audit.Reason("mtls: revocation unknown")

	// ErrIdentity: what the certificate says about its holder is malformed.
	ErrIdentity = audit.Reason("mtls: malformed certificate names")
	// ErrNotClient: the client is not registered, or not with this certificate.
	ErrNotClient = audit.Reason("mtls: certificate of another client")
	// ErrRole: the certificate does not name a PSD2 role that the client needs.
	ErrRole = audit.Reason("mtls: role missing")
	// ErrAddress: the client may not call from its address.
	ErrAddress = audit.Reason("mtls: address not allowed")
	// ErrRegistry: the Registry failed.
	ErrRegistry = audit.Reason("mtls: registry unavailable")

	// ErrForwarded: a listed proxy's header cannot be read, stands twice, or lacks its other half.
	ErrForwarded = audit.Reason("mtls: malformed proxy header")
	// ErrForwardedTooLarge: a listed proxy's header is longer than this package reads.
	ErrForwardedTooLarge = audit.Reason("mtls: proxy header too large")
)
