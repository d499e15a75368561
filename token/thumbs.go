package token

import (
	"crypto/x509"
	"hash/maphash"
	"sync/atomic"
	"weak"

	"github.com/tegata-go/tegata/internal/jose"
)

// thumbs remembers the x5t#S256 (RFC 8705 §3.1) of certificates that came lately, by identity: crypto/tls gives one
// pointer for a whole connection, and over one connection come many tokens. It keeps no certificate alive.
type thumbs struct {
	seed  maphash.Seed
	slots [64]atomic.Pointer[thumb]
}

type thumb struct {
	of  weak.Pointer[x509.Certificate]
	sum jose.Digest
}

func (t *thumbs) sum(cert *x509.Certificate) jose.Digest {
	slot := &t.slots[maphash.Comparable(t.seed, cert)%uint64(len(t.slots))]
	if known := slot.Load(); known != nil && known.of.Value() == cert {
		return known.sum
	}
	made := &thumb{of: weak.Make(cert), sum: jose.SumBytes(cert.Raw)}
	slot.Store(made)
	return made.sum
}
