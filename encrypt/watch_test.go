package encrypt_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

// A guarded member that no rule names ends the answer, wherever it stands.
func TestGuard(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/accounts/*/iban"}, Guard: []string{"iban", "owner"}})
	for _, c := range []struct {
		name, body string
		leaks      bool
	}{
		{"sealed", `{"accounts":[{"iban":"DE89"}]}`, false},
		{"inside what is sealed", `{"accounts":[{"iban":{"owner":"DE89"}}]}`, false},
		{"as a value", `{"x":"iban"}`, false},
		{"rule missed", `{"data":{"accounts":[{"iban":"DE89"}]}}`, true},
		{"one level up", `{"iban":"DE89"}`, true},
		{"another field", `{"accounts":[{"iban":"x","owner":"DE89"}]}`, true},
		{"other case", `{"Owner":"DE89"}`, true},
		{"escaped", `{"\u006fwner":"DE89"}`, true},
		{"null", `{"owner":null}`, true},
		{"error path", `{"title":"no","detail":{"iban":"DE89"}}`, true},
	} {
		t.Run("E9/"+c.name, func(t *testing.T) {
			s, rec := server(t, f, func(*http.Request, *audit.Refusal) bool { return true }, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", jsonType)
				_, _ = io.WriteString(w, c.body)
			})
			res, body, err := call(t, s, "GET", "")
			if err != nil || c.leaks != (res.StatusCode == 500) || strings.Contains(body, "DE89") {
				t.Fatal(res, body, err)
			}
			if c.leaks && rec.last(t)["reason"] != string(encrypt.ErrUnsealed) {
				t.Error(rec.last(t))
			}
		})
	}
	// A request may hold them: there they are not ours to guard.
	f = fields(t, encrypt.Config{Seal: []string{"/iban"}, Open: []string{"/x"}, Guard: []string{"iban"}})
	if _, err := f.OpenJSON(context.Background(), nil, []byte(`{"iban":"DE89"}`), encrypt.Binding{}); err != nil {
		t.Error(err)
	}
}

func TestGuardConfig(t *testing.T) {
	for want, c := range map[string]encrypt.Config{
		"leads through": {Seal: []string{"/iban/value"}, Guard: []string{"IBAN"}},
		"empty name":    {Seal: []string{"/a"}, Guard: []string{""}},
		"twice":         {Seal: []string{"/a"}, Guard: []string{"x", "X"}},
	} {
		c.Keys = ring(t, "k1")
		if _, err := encrypt.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
}

// The scan mode tells what leaves in clear and looks like what should not, and where.
func TestFound(t *testing.T) {
	var found []encrypt.Finding
	f := fields(t, encrypt.Config{Seal: []string{"/accounts/*/iban"}, Found: func(x encrypt.Finding) error {
		found = append(found, x)
		return nil
	}})
	body := `{"accounts":[{"iban":"DE89370400440532013000","note":"from \u0044E89 3704 0044 0532 0130 00"},{"pan":4111111111111111}],` +
		`"a/b~":{"x":["","123456789018"]},"GB29NWBK60161331926819":0,"amount":4111111111111112,"4111111111111111":null}`
	s, rec := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		for _, b := range []byte(body) { // however it is written
			_, _ = w.Write([]byte{b})
		}
	})
	res, _, err := call(t, s, "GET", "")
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	want := []struct{ kind, pointer string }{
		{encrypt.KindIBAN, "/accounts/0/note"}, {encrypt.KindPAN, "/accounts/1/pan"}, {encrypt.KindMyNumber, "/a~1b~0/x/1"},
		{encrypt.KindIBAN, "/GB29NWBK60161331926819"}, {encrypt.KindPAN, "/4111111111111111"},
	}
	if len(found) != len(want) {
		t.Fatalf("%+v", found)
	}
	for i, w := range want {
		if found[i].Kind != w.kind || found[i].Pointer != w.pointer || found[i].Request == nil {
			t.Errorf("%d: %+v, want %+v", i, found[i], w)
		}
	}
	line := rec.last(t)
	if line["in_clear.pan"] != true || line["in_clear.iban"] != true || line["in_clear.my_number"] != true || strings.Contains(rec.raw.String(), "3704") {
		t.Error(line)
	}
}

// An error of Found ends the answer; report-only cannot waive it, and the error's text is not shown.
func TestFoundRefuses(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/iban"}, Found: func(x encrypt.Finding) error {
		if x.Kind == encrypt.KindPAN {
			return errors.New("card " + x.Pointer)
		}
		return nil
	}})
	s, rec := server(t, f, func(*http.Request, *audit.Refusal) bool { return true }, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, `{"reference":"4111 1111 1111 1111"}`)
	})
	res, body, err := call(t, s, "GET", "")
	if err != nil || res.StatusCode != 500 || strings.Contains(body, "4111") || rec.last(t)["reason"] != string(encrypt.ErrUnsealed) || strings.Contains(rec.raw.String(), "reference") {
		t.Error(res, body, err, rec.raw.String())
	}
	_, err = f.SealJSON(context.Background(), nil, []byte(`{"reference":"4111111111111111"}`), encrypt.Binding{})
	refused(t, err, encrypt.ErrUnsealed, 500)
	if _, err = f.SealJSON(context.Background(), nil, []byte(`{"iban":"4111111111111111","x":"DE89370400440532013000"}`), encrypt.Binding{}); err != nil {
		t.Error(err)
	}
}
