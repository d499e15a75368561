package encrypt

import (
	"context"
	"crypto/subtle"
	"errors"
)

const mostStored = 64 << 20 // bytes of one value

// VaultConfig says with what a Vault seals.
type VaultConfig struct {
	_ [0]func()

	// Keys seal and open. Required.
	Keys Keys
	// MaxValue is the largest value in bytes that is sealed or opened; 0 is 64 MiB, which is the most.
	MaxValue int
}

// Vault seals what is stored: bytes, and through Column the columns of a database. JSON documents of which
// only some fields are sealed are the business of Fields. It is safe for concurrent use.
type Vault struct {
	keys Keys
	most int
}

// NewVault makes a Vault, or reports everything that is wrong with c.
func NewVault(c VaultConfig) (*Vault, error) {
	var errs []error
	if c.Keys == nil {
		errs = append(errs, errors.New("encrypt: no Keys"))
	}
	errs = append(errs, checkKeys(c.Keys))
	if c.MaxValue < 0 || c.MaxValue > mostStored {
		errs = append(errs, errors.New("encrypt: MaxValue is not between 1 byte and 64 MiB"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Vault{keys: c.Keys, most: or(c.MaxValue, mostStored)}, nil
}

// Seal gives plain as a compact JWE that is bound to the place. Errors are *audit.Refusal.
func (v *Vault) Seal(ctx context.Context, plain []byte, at Place) ([]byte, error) {
	if err := at.check(); err != nil {
		return nil, err
	}
	if v.keys == nil || len(plain) > v.most {
		return nil, unsealed(why("too large, or a Vault made without NewVault"))
	}
	c, err := v.keys.seals(ctx, at)
	if err != nil {
		return nil, err
	}
	out, work := c.seal(nil, nil, nil, c.header(nil, at.Name, at.binding()), plain)
	clear(work)
	return out, nil
}

// Open gives what Seal sealed for the same place. Whatever cannot be opened is one *audit.Refusal with
// ErrStored, except for keys that cannot be had (ErrKeys) and keys that were erased (ErrErased).
func (v *Vault) Open(ctx context.Context, sealed []byte, at Place) ([]byte, error) {
	plain, _, err := v.open(ctx, sealed, at)
	return plain, err
}

// Reseal gives sealed as it would be sealed today, and whether that is something new. Go over what is
// stored with it after a rotation, then remove the old key.
func (v *Vault) Reseal(ctx context.Context, sealed []byte, at Place) (out []byte, changed bool, err error) {
	plain, current, err := v.open(ctx, sealed, at)
	if err != nil || current {
		clear(plain)
		return sealed, false, err
	}
	defer clear(plain)
	if out, err = v.Seal(ctx, plain, at); err != nil {
		return sealed, false, err
	}
	return out, true, nil
}

func (v *Vault) open(ctx context.Context, sealed []byte, at Place) (plain []byte, current bool, err error) {
	if err := at.check(); err != nil {
		return nil, false, err
	}
	if v.keys == nil || len(sealed) > (v.most+tagSize)/3*4+maxHeaderText+maxWrappedText+64 {
		return nil, false, ofStored(why("too large, or a Vault made without NewVault"))
	}
	c, ok := split(sealed, maxWrappedText)
	if !ok {
		return nil, false, ofStored(causeParts)
	}
	h, ok := readHeader(c.header)
	if !ok || h.public() {
		return nil, false, ofStored(causeHeader)
	}
	from, current, err := v.keys.opens(ctx, h, c.encryptedKey, at)
	if err != nil {
		return nil, false, ofStored(err)
	}
	work, ok := c.decode(nil)
	if !ok {
		return nil, false, ofStored(causeParts)
	}
	expected := from.targets.appendTarget(nil, at.Name, storedType, at.Client, at.Record)
	placed := subtle.ConstantTimeCompare([]byte(h.target), expected) == 1
	plain, err = decryptGCM(from.aead, work, c.header)
	switch {
	case err != nil:
		return nil, false, ofStored(causeTag)
	case !placed || len(plain) > v.most:
		clear(plain)
		return nil, false, ofStored(causeTarget)
	}
	return plain, current, nil
}
