package encrypt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

// person holds a key pair, as its private and its public JWK set.
type person struct {
	alg             string
	raw             any
	private, public string
}

// people are one of each kind.
func people(t testing.TB) []person {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return []person{somebody(t, "ECDH-ES+A256KW", ec), somebody(t, "RSA-OAEP-256", rs), somebody(t, "ECDH-ES", ec)}
}

func somebody(t testing.TB, alg string, raw any) person {
	t.Helper()
	k, err := jwk.Import(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"kid": "enc-1", "use": "enc", "alg": alg} {
		if err := k.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	public, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	set := func(k jwk.Key) string {
		text, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		return `{"keys":[` + string(text) + `]}`
	}
	return person{alg: alg, raw: raw, private: set(k), public: set(public)}
}

func (p person) recipient(t testing.TB) *encrypt.Recipient {
	t.Helper()
	r, err := encrypt.NewRecipient([]byte(p.public))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (p person) keys(t testing.TB) *encrypt.PrivateKeys {
	t.Helper()
	k, err := encrypt.ParsePrivateKeys([]byte(p.private))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// opensAlone opens one compact JWE with jwx and the private key.
func (p person) opensAlone(t testing.TB, value string) string {
	t.Helper()
	alg, _ := jwa.LookupKeyEncryptionAlgorithm(p.alg)
	plain, err := jwe.Decrypt([]byte(value), jwe.WithKey(alg, p.raw))
	if err != nil {
		t.Fatalf("%s: %v", p.alg, err)
	}
	return string(plain)
}

// sealAlone makes one compact JWE with jwx, as a client that knows nothing of this package.
func (p person) sealAlone(t testing.TB, plain string) string {
	t.Helper()
	alg, _ := jwa.LookupKeyEncryptionAlgorithm(p.alg)
	public, err := jwk.PublicRawKeyOf(p.raw)
	if err != nil {
		t.Fatal(err)
	}
	headers := jwe.NewHeaders()
	if err := headers.Set("kid", "enc-1"); err != nil {
		t.Fatal(err)
	}
	out, err := jwe.Encrypt([]byte(plain), jwe.WithKey(alg, public), jwe.WithContentEncryption(jwa.A256GCM()), jwe.WithProtectedHeaders(headers))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Only the client whose key it is opens what is answered to it; any JOSE library does for it.
func TestRecipient(t *testing.T) {
	rules := []string{"/accounts/*/iban", "/accounts/*/owner"}
	doc := `{"accounts":[{"iban":"DE89","owner":{"n":0.10}},{"iban":"GB29","owner":null}]}`
	for _, p := range people(t) {
		t.Run("FLE-ctx/"+p.alg, func(t *testing.T) {
			f, err := encrypt.New(encrypt.Config{Recipient: p.recipient(t).Always, Seal: rules, Private: p.keys(t), Open: rules})
			if err != nil {
				t.Fatal(err)
			}
			s, _ := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", jsonType)
				_, _ = io.WriteString(w, doc)
			})
			_, body, err := call(t, s, "GET", "")
			if err != nil {
				t.Fatal(err)
			}
			first, second := sealedAt(t, body, "accounts", 0, "iban"), sealedAt(t, body, "accounts", 1, "owner")
			if got := p.opensAlone(t, first) + p.opensAlone(t, second); got != `"DE89"null` {
				t.Error(got)
			}
			if strings.Split(first, ".")[1] != strings.Split(second, ".")[1] || strings.Split(first, ".")[2] == strings.Split(second, ".")[2] {
				t.Error("not one content key with fresh IVs")
			}
			var head struct{ Kid, Field, Tgt string }
			if err := json.Unmarshal([]byte(decode(t, strings.Split(first, ".")[0])), &head); err != nil || head.Kid != "enc-1" || head.Field == "" || len(head.Tgt) != 43 {
				t.Error(head, err)
			}
			_, again, _ := call(t, s, "GET", "")
			if strings.Split(sealedAt(t, again, "accounts", 0, "iban"), ".")[0] == strings.Split(first, ".")[0] && p.alg != "RSA-OAEP-256" {
				t.Error("two answers share an ephemeral key")
			}
			if back, err := f.OpenJSON(nil, []byte(body), encrypt.Binding{}); err != nil || string(back) != doc {
				t.Error(string(back), err)
			}
			other := people(t)
			for _, o := range other {
				g, err := encrypt.New(encrypt.Config{Private: o.keys(t), Open: rules})
				if err != nil {
					t.Fatal(err)
				}
				_, err = g.OpenJSON(nil, []byte(body), encrypt.Binding{})
				refused(t, err, encrypt.ErrOpen, 400)
			}
		})
	}
}

// pitfall-99: moved to another field, client or record it does not open with us.
func TestRecipientBound(t *testing.T) {
	home := encrypt.Binding{Client: "client-1", Record: "acc-1"}
	for _, p := range people(t) {
		f, err := encrypt.New(encrypt.Config{Recipient: p.recipient(t).Always, Seal: []string{"/a", "/b"}, Private: p.keys(t), Open: []string{"/a", "/b"}})
		if err != nil {
			t.Fatal(err)
		}
		to := home
		to.Recipient = p.recipient(t)
		value := sealedAt(t, seal(t, f, `{"a":"DE89"}`, to), "a")
		if _, err := f.OpenJSON(nil, []byte(`{"a":"`+value+`"}`), home); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			doc string
			b   encrypt.Binding
		}{
			"field":   {`{"b":"` + value + `"}`, home},
			"client":  {`{"a":"` + value + `"}`, encrypt.Binding{Client: "client-2", Record: "acc-1"}},
			"record":  {`{"a":"` + value + `"}`, encrypt.Binding{Client: "client-1"}},
			"unbound": {`{"a":"` + p.sealAlone(t, `"DE89"`) + `"}`, home},
		} {
			t.Run("pitfall-99/"+p.alg+" "+name, func(t *testing.T) {
				_, err := f.OpenJSON(nil, []byte(c.doc), c.b)
				refused(t, err, encrypt.ErrOpen, 400)
			})
		}
		_, err = f.SealJSON(nil, []byte(`{"a":1}`), home)
		refused(t, err, encrypt.ErrBinding, 500)
	}
}

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
		kinds = append(kinds, kind{alg, fields(t, encrypt.Config{Keyring: k, Seal: rules, Open: rules, DangerouslyOpenUnbound: true}), encrypt.Binding{}})
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
					out, err := k.f.OpenJSON(nil, []byte(`{"a":"`+bad+`"}`), encrypt.Binding{})
					if err == nil {
						t.Fatalf("byte %d of %s changed, and it opens to %s", i, value, out)
					}
					refused(t, err, encrypt.ErrOpen, 400)
				}
			}
			for cut := range value {
				if _, err := k.f.OpenJSON(nil, []byte(`{"a":"`+value[:cut]+`"}`), encrypt.Binding{}); err == nil {
					t.Fatal("cut at", cut)
				}
			}
		})
	}
}

// Who has no key gets nothing, and the handler does not run.
func TestNoRecipient(t *testing.T) {
	ran := false
	for name, source := range map[string]func(*http.Request) (*encrypt.Recipient, error){
		"none": func(*http.Request) (*encrypt.Recipient, error) { return nil, nil },
		"its own": func(*http.Request) (*encrypt.Recipient, error) {
			return nil, &audit.Refusal{Reason: encrypt.ErrRecipient, Status: http.StatusForbidden, Final: true}
		},
	} {
		t.Run("FLE-handler/"+name, func(t *testing.T) {
			f, err := encrypt.New(encrypt.Config{Recipient: source, Seal: []string{"/a"}})
			if err != nil {
				t.Fatal(err)
			}
			s, rec := server(t, f, func(*http.Request, *audit.Refusal) bool { return true }, func(http.ResponseWriter, *http.Request) { ran = true })
			res, _, err := call(t, s, "GET", "")
			if err != nil || res.StatusCode != 403 || rec.last(t)["reason"] != string(encrypt.ErrRecipient) || ran {
				t.Error(res, err, ran)
			}
		})
	}
	f, err := encrypt.New(encrypt.Config{Recipient: func(*http.Request) (*encrypt.Recipient, error) { return new(encrypt.Recipient), nil }, Seal: []string{"/a"}})
	if err != nil {
		t.Fatal(err)
	}
	s, rec := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, `{"a":"DE89"}`)
	})
	if res, body, err := call(t, s, "GET", ""); err != nil || res.StatusCode != 500 || strings.Contains(body, "DE89") || rec.last(t)["reason"] != string(encrypt.ErrUnsealed) {
		t.Error(res, body, err)
	}
}

func TestNewRecipient(t *testing.T) {
	all := people(t)
	member := func(p person) string { return strings.TrimSuffix(strings.TrimPrefix(p.public, `{"keys":[`), `]}`) }
	ec, rs := member(all[0]), member(all[1])
	bare := strings.Replace(strings.Replace(ec, `"use":"enc"`, `"x5t":"y"`, 1), `"alg":"ECDH-ES+A256KW",`, "", 1)
	for _, c := range []struct{ name, set, alg string }{
		{"EC", ec, "ECDH-ES+A256KW"},
		{"RSA first", rs + `,` + ec, "RSA-OAEP-256"},
		{"behind a signature key", `{"kty":"EC","use":"sig","crv":"P-256","x":"AA","y":"AA"},` + ec, "ECDH-ES+A256KW"},
		{"says nothing", bare, "ECDH-ES+A256KW"},
		{"says nothing, behind one that does", bare + `,` + rs, "RSA-OAEP-256"},
		{"FAPI1-ADV-8.6.1 RSA1_5", strings.Replace(rs, "RSA-OAEP-256", "RSA1_5", 1), ""},
		{"RFC7518-4.3 RSA-OAEP", strings.Replace(rs, "RSA-OAEP-256", "RSA-OAEP", 1), ""},
		{"signature algorithm", strings.Replace(ec, "ECDH-ES+A256KW", "ES256", 1), ""},
		{"algorithm of the other kind", strings.Replace(ec, "ECDH-ES+A256KW", "RSA-OAEP-256", 1), ""},
		{"private", strings.TrimSuffix(strings.TrimPrefix(all[0].private, `{"keys":[`), `]}`), ""},
		{"symmetric", `{"kty":"oct","k":"AA"}`, ""},
		{"kid that fits no header", strings.Replace(ec, "enc-1", `enc\u0022`, 1), ""},
		{"none", ``, ""},
	} {
		t.Run("RFC7516-5.2-2/"+c.name, func(t *testing.T) {
			r, err := encrypt.NewRecipient([]byte(`{"keys":[` + c.set + `]}`))
			if (err == nil) != (c.alg != "") {
				t.Fatal(err)
			}
			if c.alg == "" {
				return
			}
			f, err := encrypt.New(encrypt.Config{Recipient: r.Always, Seal: []string{"/a"}})
			if err != nil {
				t.Fatal(err)
			}
			if h := header(t, seal(t, f, `{"a":1}`, encrypt.Binding{Recipient: r})); !strings.HasPrefix(h, `{"alg":"`+c.alg+`",`) {
				t.Error(h)
			}
		})
	}
	for _, set := range []string{`[]`, `x`, strings.Repeat(" ", 2<<20)} {
		if _, err := encrypt.NewRecipient([]byte(set)); err == nil {
			t.Error("accepted")
		}
		if _, err := encrypt.ParsePrivateKeys([]byte(set)); err == nil {
			t.Error("accepted")
		}
	}
	if _, err := encrypt.ParsePrivateKeys([]byte(strings.Replace(all[0].private, "]}", ","+strings.TrimPrefix(all[0].private, `{"keys":[`), 1))); err == nil {
		t.Error("two keys with one kid")
	}
	if text := fmt.Sprintf("%v %+v %#v %x", all[0].keys(t), all[0].keys(t), all[0].keys(t), all[0].recipient(t)); strings.Count(text, "redacted") != 3 {
		t.Error(text)
	}
}

// A client with a plain JOSE library wraps a key for every value; each costs a private key operation, so
// there is a bound.
func TestUnboundSender(t *testing.T) {
	p := people(t)[0]
	f, err := encrypt.New(encrypt.Config{Private: p.keys(t), Open: []string{"/*"}, DangerouslyOpenUnbound: true})
	if err != nil {
		t.Fatal(err)
	}
	list := func(n int) []byte {
		var all []string
		for i := range n {
			all = append(all, `"`+p.sealAlone(t, fmt.Sprint(i))+`"`)
		}
		return []byte(`[` + strings.Join(all, ",") + `]`)
	}
	if out, err := f.OpenJSON(nil, list(3), encrypt.Binding{}); err != nil || string(out) != `[0,1,2]` {
		t.Error(string(out), err)
	}
	if _, err := f.OpenJSON(nil, list(32), encrypt.Binding{}); err != nil {
		t.Error(err)
	}
	_, err = f.OpenJSON(nil, list(33), encrypt.Binding{})
	refused(t, err, encrypt.ErrOpen, 400)
	if _, err := f.OpenJSON(nil, list(32), encrypt.Binding{}); err != nil {
		t.Error("the bound reaches into the next message:", err)
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
	f := fields(t, encrypt.Config{Keyring: keys("k1"), Seal: rules, Open: rules})
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
	g := fields(t, encrypt.Config{Keyring: keys("k2", "k1"), Seal: rules, Open: rules})
	for _, one := range append(sealed, seal(t, g, `["x",2]`, encrypt.Binding{})) {
		if back, err := g.OpenJSON(nil, []byte(one), encrypt.Binding{}); err != nil || string(back) != `["x",2]` {
			t.Error(string(back), err)
		}
	}
	// Values of two messages in one, and back and forth.
	mixed := `["` + first + `","` + second + `","` + first + `"]`
	if back, err := f.OpenJSON(nil, []byte(mixed), encrypt.Binding{}); err != nil || string(back) != `["x","x","x"]` {
		t.Error(string(back), err)
	}
	// A key is for one algorithm.
	direct := fields(t, encrypt.Config{Keyring: ring(t, "k1"), Open: rules})
	_, err := direct.OpenJSON(nil, []byte(sealed[0]), encrypt.Binding{})
	refused(t, err, encrypt.ErrOpen, 400)
	if _, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "a", Secret: secret(1), Algorithm: "A128KW"}}}); err == nil {
		t.Error("A128KW accepted")
	}
}

func TestConfigOfRecipients(t *testing.T) {
	p := people(t)[0]
	for name, c := range map[string]encrypt.Config{
		"Seal has neither":    {Seal: []string{"/a"}, Private: p.keys(t), Open: []string{"/a"}},
		"Open has neither":    {Open: []string{"/a"}},
		"Recipient without":   {Recipient: p.recipient(t).Always, Keyring: ring(t, "k1"), Open: []string{"/a"}},
		"Private without":     {Private: p.keys(t), Keyring: ring(t, "k1"), Seal: []string{"/a"}},
		"ParsePrivateKeys":    {Private: new(encrypt.PrivateKeys), Open: []string{"/a"}},
		"more than 512 bytes": {Keyring: ring(t, "k1"), Seal: []string{"/" + strings.Repeat("x", 512)}},
	} {
		if _, err := encrypt.New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v; want %q in it", err, name)
		}
	}
}
