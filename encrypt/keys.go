package encrypt

import (
	"context"
	"errors"
)

// Keys is where the keys that seal and open come from: a *Keyring, *DataKeys or *CustomerKeys.
type Keys interface {
	// seals gives what seals a value, which it counts, and more values until its bounds are reached.
	seals(ctx context.Context, at Place) (*content, error)
	// opens gives what opens a value, and whether it is what would seal it today.
	opens(ctx context.Context, h header, encryptedKey []byte, at Place) (c *content, current bool, err error)
}

// checkKeys reports Keys that nobody made.
func checkKeys(keys Keys) error {
	switch k := keys.(type) {
	case *Keyring:
		if k == nil || len(k.keys) == 0 {
			return errors.New("encrypt: a Keyring made without NewKeyring")
		}
	case *DataKeys:
		if k == nil || k.slot == nil {
			return errors.New("encrypt: DataKeys made without NewDataKeys")
		}
	case *CustomerKeys:
		if k == nil || k.config.Vault == nil {
			return errors.New("encrypt: CustomerKeys made without NewCustomerKeys")
		}
	}
	return nil
}

// maxKeyOf is how long an encrypted key may be in what keys open, in base64url.
func maxKeyOf(keys Keys) int {
	if _, ok := keys.(*DataKeys); ok {
		return maxWrappedText
	}
	return maxKeyText
}

func (k *Keyring) seals(context.Context, Place) (*content, error) {
	c, err := k.keys[0].sealing()
	if err != nil {
		return nil, unsealed(err)
	}
	if !c.bounds.use() {
		return nil, exhausted()
	}
	return c, nil
}

func (k *Keyring) opens(_ context.Context, h header, encryptedKey []byte, _ Place) (*content, bool, error) {
	found := k.find(h.kid, symmetric(h.alg))
	if found == nil {
		return nil, false, causeKey
	}
	c, err := found.opening(encryptedKey)
	return c, found == k.keys[0], err
}
