package encrypt_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/tegata-go/tegata/encrypt"
)

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
				return fields(t, encrypt.Config{Keys: k, Seal: []string{"/a/*"}, Open: []string{"/a/*"}})
			}
			stored := seal(t, f(make(t, "k1")), doc, encrypt.Binding{Record: "r"})
			renewed, err := f(make(t, "k2", "k1")).ResealJSON(context.Background(), nil, []byte(stored), encrypt.Binding{Record: "r"})
			if err != nil {
				t.Fatal(err)
			}
			if back, err := f(make(t, "k2")).OpenJSON(context.Background(), nil, renewed, encrypt.Binding{Record: "r"}); err != nil || string(back) != doc {
				t.Error(string(back), err)
			}
			if twice, err := f(make(t, "k2", "k1")).ResealJSON(context.Background(), nil, renewed, encrypt.Binding{Record: "r"}); err != nil || !bytes.Equal(twice, renewed) {
				t.Error(err)
			}
			for _, bad := range []string{doc, `{"a":[1]}`, `{`} {
				_, err := f(make(t, "k2", "k1")).ResealJSON(context.Background(), nil, []byte(bad), encrypt.Binding{})
				refused(t, err, encrypt.ErrStored, 500)
			}
		})
	}
}

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
