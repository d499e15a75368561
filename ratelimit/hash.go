package ratelimit

import (
	"hash/maphash"
	"math/bits"
)

// hasher places keys. Its seeds are new in every process, so nobody outside can choose keys
// that fall together. Two callers share a count only if both halves agree, about one chance
// in 2^127 for a pair: keys are then never stored, and never compared.
type hasher struct{ a, b, name maphash.Seed }

// tag stands for a key, or for a key under one limit. b of a placed tag is odd, so that the
// zero tag is no tag.
type tag struct{ a, b uint64 }

func newHasher() hasher {
	return hasher{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()}
}

func (h *hasher) key(key string) tag {
	return tag{maphash.String(h.a, key), maphash.String(h.b, key)}
}

// limit stands for l in tags.
func (h *hasher) limit(l *Limit) uint64 {
	x := maphash.String(h.name, l.Name)
	x = fold(x^uint64(l.Count), 0x9e3779b97f4a7c15)
	x = fold(x^uint64(l.Period), 0xd1b54a32d192ed03)
	x = fold(x^uint64(l.burst()), 0x8cb92ba72f3d8dd7)
	if l.Calendar != (Calendar{}) {
		x = fold(x^maphash.String(h.name, l.Calendar.String()), 0xe7037ed1a0b428db)
	}
	return x
}

// under is the tag of key k under the limit that x stands for. For one limit it is
// one-to-one in k.
func (k tag) under(x uint64) tag {
	return tag{k.a ^ x, (k.b + bits.RotateLeft64(x, 32)) | 1}
}

// fold multiplies and keeps both halves of the product.
func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}
