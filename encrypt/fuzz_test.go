package encrypt_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

// Whatever opens was sealed with the key: jwx opens it too, to the same bytes.
func FuzzOpen(f *testing.F) {
	fs := fields(f, encrypt.Config{Keys: ring(f, "k1", "k2"), Seal: []string{"/a"}, Open: []string{"/a"}})
	good := sealedAt(f, seal(f, fs, `{"a":"DE89"}`, encrypt.Binding{}), "a")
	seeds := hostile(f, good)
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	f.Add(good)
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		text, _ := json.Marshal(value)
		out, err := fs.OpenJSON(context.Background(), nil, fmt.Appendf(nil, `{"a":%s}`, text), encrypt.Binding{})
		var refusal *audit.Refusal
		if err != nil {
			if !errors.As(err, &refusal) || refusal.Reason != encrypt.ErrOpen && refusal.Reason != encrypt.ErrTooLarge {
				t.Fatalf("%v", err)
			}
			return
		}
		plain, err := jwe.Decrypt([]byte(value), jwe.WithKey(jwa.DIRECT(), secret('1')))
		if err != nil || string(out) != `{"a":`+string(plain)+`}` {
			t.Fatalf("%s opens to %s; jwx says %q, %v", value, out, plain, err)
		}
	})
}

// E4: open after seal is identity on the bytes of every document, whatever the kind of key.
func FuzzRoundTrip(f *testing.F) {
	rules := []string{"/a/*/v", "/b", "/0", "/c"}
	var kinds []*encrypt.Fields
	all := sources(f)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		kinds = append(kinds, fields(f, encrypt.Config{Keys: all[name], Seal: rules, Open: rules}))
	}
	if len(exact) == 0 || len(kinds) == 0 {
		f.Fatal("no seeds")
	}
	for _, v := range exact {
		f.Add([]byte(`{"a":[{"v":`+v+`}],"b":`+v+`}`), "client", "", byte(0))
		f.Add([]byte(`[`+v+`]`), "client", "record", byte(len(v)))
	}
	f.Fuzz(func(t *testing.T, doc []byte, client, record string, kind byte) {
		fs := kinds[int(kind)%len(kinds)]
		b := encrypt.Binding{Client: client, Record: record}
		sealed, err := fs.SealJSON(context.Background(), nil, doc, b)
		if err != nil {
			return
		}
		back, err := fs.OpenJSON(context.Background(), nil, sealed, b)
		if err != nil || !bytes.Equal(back, doc) {
			t.Fatalf("%q became %q, then %q, %v", doc, sealed, back, err)
		}
		again, err := fs.SealJSON(context.Background(), nil, sealed, b)
		if err != nil || !bytes.Equal(again, sealed) {
			t.Fatalf("%q sealed again became %q, %v", sealed, again, err)
		}
	})
}

// What ParseKeys accepts has keys of 32 bytes, and written again it is read the same.
func FuzzParseKeys(f *testing.F) {
	seeds := []string{`{"keys":[{"kty":"oct","kid":"a","k":"` + base64.RawURLEncoding.EncodeToString(secret(1)) + `"}]}`, `{"keys":[]}`, `{"keys":[{"kty":"oct"}]}`}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		keys, err := encrypt.ParseKeys(in)
		if (err == nil) == (len(keys) == 0) {
			t.Fatal(keys, err)
		}
		var again strings.Builder
		again.WriteString(`{"keys":[`)
		for i, k := range keys {
			if len(k.Secret) != 32 || k.ID == "" {
				t.Fatal(i, len(k.Secret))
			}
			id, _ := json.Marshal(k.ID)
			_, _ = fmt.Fprintf(&again, `{"kty":"oct","kid":%s,"k":"%s"},`, id, base64.RawURLEncoding.EncodeToString(k.Secret))
		}
		if err != nil {
			return
		}
		back, err := encrypt.ParseKeys([]byte(strings.TrimSuffix(again.String(), ",") + "]}"))
		if err != nil || len(back) != len(keys) {
			t.Fatal(err)
		}
		for i := range back {
			if back[i].ID != keys[i].ID || string(back[i].Secret) != string(keys[i].Secret) {
				t.Fatal("read differently")
			}
		}
	})
}
