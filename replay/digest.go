package replay

import (
	"crypto/sha256"
	"encoding/binary"
)

// Key is the SHA-256 digest of a value: of fixed size, and telling nothing of the value.
type Key [sha256.Size]byte

// Digest is the Key of parts within domain. Domain says what kind of value it is, so that equal
// parts of different kinds never meet: "dpop", "payment jws". Every part counts with its length:
// ("a:b", "c") and ("a", "b:c") are different, and so are ("a") and ("a", "").
//
// The digest is SHA-256 over domain and parts, each preceded by its length as an unsigned varint.
// It is part of what replicas share and does not change. Digest bounds nothing: its time is
// linear in its input.
func Digest(domain string, parts ...string) Key {
	// On the stack for every input that is of ordinary size.
	b := make([]byte, 0, 512)
	b = appendPart(b, domain)
	for _, part := range parts {
		b = appendPart(b, part)
	}
	return sha256.Sum256(b)
}

// appendPart writes s so that where it ends cannot be mistaken.
func appendPart(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
