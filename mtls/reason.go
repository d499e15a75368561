package mtls

import "github.com/tegata-go/tegata/audit"

// Reasons of this package. Peer gives ErrExpired inside an *audit.Refusal; a handshake that fails for
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
)
