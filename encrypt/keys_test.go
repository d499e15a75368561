package encrypt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/encrypt"
)

const manyIBANs = `[{"iban":"DE89"},{"iban":"DE90"},{"iban":"DE91"},{"iban":"DE92"},{"iban":"DE93"},{"iban":"DE94"},{"iban":"DE95"}]`

// keyed is a Fields over keys, for answers, requests and stored documents of one customer.
func keyed(t testing.TB, keys encrypt.Keys, client string) *encrypt.Fields {
	t.Helper()
	c := encrypt.Config{Keys: keys, Seal: []string{"/*/iban"}, Open: []string{"/*/iban"}}
	if client != "" {
		c.Client = func(*http.Request) (string, error) { return client, nil }
	}
	return fields(t, c)
}

// E8, E12: every source of keys serves fields and whole bodies: one content key for a message, which opens for
// its customer and for nobody else, and of which no byte can change.
func TestKeysOfMessages(t *testing.T) {
	ctx, mine, theirs := context.Background(), encrypt.Binding{Client: "c1"}, encrypt.Binding{Client: "c2"}
	for name, keys := range sources(t) {
		f := keyed(t, keys, "c1")
		t.Run("FLE-ctx/fields "+name, func(t *testing.T) {
			sealed := seal(t, f, manyIBANs, mine)
			if strings.Contains(sealed, `DE`+`8`) || strings.Count(sealed, `"eyJ`) != 7 {
				t.Fatal(sealed)
			}
			first, last := sealedAt(t, sealed, 0, "iban"), sealedAt(t, sealed, 6, "iban")
			if strings.Split(first, ".")[1] != strings.Split(last, ".")[1] || strings.Split(first, ".")[2] == strings.Split(last, ".")[2] {
				t.Error("not one content key, or one IV")
			}
			if back, err := f.OpenJSON(ctx, nil, []byte(sealed), mine); err != nil || string(back) != manyIBANs {
				t.Fatal(string(back), err)
			}
			if again := seal(t, f, sealed, mine); again != sealed {
				t.Error("sealed twice")
			}
			if same, err := f.ResealJSON(ctx, nil, []byte(sealed), mine); err != nil || string(same) != sealed {
				t.Error("what is current was sealed again", err)
			}
			if out, err := f.OpenJSON(ctx, nil, []byte(sealed), theirs); err == nil {
				t.Error("another customer's opens to", string(out))
			}
			for i := range first {
				bad := first[:i] + string(flip(first[i])) + first[i+1:]
				if out, err := f.OpenJSON(ctx, nil, []byte(`[{"iban":"`+bad+`"}]`), mine); err == nil {
					t.Fatalf("byte %d changed, and it opens to %s", i, out)
				}
			}
		})
		t.Run("UK-enc/bodies "+name, func(t *testing.T) {
			b := bodies(t, encrypt.BodiesConfig{Keys: keys, Seal: true, Open: true, Client: func(*http.Request) (string, error) { return "c1", nil }})
			got := ""
			s, rec := behind(t, b, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = string(body)
				w.Header().Set("Content-Type", jsonType)
				_, _ = io.WriteString(w, manyIBANs)
			})
			_, sealed, err := call(t, s, "GET", "")
			if err != nil || !strings.HasPrefix(sealed, "eyJ") {
				t.Fatal(sealed, err)
			}
			if res, _, err := call(t, s, "POST", sealed, "Content-Type", encrypt.JOSE); err != nil || res.StatusCode != 200 || got != manyIBANs {
				t.Error(res, got, err)
			}
			for i := range sealed {
				bad := sealed[:i] + string(flip(sealed[i])) + sealed[i+1:]
				r := httptest.NewRequest("POST", "/", strings.NewReader(bad))
				r.Header.Set("Content-Type", encrypt.JOSE)
				if _, err := b.OpenBody(r); !errors.Is(err, encrypt.ErrOpen) {
					t.Fatalf("byte %d changed: %v", i, err)
				}
			}
			bad := sealed[:len(sealed)-4] + string(flip(sealed[len(sealed)-4])) + sealed[len(sealed)-3:]
			got = ""
			if res, _, err := call(t, s, "POST", bad, "Content-Type", encrypt.JOSE); err != nil || res.StatusCode != 400 || got != "" || rec.last(t)["reason"] != string(encrypt.ErrOpen) {
				t.Error(res, got, err)
			}
		})
	}
}

// E8: a data key seals MaxUses values, counted one by one, and not beyond its time, also within one message.
func TestDataKeysOfFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := newKMS(t)
		c := service.config()
		c.MaxUses, c.MaxAge = 3, time.Minute
		f := keyed(t, dataKeys(t, c), "")
		sealed := seal(t, f, manyIBANs, encrypt.Binding{})
		if service.wraps != 3 {
			t.Error(service.wraps, "wraps for 7 values of which a key seals 3")
		}
		opens(t, f, sealed, manyIBANs)
		if service.opened != 0 {
			t.Error("asked for keys that were known")
		}
		c.MaxUses = 0
		f = keyed(t, dataKeys(t, c), "")
		w := &counting{header: http.Header{}}
		f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			_, _ = io.WriteString(w, `[{"iban":"DE89"},`)
			time.Sleep(time.Minute)
			_, _ = io.WriteString(w, `{"iban":"DE90"},{"iban":"DE91"}]`)
		})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if service.wraps != 5 {
			t.Error(service.wraps-3, "wraps for a message that outlives a key")
		}
		// The service has a new key: what is stored is sealed again, once.
		c.KeyID = "kms-2"
		f = keyed(t, dataKeys(t, c), "")
		before := service.opened
		again, err := f.ResealJSON(context.Background(), nil, []byte(sealed), encrypt.Binding{})
		if err != nil || string(again) == sealed || strings.Contains(string(again), strings.Split(sealedAt(t, sealed, 0, "iban"), ".")[0]) {
			t.Fatal(string(again), err)
		}
		if service.opened != before+3 {
			t.Error(service.opened-before, "unwraps for three data keys")
		}
	})
}

// While the service is down nothing is taken for what cannot be opened, nothing leaves in clear, and nothing
// sealed is sealed twice.
func TestDataKeysDown(t *testing.T) {
	service := newKMS(t)
	sealed := seal(t, keyed(t, dataKeys(t, service.config()), ""), manyIBANs, encrypt.Binding{})
	// It wraps, but does not unwrap what another process sealed.
	half := newKMS(t).config()
	half.Unwrap = func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("secret text") }
	_, err := keyed(t, dataKeys(t, half), "").SealJSON(context.Background(), nil, []byte(sealed), encrypt.Binding{})
	refused(t, err, encrypt.ErrKeys, 503)
	service.down = errors.New("secret text")
	ran := false
	s, rec := server(t, keyed(t, dataKeys(t, service.config()), ""), nil, func(w http.ResponseWriter, r *http.Request) {
		ran = true
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, r.URL.Query().Get("answer"))
	})
	url := s.URL
	for name, c := range map[string]struct{ method, body, answer string }{
		"FLE-handler/request": {"POST", sealed, ""}, "E9/answer": {"GET", "", manyIBANs}, "E5/sealed answer": {"GET", "", sealed},
	} {
		t.Run(name, func(t *testing.T) {
			ran, s.URL = false, fmt.Sprint(url, "/?answer=", strings.NewReplacer(`"`, "%22", "+", "%2B").Replace(c.answer))
			res, body, err := call(t, s, c.method, c.body)
			if err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || ran != (c.body == "") || rec.last(t)["reason"] != string(encrypt.ErrKeys) ||
				strings.Contains(body+rec.raw.String(), "secret") || strings.Contains(body, "DE8") {
				t.Error(res, body, err, ran)
			}
		})
	}
}

// E12: with the customer's key the fields of stored documents are gone, and a client is told no more of a
// request than of any other that does not open.
func TestEraseFields(t *testing.T) {
	ctx, mine, theirs := context.Background(), encrypt.Binding{Client: "c1"}, encrypt.Binding{Client: "c2"}
	keys := customers(t, &store{rows: map[string][]byte{}}, vault(t, wrapping(t, "k1")))
	f := keyed(t, keys, "c1")
	lost, kept := seal(t, f, manyIBANs, mine), seal(t, f, manyIBANs, theirs)
	if err := keys.Erase(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	for name, does := range map[string]func(context.Context, []byte, []byte, encrypt.Binding) ([]byte, error){"open": f.OpenJSON, "reseal": f.ResealJSON} {
		_, err := does(ctx, nil, []byte(lost), mine)
		refused(t, err, encrypt.ErrErased, 403)
		if _, err = does(ctx, nil, []byte(kept), theirs); err != nil {
			t.Error(name, err)
		}
	}
	s, rec := server(t, f, nil, func(http.ResponseWriter, *http.Request) { t.Error("ran") })
	res, gone, err := call(t, s, "POST", lost)
	if err != nil || res.StatusCode != 400 || rec.last(t)["reason"] != string(encrypt.ErrOpen) {
		t.Error(res, gone, err)
	}
	if _, other, err := call(t, s, "POST", `[{"iban":"x"}]`); err != nil || other != gone {
		t.Errorf("%s differs from %s", other, gone)
	}
	// Nothing goes without a customer: before the handler, and not at all.
	_, err = f.SealJSON(ctx, nil, []byte(manyIBANs), encrypt.Binding{})
	refused(t, err, encrypt.ErrBinding, 500)
	s, rec = server(t, keyed(t, keys, ""), nil, func(http.ResponseWriter, *http.Request) { t.Error("ran") })
	if res, body, err := call(t, s, "GET", ""); err != nil || res.StatusCode != 500 || rec.last(t)["reason"] != string(encrypt.ErrBinding) {
		t.Error(res, body, err)
	}
}

// Keys that nobody made are reported, whatever their kind.
func TestKeysOfNobody(t *testing.T) {
	var none *encrypt.Keyring
	for want, keys := range map[string]encrypt.Keys{"NewKeyring": none, "NewDataKeys": &encrypt.DataKeys{}, "NewCustomerKeys": &encrypt.CustomerKeys{}} {
		_, err := encrypt.New(encrypt.Config{Keys: keys, Seal: []string{"/a"}})
		_, errBodies := encrypt.NewBodies(encrypt.BodiesConfig{Keys: keys, Seal: true})
		if err == nil || errBodies == nil || !strings.Contains(err.Error(), want) || !strings.Contains(errBodies.Error(), want) {
			t.Error(err, errBodies)
		}
	}
}
