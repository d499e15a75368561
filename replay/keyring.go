package replay

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// roll is how many seconds one key seals, an hour. It does not depend on the configuration, so that replicas
// whose Lifetime differs while it is being changed still open each other's nonces.
const roll = 3600

// keyring has the keys of the hours whose nonces can be valid now.
type keyring struct {
	derive   []func(hour int64) (nonceKey, error) // closures, so that no secret can be printed
	lifetime time.Duration
	mu       sync.Mutex // held to derive, so that it is done once
	current  atomic.Pointer[hours]
}

// rolls are the keys of consecutive hours, for each hour in the order of the secrets.
type hours struct {
	first, last int64
	keys        []nonceKey
}

type nonceKey struct {
	aead cipher.AEAD
	id   uint16 // which key it was, for whoever has the secret; two may have the same
}

func newKeyring(secrets [][]byte, service string, lifetime time.Duration) (*keyring, error) {
	if len(secrets) == 0 {
		random := make([]byte, minSecret)
		_, _ = rand.Read(random) // never fails: crypto/rand ends the process instead
		secrets = [][]byte{random}
	}
	k := &keyring{lifetime: lifetime}
	for _, secret := range secrets {
		prk, err := hkdf.Extract(sha256.New, secret, []byte("tegata replay nonce 1"))
		if err != nil {
			return nil, err
		}
		k.derive = append(k.derive, func(hour int64) (nonceKey, error) { return deriveNonceKey(prk, service, hour) })
	}
	// The same call that is repeated every hour fails here if it ever does.
	if _, err := k.turn(span(time.Now(), lifetime)); err != nil {
		return nil, err
	}
	return k, nil
}

// deriveNonceKey gives the key of one hour, counted from 1970.
func deriveNonceKey(prk []byte, service string, hour int64) (nonceKey, error) {
	info := binary.BigEndian.AppendUint64(appendPart(nil, service), uint64(hour))
	out, err := hkdf.Expand(sha256.New, prk, string(info), 32+2)
	if err != nil {
		return nonceKey{}, err
	}
	block, err := aes.NewCipher(out[:32])
	if err != nil {
		return nonceKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return nonceKey{aead: aead, id: binary.BigEndian.Uint16(out[32:])}, err
}

// span gives the first and the last hour in which a nonce was minted that can be valid now.
func span(now time.Time, lifetime time.Duration) (first, last int64) {
	return now.Add(-lifetime).Unix() / roll, now.Add(NonceSkew).Unix() / roll
}

// at gives the keys for now.
func (k *keyring) at(now time.Time) *hours {
	first, last := span(now, k.lifetime)
	if h := k.current.Load(); h != nil && h.first == first && h.last == last {
		return h
	}
	h, err := k.turn(first, last)
	if err != nil {
		panic("replay: " + err.Error()) // not reached: it succeeded in newKeyring
	}
	return h
}

// turn derives the keys from hour first to hour last.
func (k *keyring) turn(first, last int64) (*hours, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.current.Load(); h != nil && h.first == first && h.last == last {
		return h, nil
	}
	h := &hours{first: first, last: last}
	for at := first; at <= last; at++ {
		for _, derive := range k.derive {
			key, err := derive(at)
			if err != nil {
				return nil, err
			}
			h.keys = append(h.keys, key)
		}
	}
	k.current.Store(h)
	return h, nil
}

// sealing gives the key of the first secret for now.
func (h *hours) sealing(now time.Time) nonceKey {
	secrets := len(h.keys) / int(h.last-h.first+1)
	return h.keys[int(now.Unix()/roll-h.first)*secrets]
}

// open gives the time in the bytes of a nonce.
func (h *hours) open(raw []byte) (made time.Time, ok bool) {
	id := binary.BigEndian.Uint16(raw[sealedSize:])
	for i := range h.keys {
		if h.keys[i].id != id {
			continue
		}
		// On the heap, because AEAD is an interface: the nonce, then the time as 8 bytes, of
		// which the first 2 stay zero.
		buf := make([]byte, sealedSize+8)
		copy(buf, raw[:sealedSize])
		plain, err := h.keys[i].aead.Open(buf[sealedSize+8-timeSize:sealedSize+8-timeSize], nil, buf[:sealedSize], nil)
		if err == nil && len(plain) == timeSize {
			return time.UnixMilli(int64(binary.BigEndian.Uint64(buf[sealedSize:]))), true
		}
	}
	return time.Time{}, false
}
