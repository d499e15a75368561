package encrypt_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

// Values may be any JSON; what stands in their place is an object of one member.
func TestMember(t *testing.T) {
	p := people(t)[1]
	rules := []string{"", "/path/to/foo", "/list/*"}
	for _, rule := range rules {
		for _, inside := range exact {
			doc := `{"path":{"to":{"foo":` + inside + `,"x":1}},"list":[` + inside + `]}`
			f := fields(t, encrypt.Config{Seal: []string{rule}, Open: []string{rule}, Member: "encryptedData"})
			sealed := seal(t, f, doc, encrypt.Binding{})
			if !strings.Contains(sealed, `{"encryptedData":"eyJ`) || !json.Valid([]byte(sealed)) {
				t.Fatal(sealed)
			}
			if twice := seal(t, f, sealed, encrypt.Binding{}); twice != sealed {
				t.Errorf("sealed twice: %s", twice)
			}
			if back, err := f.OpenJSON(context.Background(), nil, []byte(sealed), encrypt.Binding{}); err != nil || string(back) != doc {
				t.Errorf("%q: %s, %v", rule, back, err)
			}
		}
	}
	f, err := encrypt.New(encrypt.Config{Private: p.keys(t), Open: []string{"/a"}, Member: "encryptedData", DangerouslyOpenUnbound: true})
	if err != nil {
		t.Fatal(err)
	}
	good := p.sealAlone(t, `[1]`)
	for _, in := range []string{`{"encryptedData":"` + good + `"}`, `{ "encryptedData" : "` + good + `"}`} {
		if out, err := f.OpenJSON(context.Background(), nil, []byte(`{"a":`+in+`}`), encrypt.Binding{}); err != nil || string(out) != `{"a":[1]}` {
			t.Error(string(out), err)
		}
	}
	for _, in := range []string{`"` + good + `"`, `{}`, `{"encryptedData":"` + good + `","x":1}`, `{"EncryptedData":"` + good + `"}`, `{"encryptedData":["` + good + `"]}`,
		`{"encryptedData":""}`, `{"encryptedData":null}`, `{"encryptedData":{"encryptedData":"` + good + `"}}`, `[]`, `null`, `1`} {
		_, err := f.OpenJSON(context.Background(), nil, []byte(`{"a":`+in+`}`), encrypt.Binding{})
		refused(t, err, encrypt.ErrOpen, 400)
	}
	for _, name := range []string{"\xff", strings.Repeat("x", 129)} {
		if _, err := encrypt.New(encrypt.Config{Keys: ring(t, "k1"), Seal: []string{"/a"}, Member: name}); err == nil {
			t.Errorf("%q accepted", name)
		}
	}
	quoted := fields(t, encrypt.Config{Seal: []string{"/a"}, Open: []string{"/a"}, Member: `a"\<é`})
	if back, err := quoted.OpenJSON(context.Background(), nil, []byte(seal(t, quoted, `{"a":1}`, encrypt.Binding{})), encrypt.Binding{}); err != nil || string(back) != `{"a":1}` {
		t.Error(string(back), err)
	}
}

// The vectors that Mastercard publishes open, or are refused for their algorithm.
func TestMastercardVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/mastercard.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Key     json.RawMessage
		Vectors []struct {
			Name, Plain, JWE string
			Refused          bool
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil || len(file.Vectors) == 0 {
		t.Fatal("no vectors", err)
	}
	// Their key has no kid, their messages name a certificate: give the key that name.
	withID := strings.Replace(string(file.Key), "{", `{"kid":"761b003c1eade3a5490e5000d37887baa5e6ec0e226c07706e599451fc032a79",`, 1)
	keys, err := encrypt.ParsePrivateKeys([]byte(`{"keys":[` + withID + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	f, err := encrypt.New(encrypt.Config{Private: keys, Open: []string{"/path/to/foo"}, Member: "encryptedData", DangerouslyOpenUnbound: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		t.Run("pitfall-100/"+v.Name, func(t *testing.T) {
			doc := func(inside string) string { return `{"path":{"to":{"foo":` + inside + `}}}` }
			out, err := f.OpenJSON(context.Background(), nil, []byte(doc(`{"encryptedData":"`+v.JWE+`"}`)), encrypt.Binding{})
			if v.Refused {
				refused(t, err, encrypt.ErrOpen, 400)
				return
			}
			if err != nil || string(out) != doc(v.Plain) {
				t.Error(string(out), err)
			}
		})
	}
}
