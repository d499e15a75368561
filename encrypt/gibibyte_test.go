package encrypt_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

// A response of 1 GiB, a sealed field in each record, passes in constant memory: what the heap holds is
// looked at all the way, right after a collection, and stays within a megabyte of where it began. With a key that seals
// by itself it is no different: 64 MiB of that show it.
func TestGibibyte(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("a gibibyte takes seconds")
	}
	const record = `{"iban":"DE89370400440532013000","note":"`
	piece := []byte(strings.Repeat(record+strings.Repeat("n", 400)+`"},`, 64))
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for alg, size := range map[string]int{encrypt.A256KW: 1 << 30, encrypt.A256GCM: 1 << 26} {
		k, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: []encrypt.Key{{ID: "k1", Secret: secret(1), Algorithm: alg}}, Processes: 1})
		if err != nil {
			t.Fatal(err)
		}
		f := fields(t, encrypt.Config{Keys: k, Seal: []string{"/accounts/*/iban"}, Guard: []string{"iban"}})
		defer debug.SetGCPercent(debug.SetGCPercent(100))
		w := &counting{header: http.Header{}}
		var most, before uint64
		f.Wrap(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", jsonType)
			_, _ = io.WriteString(rw, `{"accounts":[`)
			_, _ = rw.Write(piece)
			before = heap()
			for n := 0; w.bytes < size; n++ {
				if _, err := rw.Write(piece); err != nil {
					t.Fatal(err)
				}
				if n%2000 == 0 {
					most = max(most, heap())
				}
			}
			_, _ = io.WriteString(rw, `{}]}`)
		})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		t.Logf("%s: %d bytes, heap %d before, %d at most", alg, w.bytes, before, most)
		if w.bytes < size || most > before+1<<20 {
			t.Errorf("%s: %d bytes, heap %d before, %d at most", alg, w.bytes, before, most)
		}
	}
}
