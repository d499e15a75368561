package encrypt

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	customerKeyName  = "tegata/encrypt customer key"
	defaultCustomers = 4096
	mostCustomers    = 1 << 20
	defaultRecall    = time.Minute
	mostRecall       = time.Hour
)

// CustomerKeysConfig says where the keys of customers are kept, sealed.
type CustomerKeysConfig struct {
	_ [0]func()

	// Vault seals the customers' keys. Its own Keys must be a *Keyring or *DataKeys. Required.
	Vault *Vault
	// Load gives the sealed key of a customer; nil without an error if there is none. Required.
	Load func(ctx context.Context, customer string) (sealed []byte, err error)
	// Create stores the sealed key of a customer unless there already is one, in one atomic step, and
	// gives the one that is there. It decides what becomes of customers whose key was erased: an error
	// of it, which is taken for an outage unless it is an *audit.Refusal, keeps them from getting a new
	// one. Required.
	Create func(ctx context.Context, customer string, sealed []byte) (stored []byte, err error)
	// Delete destroys the sealed key of a customer for good, in backups too as far as can be. That it
	// is not there is no error. Required.
	Delete func(ctx context.Context, customer string) error

	// MaxAge is how long a customer's key is remembered in this process; 0 is a minute, and an hour is
	// the most. So long may other processes than the one that erased a key still open with it.
	MaxAge time.Duration
	// MaxCached is how many customers' keys are remembered; 0 is 4096.
	MaxCached int
}

// CustomerKeys are Keys of a Vault of which each Place.Client has its own, so that everything sealed for a
// customer is gone when that one key is: crypto-erasure. It is safe for concurrent use.
type CustomerKeys struct {
	config CustomerKeysConfig

	mu     sync.Mutex
	erased uint64 // how often; what was loaded before does not enter the cache
	known  *simplelru.LRU[string, customerKey]
}

type customerKey struct {
	key   *key
	until time.Time
}

// NewCustomerKeys makes CustomerKeys, or reports everything that is wrong with c. It calls no function.
func NewCustomerKeys(c CustomerKeysConfig) (*CustomerKeys, error) {
	var errs []error
	wrong := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New("encrypt: "+text))
		}
	}
	wrong(c.Vault == nil || c.Vault.keys == nil, "no Vault for the customers' keys")
	if c.Vault != nil {
		_, nested := c.Vault.keys.(*CustomerKeys)
		wrong(nested, "the Vault for the customers' keys has CustomerKeys itself")
	}
	wrong(c.Load == nil || c.Create == nil || c.Delete == nil, "Load, Create and Delete are all needed")
	wrong(c.MaxAge < 0 || c.MaxAge > mostRecall, fmt.Sprintf("MaxAge is not between 1ns and %v", mostRecall))
	wrong(c.MaxCached < 0 || c.MaxCached > mostCustomers, fmt.Sprintf("MaxCached is not between 1 and %d", mostCustomers))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultRecall
	}
	known, err := simplelru.NewLRU[string, customerKey](or(c.MaxCached, defaultCustomers), nil)
	if err != nil {
		return nil, err
	}
	return &CustomerKeys{config: c, known: known}, nil
}

// Format writes no more than that these are keys, whatever the verb.
func (c *CustomerKeys) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "encrypt.CustomerKeys"+redacted)
}

// Erase destroys the key of a customer, and with it everything that was sealed under it: from then on it is
// ErrErased here at once, and in other processes after MaxAge.
func (c *CustomerKeys) Erase(ctx context.Context, customer string) error {
	if customer == "" {
		return unbound()
	}
	err := c.config.Delete(ctx, customer)
	c.mu.Lock()
	c.erased++
	c.known.Remove(customer)
	c.mu.Unlock()
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func (c *CustomerKeys) seals(ctx context.Context, at Place) (*content, error) {
	k, err := c.find(ctx, at.Client)
	if err == nil && k == nil {
		k, err = c.create(ctx, at.Client)
	}
	if err != nil {
		return nil, err
	}
	out, err := k.sealing()
	if err != nil {
		return nil, unsealed(err)
	}
	return out, nil
}

func (c *CustomerKeys) opens(ctx context.Context, h header, encryptedKey []byte, at Place) (*content, bool, error) {
	if h.alg != A256KW {
		return nil, false, causeHeader
	}
	k, err := c.find(ctx, at.Client)
	if err != nil {
		return nil, false, err
	}
	if k == nil || k.id != h.kid {
		return nil, false, erased()
	}
	out, err := k.opening(encryptedKey)
	return out, true, err
}

// find gives a customer's key, nil if there is none.
func (c *CustomerKeys) find(ctx context.Context, customer string) (*key, error) {
	if customer == "" {
		return nil, unbound()
	}
	c.mu.Lock()
	known, ok := c.known.Get(customer)
	before := c.erased
	c.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.key, nil
	}
	sealed, err := c.config.Load(ctx, customer)
	if err != nil {
		return nil, outage(err)
	}
	if sealed == nil {
		return nil, nil
	}
	return c.unseal(ctx, customer, sealed, before)
}

// create makes a key for a customer, or finds that somebody else just did.
func (c *CustomerKeys) create(ctx context.Context, customer string) (*key, error) {
	secret := make([]byte, secretSize)
	defer clear(secret)
	_, _ = rand.Read(secret)
	c.mu.Lock()
	before := c.erased
	c.mu.Unlock()
	sealed, err := c.config.Vault.Seal(ctx, secret, Place{Name: customerKeyName, Client: customer})
	if err != nil {
		return nil, err
	}
	stored, err := c.config.Create(ctx, customer, sealed)
	if err != nil {
		return nil, outage(err)
	}
	return c.unseal(ctx, customer, stored, before)
}

// unseal opens a customer's key and remembers it, unless a key was erased since before.
func (c *CustomerKeys) unseal(ctx context.Context, customer string, sealed []byte, before uint64) (*key, error) {
	secret, err := c.config.Vault.Open(ctx, sealed, Place{Name: customerKeyName, Client: customer})
	defer clear(secret)
	if err != nil {
		return nil, err
	}
	if len(secret) != secretSize {
		return nil, ofStored(causeKey)
	}
	// The ID tells this key from one that the customer had before, and nothing about it.
	id, err := hkdf.Key(sha256.New, secret, nil, "tegata/encrypt key id", 16)
	if err != nil {
		return nil, unsealed(err)
	}
	k, err := makeKey(Key{ID: base64.RawURLEncoding.EncodeToString(id), Secret: secret, Algorithm: A256KW}, 0)
	if err != nil {
		return nil, unsealed(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.erased == before {
		c.known.Add(customer, customerKey{key: k, until: time.Now().Add(c.config.MaxAge)})
	}
	return k, nil
}
