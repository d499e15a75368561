// Package jose reads what RFC 7515, RFC 7517 and RFC 8037 write, as strictly as they allow: compact
// JWS only, public keys only, ES256, PS256 and Ed25519 only.
package jose

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// ErrBase64 says that a text is not base64url without padding (RFC 7515 §2), or not canonical.
var ErrBase64 = errors.New("jose: not base64url")

// canonical refuses set bits after the last byte, which would give one value two spellings.
var canonical = base64.RawURLEncoding.Strict()

// Decode decodes base64url without padding.
func Decode(s string) (string, error) {
	var buf [1024]byte
	b, err := appendDecoded(buf[:0], s)
	return string(b), err
}

// decodeExact decodes s into the whole of dst, or is false.
func decodeExact(dst []byte, s string) bool {
	if len(s) != canonical.EncodedLen(len(dst)) {
		return false
	}
	b, err := appendDecoded(dst[:0:len(dst)], s)
	return err == nil && len(b) == len(dst)
}

func appendDecoded(dst []byte, s string) ([]byte, error) {
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 { // encoding/base64 would pass over them
		return nil, ErrBase64
	}
	dst, err := canonical.AppendDecode(dst, []byte(s))
	if err != nil {
		return nil, ErrBase64
	}
	return dst, nil
}

// Digest is a SHA-256 value; thumbprints, hashes of tokens and cnf members are compared as such.
type Digest [sha256.Size]byte

// ParseDigest reads the 43 characters of a base64url SHA-256 value.
func ParseDigest(s string) (d Digest, ok bool) {
	return d, decodeExact(d[:], s)
}

// String is the 43 characters that ParseDigest reads.
func (d Digest) String() string {
	var text [43]byte
	return string(d.Append(text[:0]))
}

// Append appends the 43 characters to b.
func (d Digest) Append(b []byte) []byte { return base64.RawURLEncoding.AppendEncode(b, d[:]) }

// Sum is the SHA-256 of a text. Texts up to 2 KiB are hashed from the stack: []byte(s) would copy
// every token to the heap.
func Sum(s string) Digest {
	var buf [2048]byte
	if len(s) > len(buf) {
		return sha256.Sum256([]byte(s))
	}
	return sha256.Sum256(buf[:copy(buf[:], s)])
}

// SumBytes is the SHA-256 of b.
func SumBytes(b []byte) Digest { return sha256.Sum256(b) }
