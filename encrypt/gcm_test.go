package encrypt_test

import (
	"bytes"
	"context"
	"crypto/fips140"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/tegata-go/tegata/encrypt"
)

// sealedIVs gives the IVs of a text in their order.
func sealedIVs(text string) (ivs []string) {
	for _, part := range strings.Split(text, `"`) {
		if parts := strings.Split(part, "."); len(parts) == 5 {
			ivs = append(ivs, parts[2])
		}
	}
	return ivs
}

// RFC7518-5.3: what is drawn ahead is dropped with the piece it was drawn for. A copy of the running machine, which
// goes on with other random numbers and maybe other values, so shares no IV with the original.
func TestIVsEndWithThePiece(t *testing.T) {
	if fips140.Enabled() {
		t.Skip("the module draws each when it is used")
	}
	f := fields(t, encrypt.Config{Seal: []string{"/*"}})
	answer := func(before, after uint64) []string {
		h := f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			cryptotest.SetGlobalRandom(t, before)
			_, _ = w.Write([]byte(`["a","b","c",`)) // 1 is drawn, then 3
			cryptotest.SetGlobalRandom(t, after)
			_, _ = w.Write([]byte(`"d","e"]`))
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		ivs := sealedIVs(w.Body.String())
		if len(ivs) != 5 {
			t.Fatal(w.Body)
		}
		return ivs
	}
	original, copied := answer(1, 2), answer(1, 3)
	for i := range original {
		if same := original[i] == copied[i]; same != (i < 3) {
			t.Errorf("value %d: %s and %s", i, original[i], copied[i])
		}
	}
}

// RFC7518-5.3: of what is drawn at once nothing is used twice, under a key that stays and under one of the message,
// whatever the number of values.
func TestIVsDrawnAtOnce(t *testing.T) {
	for name, keys := range map[string]*encrypt.Keyring{"A256GCM": ring(t, "k1"), "A256KW": wrapping(t, "k1")} {
		f := fields(t, encrypt.Config{Keys: keys, Seal: []string{"/*"}, Open: []string{"/*"}})
		for _, n := range []int{1, 2, 4, 5, 11, 12, 26, 27, 57, 58, 89, 90, 400} {
			doc := []byte("[" + strings.TrimSuffix(strings.Repeat(`"v",`, n), ",") + "]")
			text := seal(t, f, string(doc), encrypt.Binding{})
			seen := map[string]bool{strings.Repeat("A", 16): true}
			for _, iv := range sealedIVs(text) {
				if seen[iv] {
					t.Errorf("%s, %d values: an IV was used twice, or is of zeros", name, n)
				}
				seen[iv] = true
			}
			if back, err := f.OpenJSON(context.Background(), nil, []byte(text), encrypt.Binding{}); err != nil || len(seen) != n+1 || !bytes.Equal(back, doc) {
				t.Errorf("%s, %d values: %d IVs, %v", name, n, len(seen)-1, err)
			}
		}
	}
}
