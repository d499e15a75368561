package encrypt_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

// E9: a route that seals nothing can be guarded all the same, and so can whole bodies that leave in clear.
func TestGuardWithoutRules(t *testing.T) {
	only, err := encrypt.New(encrypt.Config{Guard: []string{"iban"}})
	if err != nil {
		t.Fatal(err)
	}
	accepted := bodies(t, encrypt.BodiesConfig{Seal: true, DangerouslyWhenAccepted: true, Guard: []string{"iban"}})
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, r.Header.Get("X-Answer"))
	}
	field, recField := server(t, only, nil, answer)
	whole, recWhole := behind(t, accepted, answer)
	for _, c := range []struct {
		name, answer, accept string
		fields, bodies       int
	}{
		{"harmless", `{"id":1}`, "", 200, 200},
		{"in clear", `[{"x":{"iban":"DE89"}}]`, "", 500, 500},
		{"other case", `{"IBAN":"DE89"}`, "", 500, 500},
		{"escaped", `{"\u0069ban":"DE89"}`, "", 500, 500},
		{"sealed whole", `{"iban":"DE89"}`, encrypt.JOSE, 500, 200},
	} {
		t.Run("E9/"+c.name, func(t *testing.T) {
			res, body, err := call(t, field, "GET", "", "X-Answer", c.answer, "Accept", c.accept)
			if err != nil || res.StatusCode != c.fields || c.fields == 500 && recField.last(t)["reason"] != string(encrypt.ErrUnsealed) || strings.Contains(body, "DE89") {
				t.Error(res, body, err)
			}
			res, body, err = call(t, whole, "GET", "", "X-Answer", c.answer, "Accept", c.accept)
			if err != nil || res.StatusCode != c.bodies || c.bodies == 500 && recWhole.last(t)["reason"] != string(encrypt.ErrUnsealed) || strings.Contains(body, "DE89") {
				t.Error(res, body, err)
			}
		})
	}
	found := 0
	b := bodies(t, encrypt.BodiesConfig{Seal: true, DangerouslyWhenAccepted: true, Found: func(encrypt.Finding) error { found++; return nil }})
	s, _ := behind(t, b, answer)
	for _, accept := range []string{"", encrypt.JOSE} {
		if res, _, err := call(t, s, "GET", "", "X-Answer", `["DE89370400440532013000"]`, "Accept", accept); err != nil || res.StatusCode != 200 {
			t.Error(res, err)
		}
	}
	if found != 1 {
		t.Error(found, "findings, one answer left in clear")
	}
	for want, c := range map[string]encrypt.BodiesConfig{
		"nothing leaves in clear": {Seal: true, Keys: ring(t, "k1"), Guard: []string{"x"}},
		"empty name":              {Seal: true, Keys: ring(t, "k1"), DangerouslyWhenAccepted: true, Guard: []string{""}},
	} {
		if _, err := encrypt.NewBodies(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
}

// E9: what is found, and where, does not depend on the pieces in which an answer is written.
func TestFoundInPieces(t *testing.T) {
	const doc = `{"a":"x","b":"DE89370400440532013000","c":"","d":{"e":"4111111111111111","f":"DE89","g":"370400440532013000"},` +
		`"h":"4111","i":"111111111111", "j":["x","GB29NWBK60161331926819"],"iban":"DE89370400440532013000","k":"GB29NWBK60161331926819"}`
	const want = "/b /d/e /j/1 /k "
	for _, size := range []int{1, 2, 7, 64, len(doc)} {
		found := ""
		f := fields(t, encrypt.Config{Seal: []string{"/iban"}, Found: func(x encrypt.Finding) error {
			found += x.Pointer + " "
			return nil
		}})
		f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			for rest := doc; rest != ""; rest = rest[min(size, len(rest)):] {
				_, _ = io.WriteString(w, rest[:min(size, len(rest))])
			}
		})).ServeHTTP(&counting{header: http.Header{}}, httptest.NewRequest("GET", "/", nil))
		if found != want {
			t.Errorf("in pieces of %d: %s", size, found)
		}
	}
}
