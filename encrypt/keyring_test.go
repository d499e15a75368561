package encrypt_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

func TestNewKeyring(t *testing.T) {
	a, b := encrypt.Key{ID: "a", Secret: secret(1)}, encrypt.Key{ID: "b", Secret: secret(2)}
	for _, c := range []struct {
		name string
		keys []encrypt.Key
		want []string
	}{
		{"two", []encrypt.Key{a, b}, nil},
		{"none", nil, []string{"no key"}},
		{"no ID", []encrypt.Key{{Secret: secret(1)}}, []string{"no ID"}},
		{"long ID", []encrypt.Key{{ID: strings.Repeat("x", 129), Secret: secret(1)}}, []string{"128"}},
		{"quote in the ID", []encrypt.Key{{ID: `a"`, Secret: secret(1)}}, []string{"printable"}},
		{"backslash in the ID", []encrypt.Key{{ID: `a\`, Secret: secret(1)}}, []string{"printable"}},
		{"line end in the ID", []encrypt.Key{{ID: "a\n", Secret: secret(1)}}, []string{"printable"}},
		{"31 bytes", []encrypt.Key{{ID: "a", Secret: secret(1)[:31]}}, []string{"31 bytes"}},
		{"zeros", []encrypt.Key{{ID: "a", Secret: make([]byte, 32)}}, []string{"zeros"}},
		{"same ID", []encrypt.Key{a, {ID: "a", Secret: secret(2)}}, []string{"same ID"}},
		{"same secret", []encrypt.Key{a, {ID: "b", Secret: secret(1)}}, []string{"same Secret"}},
		{"all at once", []encrypt.Key{{}, {ID: "\x00", Secret: secret(1)}, {ID: "\x00", Secret: secret(1)}},
			[]string{"no ID", "0 bytes", "printable", "same ID", "same Secret"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: c.keys})
			if len(c.want) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%v; want %q in it", err, part)
				}
			}
		})
	}
	for _, n := range []int{-1, 1<<32 + 1} {
		if _, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{a}, Processes: n}); err == nil {
			t.Error(n, "processes accepted")
		}
	}
}

func TestSecretsAreCopied(t *testing.T) {
	s := secret('1')
	k, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "k1", Secret: s, Algorithm: encrypt.A256GCM}}})
	if err != nil {
		t.Fatal(err)
	}
	clear(s)
	sealed := seal(t, fields(t, encrypt.Config{Keys: k, Seal: []string{"/a"}}), `{"a":1}`, encrypt.Binding{})
	if _, err := fields(t, encrypt.Config{Open: []string{"/a"}}).OpenJSON(context.Background(), nil, []byte(sealed), encrypt.Binding{}); err != nil {
		t.Error(err)
	}
}

// Neither fmt, nor encoding/json, nor log/slog shows a secret, in whatever it is wrapped.
func TestSecretsDoNotPrint(t *testing.T) {
	s := secret('1')
	key := encrypt.Key{ID: "k1", Secret: s}
	k := ring(t, "k1")
	f := fields(t, encrypt.Config{Keys: k, Seal: []string{"/a"}})
	c := encrypt.KeyringConfig{Keys: []encrypt.Key{key}}
	var out strings.Builder
	for _, v := range []any{key.Secret, &key.Secret, key, &key, []encrypt.Key{key}, k, f} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%t"} {
			_, _ = fmt.Fprintf(&out, verb, v)
		}
	}
	_, _ = fmt.Fprintf(&out, "%+v %x", c.Keys, c.Keys)
	for _, v := range []any{key, key.Secret, map[string]any{"k": key}, k, f} {
		if raw, err := json.Marshal(v); err == nil {
			out.Write(raw)
		}
	}
	text, _ := key.Secret.MarshalText()
	out.Write(text)
	out.WriteString(key.Secret.String() + key.Secret.GoString())
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", key.Secret, "key", key, "ring", k)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", key.Secret, "key", key, "ring", k)
	shown := out.String()
	for _, form := range []string{string(s[:8]), hex.EncodeToString(s[:4]), strings.ToUpper(hex.EncodeToString(s[:4])),
		base64.StdEncoding.EncodeToString(s[:9]), base64.RawURLEncoding.EncodeToString(s[:9]),
		fmt.Sprintf("%d %d %d", s[0], s[1], s[2]), strings.TrimSuffix(fmt.Sprintf("%#v", s[:3])[7:], "}")} {
		if strings.Contains(shown, form) {
			t.Errorf("%q is shown", form)
		}
	}
	if !strings.Contains(shown, "[redacted]") {
		t.Error("nothing was shown at all")
	}
}

// E2, RFC7518-5.3: 2^32 values in all, so each process stops at its share.
func TestKeyIsUsedUp(t *testing.T) {
	k, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "k1", Secret: secret('1'), Algorithm: encrypt.A256GCM}}, Processes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	f := fields(t, encrypt.Config{Keys: k, Seal: []string{"/*"}, Open: []string{"/*"}})
	if k.Remaining() != 4 {
		t.Fatal(k.Remaining())
	}
	sealed := seal(t, f, `[1,2,3]`, encrypt.Binding{})
	if k.Remaining() != 1 {
		t.Fatal(k.Remaining())
	}
	out, err := f.SealJSON(context.Background(), []byte("x"), []byte(`[1,2]`), encrypt.Binding{})
	refused(t, err, encrypt.ErrExhausted, http.StatusServiceUnavailable)
	if string(out) != "x" || k.Remaining() != 0 {
		t.Error(out, k.Remaining())
	}
	if got, err := f.OpenJSON(context.Background(), nil, []byte(sealed), encrypt.Binding{}); err != nil || string(got) != `[1,2,3]` {
		t.Error("a key that is used up no longer opens:", err)
	}
	s, rec := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write([]byte(`[1]`))
	})
	res, body, err := call(t, s, "GET", "")
	if err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || strings.Contains(body, "[1]") {
		t.Error(res, body, err)
	}
	if rec.last(t)["reason"] != string(encrypt.ErrExhausted) {
		t.Error(rec.last(t))
	}
}

func TestZeroKeyring(t *testing.T) {
	var k encrypt.Keyring
	if k.Remaining() != 0 {
		t.Error(k.Remaining())
	}
	if _, err := encrypt.New(encrypt.Config{Keys: &k, Seal: []string{"/a"}}); err == nil {
		t.Error("accepted")
	}
	var f encrypt.Fields
	_, err := f.SealJSON(context.Background(), nil, []byte(`{}`), encrypt.Binding{})
	refused(t, err, encrypt.ErrUnsealed, 500)
	if _, err := f.OpenBody(&http.Request{}); !errors.Is(err, encrypt.ErrUnsealed) {
		t.Error(err)
	}
}
