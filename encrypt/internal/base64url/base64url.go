// Package base64url writes base64url without padding (RFC 4648 §5), eight characters at a time.
package base64url

import (
	"encoding/binary"
	"slices"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// pairs holds the two characters of every 12 bits. What is encoded is public: where it is looked up may show.
var pairs = func() (p [1 << 12]uint16) {
	for i := range p {
		p[i] = uint16(alphabet[i>>6])<<8 | uint16(alphabet[i&63])
	}
	return p
}()

// Append appends the encoded form of src, which must be no secret.
func Append(dst, src []byte) []byte {
	from := len(dst)
	size := (len(src)*8 + 5) / 6
	dst = slices.Grow(dst, size)[:from+size]
	out := dst[from:]
	i := 0
	for ; i+8 <= len(src) && len(out) >= 8; i += 6 { // of the eight bytes six are used
		binary.BigEndian.PutUint64(out, eight(binary.BigEndian.Uint64(src[i:])))
		out = out[8:]
	}
	// Up to seven bytes are left, and zeros behind them.
	var x uint64
	if len(src) >= 8 {
		x = binary.BigEndian.Uint64(src[len(src)-8:]) << (8 * (8 - (len(src) - i)))
	} else {
		for at, b := range src {
			x |= uint64(b) << (56 - 8*at)
		}
	}
	if len(out) >= 8 {
		binary.BigEndian.PutUint64(out, eight(x))
		x, out = x<<48, out[8:]
	}
	if len(out) == 0 {
		return dst
	}
	x = eight(x)
	if len(out)&4 != 0 {
		binary.BigEndian.PutUint32(out, uint32(x>>32))
		x, out = x<<32, out[4:]
	}
	if len(out)&2 != 0 {
		binary.BigEndian.PutUint16(out, uint16(x>>48))
		x, out = x<<16, out[2:]
	}
	if len(out) != 0 {
		out[0] = byte(x >> 56)
	}
	return dst
}

// eight gives the characters of the first 48 bits, the first at the top.
func eight(x uint64) uint64 {
	return uint64(pairs[x>>52])<<48 | uint64(pairs[x>>40&0xFFF])<<32 | uint64(pairs[x>>28&0xFFF])<<16 | uint64(pairs[x>>16&0xFFF])
}
