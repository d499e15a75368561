package encrypt_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"

	"github.com/tegata-go/tegata/encrypt"
)

// header gives the protected header of the sealed member a.
func header(t testing.TB, sealed string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(sealedAt(t, sealed, "a"), ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// foreign makes a compact JWE by hand, with any header, under the key of an ID.
func foreign(t testing.TB, id, head, inside string) string {
	t.Helper()
	block, err := aes.NewCipher(secret(id[len(id)-1]))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, 12)
	_, _ = rand.Read(iv)
	out := gcm.Seal(nil, iv, []byte(inside), []byte(b64(head)))
	n := len(out) - 16
	return strings.Join([]string{b64(head), "", b64(string(iv)), b64(string(out[:n])), b64(string(out[n:]))}, ".")
}

// target is tgt, written down a second time from the package documentation.
func target(t testing.TB, id, rule, mediaType, client, record string) string {
	t.Helper()
	k, err := hkdf.Key(sha256.New, secret(id[len(id)-1]), nil, "tegata/encrypt tgt", 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, k)
	for _, part := range []string{"1", rule, mediaType, client, record} {
		_ = binary.Write(mac, binary.BigEndian, uint32(len(part)))
		mac.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestSealedForm(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/x/*/a"}})
	b := encrypt.Binding{Client: "c1", Record: "r1"}
	out := seal(t, f, `{"x":[{"a":"DE89"}]}`, b)
	value := sealedAt(t, out, "x", 0, "a")
	parts := strings.Split(value, ".")
	want := `{"alg":"dir","enc":"A256GCM","kid":"k1","tgt":"` + target(t, "k1", "/x/*/a", jsonType, "c1", "r1") + `"}`
	if got, _ := base64.RawURLEncoding.DecodeString(parts[0]); string(got) != want {
		t.Errorf("header %s; want %s", got, want)
	}
	t.Run("RFC7518-5.3", func(t *testing.T) {
		if len(parts) != 5 || parts[1] != "" || len(parts[2]) != 16 || len(parts[4]) != 22 {
			t.Error(parts)
		}
	})
	plain, err := jwe.Decrypt([]byte(value), jwe.WithKey(jwa.DIRECT(), secret('1')))
	if err != nil || string(plain) != `"DE89"` {
		t.Errorf("jwx opens %q, %v", plain, err)
	}
}

// E2, RFC7518-5.3: no IV is used twice.
func TestFreshIV(t *testing.T) {
	n := 1_000_000
	if testing.Short() || raceDetector {
		n = 20_000
	}
	f := fields(t, encrypt.Config{Seal: []string{"/*"}})
	doc := []byte("[" + strings.Repeat("1,", 999) + "1]")
	seen := make(map[[16]byte]bool, n)
	var out []byte
	for len(seen) < n {
		var err error
		if out, err = f.SealJSON(context.Background(), out[:0], doc, encrypt.Binding{}); err != nil {
			t.Fatal(err)
		}
		for value := range bytes.SplitSeq(out, []byte(",")) {
			iv := [16]byte(bytes.Split(value, []byte("."))[2])
			if seen[iv] {
				t.Fatal("an IV was used twice")
			}
			seen[iv] = true
		}
	}
}

// Values that a JOSE library made are opened, whatever the order of its header.
func TestOpensForeign(t *testing.T) {
	f := fields(t, encrypt.Config{Keys: ring(t, "k2", "k1"), Open: []string{"/a"}})
	tgt := target(t, "k1", "/a", jsonType, "", "")
	for _, head := range []string{
		`{"tgt":"` + tgt + `","kid":"k1","enc":"A256GCM","alg":"dir"}`,
		` { "alg" : "dir" , "enc":"A256GCM", "kid":"\u006b1","tgt":"` + tgt + `"} `,
	} {
		out, err := f.OpenJSON(context.Background(), nil, []byte(`{"a":"`+foreign(t, "k1", head, `0.10`)+`"}`), encrypt.Binding{})
		if err != nil || string(out) != `{"a":0.10}` {
			t.Error(string(out), err)
		}
	}
	h := jwe.NewHeaders()
	_ = h.Set("kid", "k1")
	_ = h.Set("tgt", tgt)
	made, err := jwe.Encrypt([]byte(`{"x":1e400}`), jwe.WithKey(jwa.DIRECT(), secret('1')), jwe.WithContentEncryption(jwa.A256GCM()), jwe.WithProtectedHeaders(h))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := f.OpenJSON(context.Background(), nil, []byte(`{"a":"`+string(made)+`"}`), encrypt.Binding{}); err != nil || string(out) != `{"a":{"x":1e400}}` {
		t.Error(string(out), err)
	}
}

func TestDangerouslyOpenUnbound(t *testing.T) {
	plainHead := `{"alg":"dir","enc":"A256GCM","kid":"k1"}`
	strict := fields(t, encrypt.Config{Open: []string{"/a"}})
	loose := fields(t, encrypt.Config{Open: []string{"/a"}, DangerouslyOpenUnbound: true})
	doc := []byte(`{"a":"` + foreign(t, "k1", plainHead, `1`) + `"}`)
	_, err := strict.OpenJSON(context.Background(), nil, doc, encrypt.Binding{})
	refused(t, err, encrypt.ErrOpen, 400)
	if out, err := loose.OpenJSON(context.Background(), nil, doc, encrypt.Binding{Client: "c"}); err != nil || string(out) != `{"a":1}` {
		t.Error(string(out), err)
	}
	// A target that is there still counts, an empty one too.
	for _, tgt := range []string{target(t, "k1", "/b", jsonType, "", ""), "", "x"} {
		head := strings.TrimSuffix(plainHead, "}") + `,"tgt":"` + tgt + `"}`
		_, err := loose.OpenJSON(context.Background(), nil, []byte(`{"a":"`+foreign(t, "k1", head, `1`)+`"}`), encrypt.Binding{})
		refused(t, err, encrypt.ErrOpen, 400)
	}
}
