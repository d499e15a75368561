package encrypt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

func TestVaultConfig(t *testing.T) {
	master := vault(t, ring(t, "k1"))
	good := (&store{rows: map[string][]byte{}}).config(master)
	for want, err := range map[string]error{
		"no Keys":              second(encrypt.NewVault(encrypt.VaultConfig{})),
		"NewKeyring":           second(encrypt.NewVault(encrypt.VaultConfig{Keys: new(encrypt.Keyring)})),
		"NewDataKeys":          second(encrypt.NewVault(encrypt.VaultConfig{Keys: new(encrypt.DataKeys)})),
		"NewCustomerKeys":      second(encrypt.NewVault(encrypt.VaultConfig{Keys: new(encrypt.CustomerKeys)})),
		"MaxValue":             second(encrypt.NewVault(encrypt.VaultConfig{Keys: ring(t, "k1"), MaxValue: -1})),
		"no KeyID":             second(encrypt.NewDataKeys(encrypt.DataKeysConfig{})),
		"Wrap and Unwrap":      second(encrypt.NewDataKeys(encrypt.DataKeysConfig{KeyID: "x"})),
		"printable":            second(encrypt.NewDataKeys(encrypt.DataKeysConfig{KeyID: "\n"})),
		"MaxUses":              second(encrypt.NewDataKeys(encrypt.DataKeysConfig{MaxUses: 1<<32 + 1})),
		"MaxAge":               second(encrypt.NewDataKeys(encrypt.DataKeysConfig{MaxAge: 25 * time.Hour})),
		"MaxCached":            second(encrypt.NewDataKeys(encrypt.DataKeysConfig{MaxCached: -1})),
		"no Vault":             second(encrypt.NewCustomerKeys(encrypt.CustomerKeysConfig{})),
		"Load, Create":         second(encrypt.NewCustomerKeys(encrypt.CustomerKeysConfig{Vault: master})),
		"between 1ns and 1h":   second(encrypt.NewCustomerKeys(encrypt.CustomerKeysConfig{MaxAge: 2 * time.Hour})),
		"between 1 and 104857": second(encrypt.NewCustomerKeys(encrypt.CustomerKeysConfig{MaxCached: -1})),
		"itself":               second(encrypt.NewCustomerKeys(encrypt.CustomerKeysConfig{Vault: vault(t, customers(t, &store{}, master)), Load: good.Load})),
		"needs a Vault":        second(encrypt.NewColumn(nil, "x")),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	var zero encrypt.Vault
	_, err := zero.Seal(context.Background(), nil, home)
	refused(t, err, encrypt.ErrUnsealed, 500)
	_, err = zero.Open(context.Background(), nil, home)
	refused(t, err, encrypt.ErrStored, 500)
	own := &audit.Refusal{Reason: "test: gone", Status: 403}
	good.Load = func(context.Context, string) ([]byte, error) { return nil, own }
	k, err := encrypt.NewCustomerKeys(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = vault(t, k).Seal(context.Background(), nil, home); !errors.Is(err, audit.Reason("test: gone")) {
		t.Error("a refusal of the configuration's own is lost:", err)
	}
	small, err := encrypt.NewVault(encrypt.VaultConfig{Keys: ring(t, "k1"), MaxValue: 4})
	if err != nil {
		t.Fatal(err)
	}
	_, err = small.Seal(context.Background(), []byte("12345"), home)
	refused(t, err, encrypt.ErrUnsealed, 500)
	long, _ := master.Seal(context.Background(), []byte("12345"), home)
	_, err = small.Open(context.Background(), long, home)
	refused(t, err, encrypt.ErrStored, 500)
}

func second[T any](_ T, err error) error { return err }
