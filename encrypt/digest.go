package encrypt

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

func digestKey(secret []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, "tegata/encrypt digest", sha256.Size)
}

// Digests gives what to store beside a sealed value, and to look for, so that it can be found by equality:
// for each key, in the order of the keys, the base64url form of HMAC-SHA-256 under a key of its own over
// name, which says what kind of value it is ("accounts.iban"), and the value. Store the first; look for all
// until nothing is left that an old key made. Two values differ if a byte differs: bring them to one form
// before (an IBAN to capitals without spaces).
//
// WARNING: who can read digests sees which rows have equal values, and who can have digests made can try
// values out. Digest no value of which there are few.
func (k *Keyring) Digests(name string, value []byte) []string {
	var out []string
	parts := appendParts(nil, "1", name, string(value))
	defer clear(parts)
	for _, each := range k.keys {
		mac := hmac.New(sha256.New, each.digests)
		_, _ = mac.Write(parts) // a hash never fails
		out = append(out, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	}
	return out
}
