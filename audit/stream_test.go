package audit_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFlushThatIsNotSupportedLeavesTheChoiceOfAnswer(t *testing.T) {
	s := &spy{}
	w := httptest.NewRecorder()
	trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
			t.Error(err)
		}
		w.WriteHeader(404)
	})).ServeHTTP(bare{w}, httptest.NewRequest("GET", "/", nil))
	s.one(t).has(t, line{"status": int64(404)})
	if w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}

func TestSourceThatFailsAtOnceLeavesTheChoiceOfAnswer(t *testing.T) {
	s := &spy{}
	h := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.Copy(w, io.MultiReader(strings.NewReader(""), broken{})); err != errDown {
			t.Error(err)
		}
		w.WriteHeader(502)
	}))
	overBoth(t, h, func(t *testing.T, client *http.Client, url string) {
		if a := do(t, client, "GET", url); a.err != nil || a.StatusCode != 502 {
			t.Errorf("%+v", a)
		}
		s.one(t).has(t, line{"status": int64(502)})
	})
}

func TestBodiesArriveWhole(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 20000)
	file := filepath.Join(t.TempDir(), "f.txt")
	if err := os.WriteFile(file, []byte(big), 0o600); err != nil {
		t.Fatal(err)
	}
	s, over := &spy{}, make(outcomes, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("/copy", func(w http.ResponseWriter, _ *http.Request) {
		n, err := io.Copy(w, strings.NewReader(big))
		if n != int64(len(big)) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
	mux.HandleFunc("/small", func(w http.ResponseWriter, _ *http.Request) {
		n, err := io.Copy(w, io.LimitReader(strings.NewReader(big), 10))
		if n != 10 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
	overBoth(t, trail(t, s, over.into).Wrap(mux), func(t *testing.T, client *http.Client, url string) {
		for path, want := range map[string]string{"/file": big, "/copy": big, "/small": big[:10]} {
			a := do(t, client, "GET", url+path)
			if a.err != nil || a.body != want || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("%s: %d bytes, %v, %s", path, len(a.body), a.err, a.Header.Get("Content-Type"))
			}
			if d := <-over; d.Bytes != int64(len(want)) {
				t.Errorf("%s: Done counts %d", path, d.Bytes)
			}
			s.one(t)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errDown }
