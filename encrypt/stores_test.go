package encrypt_test

import (
	"context"
	"sync"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

func vault(t testing.TB, keys encrypt.Keys) *encrypt.Vault {
	t.Helper()
	v, err := encrypt.NewVault(encrypt.VaultConfig{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wrapping(t testing.TB, ids ...string) *encrypt.Keyring {
	t.Helper()
	var all []encrypt.Key
	for _, id := range ids {
		all = append(all, encrypt.Key{ID: id, Secret: secret(id[len(id)-1])})
	}
	k, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: all})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// kms is a key management service: a Keyring that counts its calls.
type kms struct {
	mu            sync.Mutex
	ring          *encrypt.Vault
	wraps, opened int
	down          error
}

func newKMS(t testing.TB) *kms { return &kms{ring: vault(t, wrapping(t, "m1"))} }

func (k *kms) config() encrypt.DataKeysConfig {
	at := encrypt.Place{Name: "data key"}
	return encrypt.DataKeysConfig{KeyID: "kms-1",
		Wrap: func(ctx context.Context, key []byte) ([]byte, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.wraps++; k.down != nil {
				return nil, k.down
			}
			return k.ring.Seal(ctx, key, at)
		},
		Unwrap: func(ctx context.Context, id string, wrapped []byte) ([]byte, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.opened++; k.down != nil {
				return nil, k.down
			}
			if id != "kms-1" {
				return nil, nil
			}
			key, err := k.ring.Open(ctx, wrapped, at)
			if err != nil {
				return nil, nil
			}
			return key, nil
		}}
}

func dataKeys(t testing.TB, c encrypt.DataKeysConfig) *encrypt.DataKeys {
	t.Helper()
	d, err := encrypt.NewDataKeys(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// store keeps the sealed keys of customers.
type store struct {
	mu   sync.Mutex
	rows map[string][]byte
	down error
}

func (s *store) config(v *encrypt.Vault) encrypt.CustomerKeysConfig {
	return encrypt.CustomerKeysConfig{Vault: v,
		Load: func(_ context.Context, id string) ([]byte, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.rows[id], s.down
		},
		Create: func(_ context.Context, id string, sealed []byte) ([]byte, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.rows[id] == nil {
				s.rows[id] = sealed
			}
			return s.rows[id], s.down
		},
		Delete: func(_ context.Context, id string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.rows, id)
			return s.down
		}}
}

func customers(t testing.TB, s *store, v *encrypt.Vault) *encrypt.CustomerKeys {
	t.Helper()
	c, err := encrypt.NewCustomerKeys(s.config(v))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sources are all kinds of Keys.
func sources(t testing.TB) map[string]encrypt.Keys {
	return map[string]encrypt.Keys{
		"A256GCM":   ring(t, "k1"),
		"A256KW":    wrapping(t, "k1"),
		"KMS":       dataKeys(t, newKMS(t).config()),
		"customers": customers(t, &store{rows: map[string][]byte{}}, vault(t, wrapping(t, "k1"))),
	}
}

var home = encrypt.Place{Name: "accounts.iban", Client: "c1", Record: "r1"}
