package token

import (
	"cmp"
	"crypto/x509"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"weak"

	"github.com/tegata-go/tegata/internal/jose"
	"github.com/tegata-go/tegata/replay"
)

// facts are a token's claims, copied and read once. They never change and are shared by all requests
// that carry the token.
type facts struct {
	claims    Claims
	jkt, x5t  jose.Digest
	expires   int64 // Unix seconds
	keepUntil int64
	textBytes int64
	clientKey string
	owner     replay.Key   // of the proofs that come with the token: whom the client's use of the store counts against
	attrs     []slog.Attr  // for the record
	space     [5]slog.Attr // of attrs

	matched atomic.Pointer[weak.Pointer[x509.Certificate]] // the certificate that matched x5t last, by identity
	asked   atomic.Pointer[asked]
}

// asked remembers that a revocation list did not know the token at a revision.
type asked struct {
	by       *Verifier
	revision uint64
}

// freeze copies claims and reads what the steps compare. A confirmation that cannot be read is a refusal,
// never an unbound token.
func freeze(c *Claims, digest jose.Digest) (*facts, error) {
	if c == nil || c.Issuer == "" || c.Subject == "" && c.Client == "" || c.Expires.IsZero() {
		return nil, ErrClaims
	}
	f := &facts{claims: *c}
	f.claims.Audience, f.claims.Scope, f.claims.AMR = slices.Clone(c.Audience), slices.Clone(c.Scope), slices.Clone(c.AMR)
	if err := f.settle(digest); err != nil {
		return nil, err
	}
	return f, nil
}

// settle reads what the steps compare from claims that are ours alone.
func (f *facts) settle(digest jose.Digest) error {
	c := &f.claims
	f.expires = c.Expires.Unix()
	f.keepUntil = f.expires
	if !c.KeepUntil.IsZero() {
		f.keepUntil = min(f.keepUntil, c.KeepUntil.Unix())
	}
	var ok bool
	if c.JKT != "" {
		if f.jkt, ok = jose.ParseDigest(c.JKT); !ok {
			return ErrConfirmation
		}
	}
	if c.X5T != "" {
		if f.x5t, ok = jose.ParseDigest(c.X5T); !ok {
			return ErrConfirmation
		}
	}
	if c.JKT != "" {
		f.owner = ownerOf(c)
	}
	f.name(digest)
	return nil
}

// ownerOf is the client, who makes as many keys as it likes, or the subject of a token without one.
func ownerOf(c *Claims) replay.Key {
	if c.Client == "" {
		return SubjectName(c.Issuer, c.Subject)
	}
	return ClientName(c.Issuer, c.Client)
}

// name makes, once and in one piece of memory, the client's key and the facts of the audit record: what identifies a
// person is a digest.
func (f *facts) name(digest jose.Digest) {
	c := &f.claims
	var buf [512]byte
	text := digest.Append(buf[:0])
	if c.Subject != "" {
		text = jose.Digest(SubjectName(c.Issuer, c.Subject)).Append(text)
	}
	after := len(text)
	text = appendClient(text, c.Issuer, cmp.Or(c.Client, c.Subject), c.Client != "")
	all := string(text)
	f.clientKey = all[after:]
	f.attrs = append(f.space[:0], slog.String("token", all[:digestLength]))
	if c.Client != "" {
		f.attrs = append(f.attrs, slog.String("client", c.Client))
	}
	if c.Subject != "" {
		f.attrs = append(f.attrs, slog.String("subject", all[digestLength:after]))
	}
	if c.JKT != "" {
		f.attrs = append(f.attrs, slog.String("jkt", c.JKT))
	}
	if c.X5T != "" {
		f.attrs = append(f.attrs, slog.String("x5t", c.X5T))
	}
}

const digestLength = 43 // characters of a digest

// names are all under which the token may be revoked.
func (f *facts) names() []replay.Key {
	c := &f.claims
	names := append(make([]replay.Key, 0, 7), IssuerName(c.Issuer))
	if c.ID != "" {
		names = append(names, IDName(c.Issuer, c.ID))
	}
	if c.Subject != "" {
		names = append(names, SubjectName(c.Issuer, c.Subject))
	}
	if c.Client != "" {
		names = append(names, ClientName(c.Issuer, c.Client))
	}
	if c.Session != "" {
		names = append(names, SessionName(c.Issuer, c.Session))
	}
	if c.JKT != "" {
		names = append(names, ProofKeyName(c.JKT))
	}
	if c.X5T != "" {
		names = append(names, CertificateName(c.X5T))
	}
	return names
}

// keeps is true while a cache may use the facts.
func (f *facts) keeps(now int64) bool {
	return now < f.keepUntil && (f.claims.While == nil || f.claims.While.Load())
}

// appendClient names a client without ambiguity: (issuer, client id), or (issuer, sub) for a token without client_id.
func appendClient(b []byte, issuer, id string, client bool) []byte {
	kind := byte('c')
	if !client {
		kind = 's'
	}
	b = strconv.AppendInt(append(b, kind), int64(len(issuer)), 10)
	return append(append(append(b, ':'), issuer...), id...)
}
