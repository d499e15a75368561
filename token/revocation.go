package token

import (
	"context"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// Revocations knows what was taken back before it expired.
//
// Revoked is given every name by which a token may be revoked (see the functions below) and when it was
// issued. It returns nil, an error that is ErrRevoked, or an outage. A *replay.Revocations is one for a single
// process, and replay/redisstore has one that replicas share. Revision changes whenever anything
// was revoked: a token that was asked about at one revision is asked about again only at the next.
type Revocations interface {
	Revision() uint64
	Revoked(ctx context.Context, names []replay.Key, issued time.Time) error
}

// NoRevocation declines revocation by name: a token lives until it expires.
type NoRevocation struct{}

// Revision is always 0.
func (NoRevocation) Revision() uint64 { return 0 }

// Revoked is always nil.
func (NoRevocation) Revoked(context.Context, []replay.Key, time.Time) error { return nil }

// IDName is the name of one token, by its jti.
func IDName(issuer, id string) replay.Key { return replay.Digest("token", issuer, id) }

// IssuerName is the name of all tokens of an issuer: for what was issued before a moment.
func IssuerName(issuer string) replay.Key { return replay.Digest("issuer", issuer) }

// SubjectName is the name of all tokens of one subject of an issuer.
func SubjectName(issuer, subject string) replay.Key { return replay.Digest("subject", issuer, subject) }

// ClientName is the name of all tokens of one client of an issuer.
func ClientName(issuer, client string) replay.Key { return replay.Digest("client", issuer, client) }

// SessionName is the name of all tokens of one session (sid) of an issuer: for a customer who logs out.
func SessionName(issuer, session string) replay.Key { return replay.Digest("session", issuer, session) }

// ProofKeyName is the name of all tokens bound to one DPoP key, by its RFC 7638 thumbprint.
func ProofKeyName(jkt string) replay.Key { return replay.Digest("jkt", jkt) }

// CertificateName is the name of all tokens bound to one certificate, by its x5t#S256.
func CertificateName(x5t string) replay.Key { return replay.Digest("x5t#S256", x5t) }
