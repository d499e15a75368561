package encrypt

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// algorithmKMS is the "alg" of values whose data key a key management service wrapped: a name that nobody
// else uses (RFC 7516 §4.1.1).
const algorithmKMS = "tegata-go.github.com/kms"

const (
	maxWrapped      = 6 << 10 // bytes of a wrapped data key
	maxWrappedText  = maxWrapped / 3 * 4
	defaultUses     = 1 << 20
	defaultKeyAge   = 10 * time.Minute
	mostKeyAge      = 24 * time.Hour
	defaultDataKeys = 1024
	mostDataKeys    = 1 << 20
)

// DataKeysConfig says who wraps data keys and how long they are used.
type DataKeysConfig struct {
	_ [0]func()

	// KeyID names the service's key that Wrap uses today. It stands in every value as its "kid", and
	// Unwrap gets it back. The same bounds as for Key.ID. Required.
	KeyID string
	// Wrap lets the key management service encrypt a data key of 32 bytes, to at most 6 KiB. Unwrap
	// lets it decrypt what Wrap gave, under the key with this ID; nil without an error says that it is
	// nothing of the service's. An error of either is taken for an outage: ErrKeys. Both must end with
	// ctx, and must not keep dataKey. Required.
	Wrap   func(ctx context.Context, dataKey []byte) (wrapped []byte, err error)
	Unwrap func(ctx context.Context, keyID string, wrapped []byte) (dataKey []byte, err error)

	// MaxUses is how many values one data key seals; 0 is 2^20, and 2^32 is the most (NIST SP 800-38D §8.3).
	MaxUses uint64
	// MaxAge is how long a data key is used, and remembered after it was unwrapped; 0 is 10 minutes, and
	// 24 hours is the most. So long does a key that was withdrawn at the service still open here.
	MaxAge time.Duration
	// MaxCached is how many unwrapped data keys are remembered; 0 is 1024.
	MaxCached int
}

// DataKeys are Keys of a Vault that a key management service wraps: each value carries its data key,
// wrapped. It is safe for concurrent use.
type DataKeys struct {
	config DataKeysConfig
	slot   chan struct{} // held by who makes a data key

	mu    sync.Mutex
	today *content
	known *simplelru.LRU[string, *dataKey]
}

// dataKey is one that is remembered, to open with.
type dataKey struct {
	content *content
	until   time.Time
}

// NewDataKeys makes DataKeys, or reports everything that is wrong with c. It calls neither function.
func NewDataKeys(c DataKeysConfig) (*DataKeys, error) {
	var errs []error
	wrong := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("encrypt: "+text))
		}
	}
	wrong(c.KeyID == "", "no KeyID")
	wrong(badKeyID(c.KeyID) != "", "a KeyID "+badKeyID(c.KeyID))
	wrong(c.Wrap == nil || c.Unwrap == nil, "Wrap and Unwrap are both needed")
	wrong(c.MaxUses > maxSeals, "MaxUses is more than 2^32")
	wrong(c.MaxAge < 0 || c.MaxAge > mostKeyAge, fmt.Sprintf("MaxAge is not between 1ns and %v", mostKeyAge))
	wrong(c.MaxCached < 0 || c.MaxCached > mostDataKeys, fmt.Sprintf("MaxCached is not between 1 and %d", mostDataKeys))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.MaxUses == 0 {
		c.MaxUses = defaultUses
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultKeyAge
	}
	known, err := simplelru.NewLRU[string, *dataKey](or(c.MaxCached, defaultDataKeys), nil)
	if err != nil {
		return nil, err
	}
	return &DataKeys{config: c, slot: make(chan struct{}, 1), known: known}, nil
}

// Format writes no more than that these are keys, whatever the verb.
func (d *DataKeys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "encrypt.DataKeys"+redacted) }

func (d *DataKeys) seals(ctx context.Context, _ Place) (*content, error) {
	if c := d.use(); c != nil {
		return c, nil
	}
	select { // one at a time asks the service; who waits gives up with its own context
	case d.slot <- struct{}{}:
		defer func() { <-d.slot }()
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	}
	if c := d.use(); c != nil {
		return c, nil
	}
	return d.renew(ctx)
}

// use counts one more value under today's key; nil: there is none, or it has done its work.
func (d *DataKeys) use() *content {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.today == nil || !d.today.bounds.use() {
		d.today = nil
	}
	return d.today
}

// renew makes a data key and lets the service wrap it. The first use is the caller's.
func (d *DataKeys) renew(ctx context.Context) (*content, error) {
	secret := make([]byte, secretSize)
	defer clear(secret)
	_, _ = rand.Read(secret)
	wrapped, err := d.config.Wrap(ctx, append([]byte(nil), secret...))
	if err == nil && (len(wrapped) == 0 || len(wrapped) > maxWrapped) {
		err = why("a wrapped key of no bytes, or of too many")
	}
	if err != nil {
		return nil, unavailable(err)
	}
	made, err := d.keep(secret, d.config.KeyID, base64.RawURLEncoding.AppendEncode(nil, wrapped))
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	today := *made // what is remembered opens only
	today.bounds = &bounds{most: d.config.MaxUses, until: time.Now().Add(d.config.MaxAge)}
	today.bounds.used.Add(1)
	d.today = &today
	return d.today, nil
}

// keep remembers a data key.
func (d *DataKeys) keep(secret []byte, kid string, encryptedKey []byte) (*content, error) {
	c, err := newContent(secret, `"alg":"`+algorithmKMS+`","enc":"A256GCM","kid":"`+kid+`"`, encryptedKey)
	if err != nil {
		return nil, unavailable(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known.Add(kid+" "+string(encryptedKey), &dataKey{content: c, until: time.Now().Add(d.config.MaxAge)})
	return c, nil
}

func (d *DataKeys) opens(ctx context.Context, h header, encryptedKey []byte, _ Place) (*content, bool, error) {
	if h.alg != algorithmKMS || badKeyID(h.kid) != "" {
		return nil, false, causeHeader
	}
	current := h.kid == d.config.KeyID
	if c := d.remembered(h.kid + " " + string(encryptedKey)); c != nil {
		return c, current, nil
	}
	wrapped, err := base64.RawURLEncoding.Strict().AppendDecode(nil, encryptedKey)
	if err != nil || len(wrapped) == 0 || len(wrapped) > maxWrapped {
		return nil, false, causeParts
	}
	secret, err := d.config.Unwrap(ctx, h.kid, wrapped)
	defer clear(secret)
	switch {
	case err != nil:
		return nil, false, unavailable(err)
	case len(secret) != secretSize:
		return nil, false, causeKey
	}
	c, err := d.keep(secret, h.kid, append([]byte(nil), encryptedKey...))
	return c, current, err
}

func (d *DataKeys) remembered(name string) *content {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.known.Get(name)
	if !ok {
		return nil
	}
	if !time.Now().Before(k.until) {
		d.known.Remove(name)
		return nil
	}
	return k.content
}
