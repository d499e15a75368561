package mtls

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// earlyList is how far ahead of our clock a list's thisUpdate may be.
const earlyList = 5 * time.Minute

// maxChecked bounds how many keys a list is remembered to be, or not to be, signed by.
const maxChecked = 16

// serial is a certificate's serial number: its length and up to 20 octets (RFC 5280 section 4.1.2.2),
// or a digest of what is longer or negative.
type serial [21]byte

func serialOf(n *big.Int) (s serial) {
	if n.Sign() >= 0 && n.BitLen() <= 8*(len(s)-1) {
		s[0] = byte((n.BitLen() + 7) / 8)
		n.FillBytes(s[1:])
		return s
	}
	s[0] = 0xff
	sum := sha256.Sum256(append(n.Bytes(), byte(n.Sign())))
	copy(s[1:], sum[:])
	return s
}

// crl is one certificate revocation list, indexed. It never changes, but for what is remembered about
// its signature.
type crl struct {
	list    *x509.RevocationList // without its entries
	revoked map[serial]struct{}
	scope   scope

	signer  atomic.Pointer[x509.Certificate] // whose key was found to have signed it
	mu      sync.Mutex
	checked map[[sha256.Size]byte]bool // by digest of the key
}

// parseCRL reads one list and refuses what this package could not judge by (RFC 5280 section 5.2: a
// list with a critical extension that is not understood is no proof that a certificate still stands).
func parseCRL(der []byte, now time.Time) (*crl, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	c := &crl{revoked: make(map[serial]struct{}, len(list.RevokedCertificateEntries)), checked: map[[sha256.Size]byte]bool{}}
	if c.scope, err = scopeOf(list.Extensions); err != nil {
		return nil, err
	}
	for _, entry := range list.RevokedCertificateEntries {
		for _, extension := range entry.Extensions {
			if extension.Critical {
				return nil, fmt.Errorf("an entry has the critical extension %s", extension.Id)
			}
		}
		c.revoked[serialOf(entry.SerialNumber)] = struct{}{}
	}
	switch {
	case list.NextUpdate.IsZero():
		return nil, errors.New("no nextUpdate (RFC 5280 section 5.1.2.5)")
	case !signedWell(list.SignatureAlgorithm):
		return nil, fmt.Errorf("signed with %s", list.SignatureAlgorithm)
	case now.Add(earlyList).Before(list.ThisUpdate):
		return nil, fmt.Errorf("issued in the future, at %s", list.ThisUpdate.UTC().Format(time.RFC3339))
	}
	// The entries, many times larger than the index, and a second copy of the whole list go.
	c.list = &x509.RevocationList{
		RawTBSRevocationList: list.RawTBSRevocationList, RawIssuer: list.RawIssuer,
		Signature: list.Signature, SignatureAlgorithm: list.SignatureAlgorithm,
		Issuer: list.Issuer, AuthorityKeyId: list.AuthorityKeyId, Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate,
	}
	return c, nil
}

// signedWell leaves SHA-1 out, which crypto/x509 still takes for lists.
func signedWell(algorithm x509.SignatureAlgorithm) bool {
	return slices.Contains([]x509.SignatureAlgorithm{
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
	}, algorithm)
}

func (c *crl) staleAt(now time.Time) bool { return now.After(c.list.NextUpdate) }

func (c *crl) names(cert *x509.Certificate) bool {
	_, revoked := c.revoked[serialOf(cert.SerialNumber)]
	return revoked
}

// signedBy reports whether issuer, part of a verified chain, signed the list and may sign lists
// (RFC 5280 section 6.3.3 step f). The signature is computed once for a key.
func (c *crl) signedBy(issuer *x509.Certificate) bool {
	if issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return false
	}
	if last := c.signer.Load(); last != nil && bytes.Equal(last.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) {
		return true
	}
	key := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	c.mu.Lock()
	defer c.mu.Unlock()
	good, known := c.checked[key]
	if !known {
		good = c.list.CheckSignatureFrom(issuer) == nil
		if len(c.checked) < maxChecked {
			c.checked[key] = good
		}
	}
	if good {
		c.signer.Store(issuer)
	}
	return good
}

// replaces reports whether c is meant to take the place of held: the same name, key and scope. An issuer that
// has a new key counts its lists anew.
func (c *crl) replaces(held *crl) bool {
	return bytes.Equal(held.list.RawIssuer, c.list.RawIssuer) && held.scope.same(&c.scope) &&
		bytes.Equal(held.list.AuthorityKeyId, c.list.AuthorityKeyId)
}

// olderThan reports whether c was issued before held, which it replaces.
func (c *crl) olderThan(held *crl) bool {
	if c.list.Number != nil && held.list.Number != nil {
		return c.list.Number.Cmp(held.list.Number) < 0
	}
	return c.list.ThisUpdate.Before(held.list.ThisUpdate)
}
