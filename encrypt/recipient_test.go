package encrypt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

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
			if back, err := f.OpenJSON(context.Background(), nil, []byte(body), encrypt.Binding{}); err != nil || string(back) != doc {
				t.Error(string(back), err)
			}
			other := people(t)
			for _, o := range other {
				g, err := encrypt.New(encrypt.Config{Private: o.keys(t), Open: rules})
				if err != nil {
					t.Fatal(err)
				}
				_, err = g.OpenJSON(context.Background(), nil, []byte(body), encrypt.Binding{})
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
		if _, err := f.OpenJSON(context.Background(), nil, []byte(`{"a":"`+value+`"}`), home); err != nil {
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
				_, err := f.OpenJSON(context.Background(), nil, []byte(c.doc), c.b)
				refused(t, err, encrypt.ErrOpen, 400)
			})
		}
		_, err = f.SealJSON(context.Background(), nil, []byte(`{"a":1}`), home)
		refused(t, err, encrypt.ErrBinding, 500)
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
	if out, err := f.OpenJSON(context.Background(), nil, list(3), encrypt.Binding{}); err != nil || string(out) != `[0,1,2]` {
		t.Error(string(out), err)
	}
	if _, err := f.OpenJSON(context.Background(), nil, list(32), encrypt.Binding{}); err != nil {
		t.Error(err)
	}
	_, err = f.OpenJSON(context.Background(), nil, list(33), encrypt.Binding{})
	refused(t, err, encrypt.ErrOpen, 400)
	if _, err := f.OpenJSON(context.Background(), nil, list(32), encrypt.Binding{}); err != nil {
		t.Error("the bound reaches into the next message:", err)
	}
}

func TestConfigOfRecipients(t *testing.T) {
	p := people(t)[0]
	for name, c := range map[string]encrypt.Config{
		"Seal has neither":    {Seal: []string{"/a"}, Private: p.keys(t), Open: []string{"/a"}},
		"Open has neither":    {Open: []string{"/a"}},
		"Recipient without":   {Recipient: p.recipient(t).Always, Keys: ring(t, "k1"), Open: []string{"/a"}},
		"Private without":     {Private: p.keys(t), Keys: ring(t, "k1"), Seal: []string{"/a"}},
		"ParsePrivateKeys":    {Private: new(encrypt.PrivateKeys), Open: []string{"/a"}},
		"more than 512 bytes": {Keys: ring(t, "k1"), Seal: []string{"/" + strings.Repeat("x", 512)}},
	} {
		if _, err := encrypt.New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v; want %q in it", err, name)
		}
	}
}
