package encrypt_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

// allocs asserts a bound; the race detector allocates for itself.
func allocs(t *testing.T, name string, most float64, f func()) {
	t.Helper()
	if raceDetector {
		t.Skip("counts are not those of a plain build")
	}
	if got := testing.AllocsPerRun(100, f); got > most {
		t.Errorf("%s: %v allocations, at most %v are due", name, got, most)
	}
}

// Budgets 13 and 15: allocations do not grow with the number of fields.
func TestAllocs(t *testing.T) {
	rules := []string{"/accounts/*/iban"}
	f := fields(t, encrypt.Config{Seal: rules, Open: rules})
	for _, size := range sizes {
		doc, _ := document(size.fields, size.size)
		for _, b := range []encrypt.Binding{{}, {Client: "client-1", Record: "acc-1"}} {
			sealed := []byte(seal(t, f, string(doc), b))
			out := make([]byte, 0, 4*len(doc))
			allocs(t, "seal "+size.name, 1, func() { _, _ = f.SealJSON(context.Background(), out, doc, b) })
			allocs(t, "open "+size.name, 1, func() { _, _ = f.OpenJSON(context.Background(), out, sealed, b) })
		}
		contentType := []string{jsonType}
		h := f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = contentType
			_, _ = w.Write(doc)
		}))
		w := &counting{header: http.Header{}}
		r := httptest.NewRequest("GET", "/", nil)
		allocs(t, "wrap "+size.name, 5, func() { h.ServeHTTP(w, r) })
	}
	all := people(t)
	// A content key for every message costs the same few, however many fields there are.
	for name, c := range map[string]struct {
		config encrypt.Config
		to     *encrypt.Recipient
		most   float64
	}{
		"A256KW":         {encrypt.Config{Keys: wrapping(t, "k1")}, nil, 6},
		"ECDH-ES+A256KW": {encrypt.Config{}, all[0].recipient(t), 50},
		"RSA-OAEP-256":   {encrypt.Config{}, all[1].recipient(t), 60}, // 49, most of them crypto/rsa's
		"ECDH-ES":        {encrypt.Config{}, all[2].recipient(t), 50},
	} {
		c.config.Seal = rules
		if c.to != nil {
			c.config.Recipient = c.to.Always
		}
		f, err := encrypt.New(c.config)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range sizes {
			doc, _ := document(size.fields, size.size)
			out := make([]byte, 0, 8*len(doc))
			allocs(t, "seal "+name+" "+size.name, c.most, func() { _, _ = f.SealJSON(context.Background(), out, doc, encrypt.Binding{Recipient: c.to}) })
		}
	}
	garbage := []byte(`{"accounts":[{"iban":"DE89370400440532013000"}]}`)
	allocs(t, "refuse", 8, func() { _, _ = f.OpenJSON(context.Background(), nil, garbage, encrypt.Binding{}) })
}
