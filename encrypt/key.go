package encrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/tegata-go/tegata/internal/jwe"
)

// Algorithms of the keys of a Keyring.
const (
	A256KW  = "A256KW"  // RFC 7518 §4.4: wraps a fresh content key for every message
	A256GCM = "A256GCM" // RFC 7518 §4.5 and §5.3, "dir": seals the values itself
)

// Key is one symmetric key of 256 bits.
type Key struct {
	// ID is the "kid" of values sealed under the key: 1 to 128 printable ASCII characters
	// without quote and backslash.
	ID string
	// Secret is 32 random bytes. NewKeyring copies it.
	Secret Secret
	// Algorithm is what the key is used for, and the only thing: A256KW, also if it is empty, or
	// A256GCM, whose values are shorter by 54 characters and of which a key seals 2^32 at most.
	Algorithm string
}

// check reports what is wrong with the key at index i, never by quoting the secret.
func (k Key) check(i int) error {
	var errs []error
	if k.ID == "" {
		errs = append(errs, fmt.Errorf("encrypt: key %d has no ID", i))
	} else if wrong := badKeyID(k.ID); wrong != "" {
		errs = append(errs, fmt.Errorf("encrypt: key %d has an ID %s", i, wrong))
	}
	if len(k.Secret) != secretSize {
		errs = append(errs, fmt.Errorf("encrypt: key %d has a Secret of %d bytes, not %d", i, len(k.Secret), secretSize))
	} else if allZero(k.Secret) {
		errs = append(errs, fmt.Errorf("encrypt: key %d has a Secret of zeros", i))
	}
	if k.Algorithm != "" && k.Algorithm != A256KW && k.Algorithm != A256GCM {
		errs = append(errs, fmt.Errorf("encrypt: key %d has an Algorithm that is neither A256KW nor A256GCM", i))
	}
	return errors.Join(errs...)
}

// badKeyID says what keeps an ID out of a header.
func badKeyID(id string) string {
	if len(id) > maxKeyID {
		return fmt.Sprintf("of more than %d bytes", maxKeyID)
	}
	for _, c := range []byte(id) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return "with other than printable ASCII, or with a quote or backslash"
		}
	}
	return ""
}

func allZero(secret []byte) bool {
	var all byte
	for _, b := range secret {
		all |= b
	}
	return all == 0
}

// key is one key, ready for use.
type key struct {
	id        string
	algorithm string
	block     cipher.Block // of A256KW
	own       content      // of A256GCM; of A256KW all but the cipher
	digests   []byte       // the key of searchable digests
}

// makeKey makes a key of which an A256GCM key seals limit values.
func makeKey(k Key, limit uint64) (*key, error) {
	made := &key{id: k.ID, algorithm: k.Algorithm}
	alg := "dir"
	if k.Algorithm != A256GCM {
		alg, made.algorithm = A256KW, A256KW
	}
	own, err := newContent(k.Secret, `"alg":"`+alg+`","enc":"A256GCM","kid":"`+k.ID+`"`, nil)
	if err != nil {
		return nil, err
	}
	made.own = *own
	made.own.bounds = &bounds{most: limit}
	if alg == A256KW {
		made.own.aead, made.own.bounds = nil, nil // a message has its own
		if made.block, err = aes.NewCipher(k.Secret); err != nil {
			return nil, err
		}
	}
	made.digests, err = digestKey(k.Secret)
	return made, err
}

// sealing gives what seals the values of one message.
func (k *key) sealing() (*content, error) {
	if k.block == nil {
		return &k.own, nil
	}
	var cek [secretSize]byte
	defer clear(cek[:])
	_, _ = rand.Read(cek[:])
	var room [jwe.WrappedBytes]byte
	c := k.own
	var err error
	c.encryptedKey = base64.RawURLEncoding.AppendEncode(nil, jwe.WrapKey(room[:0], k.block, &cek))
	c.aead, err = newGCM(cek[:])
	return &c, err
}

// opening gives what opens a value with this encrypted key, in base64url. Whether the key is intact the tag of
// the value tells, as for every other fault (RFC 7516 §11.5).
func (k *key) opening(encryptedKey []byte) (*content, error) {
	if k.block == nil {
		if len(encryptedKey) > 0 {
			return nil, causeParts
		}
		return &k.own, nil
	}
	wrapped, err := base64.RawURLEncoding.Strict().AppendDecode(nil, encryptedKey)
	if err != nil || len(wrapped) != jwe.WrappedBytes {
		return nil, causeParts
	}
	cek := jwe.UnwrapKey(k.block, wrapped)
	if cek == nil {
		cek = make([]byte, secretSize)
		_, _ = rand.Read(cek)
	}
	defer clear(cek)
	c := k.own
	c.aead, err = newGCM(cek)
	return &c, err
}
