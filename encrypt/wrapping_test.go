package encrypt_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/tegata-go/tegata/encrypt"
)

// A change of any one byte of any kind of sealed value is refused.
func TestEveryByteOfEveryKind(t *testing.T) {
	type kind struct {
		name string
		f    *encrypt.Fields
		b    encrypt.Binding
	}
	rules := []string{"/a"}
	var kinds []kind
	for _, alg := range []string{encrypt.A256GCM, encrypt.A256KW} {
		k, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "k1", Secret: secret(1), Algorithm: alg}}})
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, kind{alg, fields(t, encrypt.Config{Keys: k, Seal: rules, Open: rules, DangerouslyOpenUnbound: true}), encrypt.Binding{}})
	}
	for _, p := range people(t) {
		f, err := encrypt.New(encrypt.Config{Recipient: p.recipient(t).Always, Seal: rules, Private: p.keys(t), Open: rules, DangerouslyOpenUnbound: true})
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, kind{p.alg, f, encrypt.Binding{Recipient: p.recipient(t)}})
	}
	for _, k := range kinds {
		t.Run("FLE-ctx/"+k.name, func(t *testing.T) {
			value := sealedAt(t, seal(t, k.f, `{"a":"DE89"}`, k.b), "a")
			for i := range value {
				for _, c := range []byte{flip(value[i]), '.', '=', 'A'} {
					if c == value[i] {
						continue
					}
					bad := value[:i] + string(c) + value[i+1:]
					out, err := k.f.OpenJSON(context.Background(), nil, []byte(`{"a":"`+bad+`"}`), encrypt.Binding{})
					if err == nil {
						t.Fatalf("byte %d of %s changed, and it opens to %s", i, value, out)
					}
					refused(t, err, encrypt.ErrOpen, 400)
				}
			}
			for cut := range value {
				if _, err := k.f.OpenJSON(context.Background(), nil, []byte(`{"a":"`+value[:cut]+`"}`), encrypt.Binding{}); err == nil {
					t.Fatal("cut at", cut)
				}
			}
		})
	}
}

// The key that wraps, the default of a Keyring: one content key for each message, rotation as ever.
func TestWrappingKeyring(t *testing.T) {
	rules := []string{"/*"}
	keys := func(ids ...string) *encrypt.Keyring {
		var all []encrypt.Key
		for _, id := range ids {
			all = append(all, encrypt.Key{ID: id, Secret: secret(id[1])})
		}
		k, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: all, Processes: 1 << 32})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	f := fields(t, encrypt.Config{Keys: keys("k1"), Seal: rules, Open: rules})
	var sealed []string
	for range 3 {
		sealed = append(sealed, seal(t, f, `["x",2]`, encrypt.Binding{}))
	}
	first, second := sealedAt(t, sealed[0], 0), sealedAt(t, sealed[1], 0)
	if strings.Split(first, ".")[1] == strings.Split(second, ".")[1] || strings.Split(first, ".")[1] != strings.Split(sealedAt(t, sealed[0], 1), ".")[1] {
		t.Error("not one content key for each message")
	}
	if plain, err := jwe.Decrypt([]byte(first), jwe.WithKey(jwa.A256KW(), secret('1'))); err != nil || string(plain) != `"x"` {
		t.Error(string(plain), err)
	}
	g := fields(t, encrypt.Config{Keys: keys("k2", "k1"), Seal: rules, Open: rules})
	for _, one := range append(sealed, seal(t, g, `["x",2]`, encrypt.Binding{})) {
		if back, err := g.OpenJSON(context.Background(), nil, []byte(one), encrypt.Binding{}); err != nil || string(back) != `["x",2]` {
			t.Error(string(back), err)
		}
	}
	// Values of two messages in one, and back and forth.
	mixed := `["` + first + `","` + second + `","` + first + `"]`
	if back, err := f.OpenJSON(context.Background(), nil, []byte(mixed), encrypt.Binding{}); err != nil || string(back) != `["x","x","x"]` {
		t.Error(string(back), err)
	}
	// A key is for one algorithm.
	direct := fields(t, encrypt.Config{Keys: ring(t, "k1"), Open: rules})
	_, err := direct.OpenJSON(context.Background(), nil, []byte(sealed[0]), encrypt.Binding{})
	refused(t, err, encrypt.ErrOpen, 400)
	if _, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "a", Secret: secret(1), Algorithm: "A128KW"}}}); err == nil {
		t.Error("A128KW accepted")
	}
}

// One layer opens with the bank's Keyring and seals to the caller.
func TestBothKinds(t *testing.T) {
	p := people(t)[0]
	for _, keys := range []*encrypt.Keyring{wrapping(t, "k1"), ring(t, "k1")} {
		f := fields(t, encrypt.Config{Keys: keys, Open: []string{"/a"}, Recipient: p.recipient(t).Always, Seal: []string{"/b"}})
		sealed := seal(t, fields(t, encrypt.Config{Keys: keys, Seal: []string{"/a"}}), `{"a":"DE89"}`, encrypt.Binding{})
		s, _ := server(t, f, nil, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != `{"a":"DE89"}` {
				t.Error(string(body), err)
			}
			w.Header().Set("Content-Type", jsonType)
			_, _ = io.WriteString(w, `{"b":"GB29"}`)
		})
		res, body, err := call(t, s, "POST", sealed)
		if err != nil || res.StatusCode != 200 || p.opensAlone(t, sealedAt(t, body, "b")) != `"GB29"` {
			t.Error(res, body, err)
		}
	}
}
