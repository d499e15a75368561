package encrypt_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"

	"github.com/tegata-go/tegata/audit"
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

// E3, pitfall-99: what is stored opens byte for byte where it belongs and nowhere else, and no byte of it can change.
func TestVault(t *testing.T) {
	ctx := context.Background()
	for name, keys := range sources(t) {
		t.Run("pitfall-99/"+name, func(t *testing.T) {
			v := vault(t, keys)
			for _, plain := range []string{"DE89", "", "\x00\xff", strings.Repeat("x", 100_000)} {
				sealed, err := v.Seal(ctx, []byte(plain), home)
				if err != nil || bytes.Contains(sealed, []byte("DE89")) {
					t.Fatal(err)
				}
				if back, err := v.Open(ctx, sealed, home); err != nil || string(back) != plain {
					t.Fatal(len(back), err)
				}
			}
			sealed, err := v.Seal(ctx, []byte("DE89"), home)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []encrypt.Place{{Name: "accounts.owner", Client: "c1", Record: "r1"}, {Name: "accounts.iban", Client: "c1", Record: "r2"},
				{Name: "accounts.iban", Client: "c1"}, {Name: "accounts.iban", Client: "c1r1"}} {
				_, err := v.Open(ctx, sealed, at)
				if name != "customers" || at.Client == "c1" {
					refused(t, err, encrypt.ErrStored, 500)
				}
			}
			_, err = v.Open(ctx, sealed, encrypt.Place{Name: "accounts.iban", Client: "c2", Record: "r1"})
			if err == nil {
				t.Error("opened for another customer")
			}
			for i := range sealed {
				bad := bytes.Clone(sealed)
				bad[i] = flip(bad[i])
				out, err := v.Open(ctx, bad, home)
				if err == nil || out != nil {
					t.Fatalf("byte %d of %s changed, and it opens", i, sealed)
				}
			}
			for _, bad := range [][]byte{nil, []byte("DE89"), []byte("...."), sealed[:len(sealed)-1], append(bytes.Clone(sealed), '\n')} {
				_, err := v.Open(ctx, bad, home)
				refused(t, err, encrypt.ErrStored, 500)
			}
			_, err = v.Seal(ctx, nil, encrypt.Place{Client: "c1"})
			refused(t, err, encrypt.ErrBinding, 500)
			_, err = v.Open(ctx, sealed, encrypt.Place{Client: "c1"})
			refused(t, err, encrypt.ErrBinding, 500)
		})
	}
	sealed, err := vault(t, ring(t, "k1")).Seal(ctx, []byte("DE89"), home)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := jwe.Decrypt(sealed, jwe.WithKey(jwa.DIRECT(), secret('1'))); err != nil || string(plain) != "DE89" {
		t.Error("no JOSE library opens it:", err)
	}
	// What was sealed for a message is not taken for something stored.
	f := fields(t, encrypt.Config{Seal: []string{"/a"}})
	_, err = vault(t, ring(t, "k1")).Open(ctx, []byte(sealedAt(t, seal(t, f, `{"a":1}`, encrypt.Binding{}), "a")), encrypt.Place{Name: "/a"})
	refused(t, err, encrypt.ErrStored, 500)
}

// E7: after a rotation the old opens, and is sealed anew.
func TestReseal(t *testing.T) {
	ctx := context.Background()
	for name, make := range map[string]func(testing.TB, ...string) *encrypt.Keyring{"A256GCM": ring, "A256KW": wrapping} {
		t.Run("FLE-kid/"+name, func(t *testing.T) {
			old, both, last := vault(t, make(t, "k1")), vault(t, make(t, "k2", "k1")), vault(t, make(t, "k2"))
			sealed, err := old.Seal(ctx, []byte("DE89"), home)
			if err != nil {
				t.Fatal(err)
			}
			_, err = last.Open(ctx, sealed, home)
			refused(t, err, encrypt.ErrStored, 500)
			again, changed, err := both.Reseal(ctx, sealed, home)
			if err != nil || !changed {
				t.Fatal(changed, err)
			}
			if plain, err := last.Open(ctx, again, home); err != nil || string(plain) != "DE89" {
				t.Error(err)
			}
			if same, changed, err := both.Reseal(ctx, again, home); err != nil || changed || !bytes.Equal(same, again) {
				t.Error(changed, err)
			}
			if kept, changed, err := last.Reseal(ctx, sealed, home); err == nil || changed || !bytes.Equal(kept, sealed) {
				t.Error("something that did not open was replaced")
			}
			doc := `{"x": 0.10, "a":["DE89",-0]}`
			f := func(k *encrypt.Keyring) *encrypt.Fields {
				return fields(t, encrypt.Config{Keyring: k, Seal: []string{"/a/*"}, Open: []string{"/a/*"}})
			}
			stored := seal(t, f(make(t, "k1")), doc, encrypt.Binding{Record: "r"})
			renewed, err := f(make(t, "k2", "k1")).ResealJSON(nil, []byte(stored), encrypt.Binding{Record: "r"})
			if err != nil {
				t.Fatal(err)
			}
			if back, err := f(make(t, "k2")).OpenJSON(nil, renewed, encrypt.Binding{Record: "r"}); err != nil || string(back) != doc {
				t.Error(string(back), err)
			}
			if twice, err := f(make(t, "k2", "k1")).ResealJSON(nil, renewed, encrypt.Binding{Record: "r"}); err != nil || !bytes.Equal(twice, renewed) {
				t.Error(err)
			}
			for _, bad := range []string{doc, `{"a":[1]}`, `{`} {
				_, err := f(make(t, "k2", "k1")).ResealJSON(nil, []byte(bad), encrypt.Binding{})
				refused(t, err, encrypt.ErrStored, 500)
			}
		})
	}
}

// E8: one call to the service for many values, within limits of uses and time; an outage is 503.
func TestDataKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, service := context.Background(), newKMS(t)
		c := service.config()
		c.MaxUses, c.MaxAge = 3, time.Minute
		v := vault(t, dataKeys(t, c))
		var all [][]byte
		one := func() {
			t.Helper()
			sealed, err := v.Seal(ctx, []byte("DE89"), home)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, sealed)
		}
		for range 7 {
			one()
		}
		if service.wraps != 3 {
			t.Error(service.wraps, "wraps for 7 values of which a key seals 3")
		}
		time.Sleep(time.Minute)
		one()
		if service.wraps != 4 {
			t.Error("a key was used beyond its time")
		}
		for range 2 {
			for _, sealed := range all {
				if plain, err := v.Open(ctx, sealed, home); err != nil || string(plain) != "DE89" {
					t.Fatal(err)
				}
			}
		}
		if service.opened != 3 {
			t.Error(service.opened, "unwraps; three keys were past their time")
		}
		fresh := vault(t, dataKeys(t, c))
		if _, err := fresh.Open(ctx, all[0], home); err != nil {
			t.Error(err)
		}
		service.down = errors.New("secret text")
		time.Sleep(time.Minute)
		_, err := v.Seal(ctx, nil, home)
		refused(t, err, encrypt.ErrKeys, http.StatusServiceUnavailable)
		if strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
		_, err = v.Open(ctx, all[0], home)
		refused(t, err, encrypt.ErrKeys, http.StatusServiceUnavailable)
		service.down = nil
		one()
		again, changed, err := v.Reseal(ctx, all[0], home)
		if err != nil || changed || !bytes.Equal(again, all[0]) {
			t.Error(changed, err)
		}
		c.KeyID = "kms-2"
		if _, changed, err = vault(t, dataKeys(t, c)).Reseal(ctx, all[0], home); err != nil || !changed {
			t.Error(changed, err)
		}
	})
}

// Who waits for a data key that somebody else is asking for gives up with its own context.
func TestDataKeysHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newKMS(t).config()
		c.Wrap = func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		v := vault(t, dataKeys(t, c))
		slow, stop := context.WithTimeout(context.Background(), time.Hour)
		defer stop()
		go func() { _, _ = v.Seal(slow, nil, home) }()
		synctest.Wait()
		quick, stopQuick := context.WithTimeout(context.Background(), time.Second)
		defer stopQuick()
		began := time.Now()
		_, err := v.Seal(quick, nil, home)
		refused(t, err, encrypt.ErrKeys, 503)
		if time.Since(began) != time.Second {
			t.Error(time.Since(began))
		}
	})
}

// E12: with a customer's key everything of that customer is gone, and of nobody else.
func TestErase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, rows := context.Background(), &store{rows: map[string][]byte{}}
		master := vault(t, wrapping(t, "k1"))
		keys := customers(t, rows, master)
		v, elsewhere := vault(t, keys), vault(t, customers(t, rows, master))
		other := home
		other.Client = "c2"
		mine, err := v.Seal(ctx, []byte("DE89"), home)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := v.Seal(ctx, []byte("GB29"), other)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := elsewhere.Open(ctx, mine, home); err != nil || string(plain) != "DE89" {
			t.Fatal(err)
		}
		if bytes.Equal(rows.rows["c1"], rows.rows["c2"]) || len(rows.rows) != 2 {
			t.Error("customers share a key")
		}
		if err := keys.Erase(ctx, "c1"); err != nil {
			t.Fatal(err)
		}
		_, err = v.Open(ctx, mine, home)
		refused(t, err, encrypt.ErrErased, 403)
		time.Sleep(time.Minute)
		_, err = elsewhere.Open(ctx, mine, home)
		refused(t, err, encrypt.ErrErased, 403)
		if plain, err := v.Open(ctx, theirs, other); err != nil || string(plain) != "GB29" {
			t.Error(err)
		}
		// A new key for the same customer opens nothing of the old.
		if _, err := v.Seal(ctx, []byte("new"), home); err != nil {
			t.Fatal(err)
		}
		_, err = v.Open(ctx, mine, home)
		refused(t, err, encrypt.ErrErased, 403)
		// The key of one customer put in the place of another's is none.
		rows.rows["c3"] = rows.rows["c2"]
		_, err = v.Seal(ctx, nil, encrypt.Place{Name: "x", Client: "c3"})
		refused(t, err, encrypt.ErrStored, 500)
		rows.down = errors.New("down")
		for _, err := range []error{keys.Erase(ctx, "c2"), func() error { _, err := v.Open(ctx, theirs, other); return err }(),
			func() error { _, err := v.Seal(ctx, nil, encrypt.Place{Name: "x", Client: "c9"}); return err }()} {
			refused(t, err, encrypt.ErrKeys, 503)
		}
		refused(t, keys.Erase(ctx, ""), encrypt.ErrBinding, 500)
		_, err = v.Seal(ctx, nil, encrypt.Place{Name: "x"})
		refused(t, err, encrypt.ErrBinding, 500)
	})
}

// What is loaded while a key is erased does not come back through the cache.
func TestEraseWhileLoading(t *testing.T) {
	ctx, rows := context.Background(), &store{rows: map[string][]byte{}}
	c := rows.config(vault(t, wrapping(t, "k1")))
	load := c.Load
	var keys *encrypt.CustomerKeys
	meanwhile := func() {}
	c.Load = func(ctx context.Context, id string) ([]byte, error) {
		sealed, err := load(ctx, id)
		meanwhile()
		return sealed, err
	}
	keys, err := encrypt.NewCustomerKeys(c)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := vault(t, keys).Seal(ctx, []byte("DE89"), home)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = encrypt.NewCustomerKeys(c); err != nil { // with nothing remembered
		t.Fatal(err)
	}
	v := vault(t, keys)
	meanwhile = func() {
		meanwhile = func() {}
		if err := keys.Erase(ctx, "c1"); err != nil {
			t.Error(err)
		}
	}
	_, _ = v.Open(ctx, sealed, home) // it was loaded before
	_, err = v.Open(ctx, sealed, home)
	refused(t, err, encrypt.ErrErased, 403)
}

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

// E10: equal values are found, under old keys too, and names keep kinds apart.
func TestDigests(t *testing.T) {
	old, both := ring(t, "k1"), ring(t, "k2", "k1")
	a := old.Digests("accounts.iban", []byte("DE89"))
	b := both.Digests("accounts.iban", []byte("DE89"))
	if len(a) != 1 || len(b) != 2 || b[1] != a[0] || b[0] == a[0] || len(a[0]) != 43 {
		t.Error(a, b)
	}
	for _, other := range [][]string{old.Digests("accounts.iban", []byte("DE88")), old.Digests("accounts.owner", []byte("DE89")), old.Digests("accounts.ibanD", []byte("E89"))} {
		if other[0] == a[0] {
			t.Error("collision")
		}
	}
}

// Open after Seal is identity on bytes, for any place; another place opens nothing.
func FuzzVault(f *testing.F) {
	v := vault(f, wrapping(f, "k1"))
	seeds := []string{"", "DE89", "\x00"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s), "n", s, "r", byte(0))
	}
	f.Fuzz(func(t *testing.T, plain []byte, name, client, record string, move byte) {
		at := encrypt.Place{Name: name, Client: client, Record: record}
		sealed, err := v.Seal(context.Background(), plain, at)
		if (err == nil) != (name != "") {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if back, err := v.Open(context.Background(), sealed, at); err != nil || !bytes.Equal(back, plain) {
			t.Fatal(err)
		}
		switch moved := at; move % 3 {
		case 0:
			moved.Name += "x"
			_, err = v.Open(context.Background(), sealed, moved)
		case 1:
			moved.Client += "x"
			_, err = v.Open(context.Background(), sealed, moved)
		case 2:
			moved.Record += "x"
			_, err = v.Open(context.Background(), sealed, moved)
		}
		if err == nil {
			t.Fatal("moved, and it opens")
		}
	})
}
