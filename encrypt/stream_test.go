package encrypt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

// Flush sends what is known: all but a value that is not whole.
func TestFlush(t *testing.T) {
	f := ibanFields(t)
	pieces := make(chan string)
	s, _ := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.(http.Flusher).Flush()
		for p := range pieces {
			_, _ = io.WriteString(w, p)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	res, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got := ""
	read := func(until string) {
		t.Helper()
		b := make([]byte, 1)
		for !strings.HasSuffix(got, until) {
			if _, err := res.Body.Read(b); err != nil {
				t.Fatal(got, err)
			}
			got += string(b)
		}
	}
	pieces <- `{"accounts":[{"id":7,"iban":"DE`
	read(`"iban":`)
	pieces <- `89","x"`
	read(`,"x"`)
	if strings.Contains(got, `"DE`) || strings.Contains(got, "DE89") || !strings.Contains(got, `"iban":"eyJ`) {
		t.Error(got)
	}
	pieces <- `:1}]}`
	close(pieces)
	rest, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	opens(t, f, got+string(rest), `{"accounts":[{"id":7,"iban":"DE89","x":1}]}`)
}

// counting passes nothing on and remembers the largest Write.
type counting struct {
	header         http.Header
	bytes, largest int
}

// A long response passes in constant memory, however it is written.
func TestStreams(t *testing.T) {
	f := ibanFields(t)
	const records = 20_000
	record := []byte(`{"iban":"DE89370400440532013000","note":"` + strings.Repeat("n", 200) + `"},`)
	for name, write := range map[string]func(w io.Writer){
		"one write": func(w io.Writer) { _, _ = w.Write(bytes.Repeat(record, records)) },
		"a write for each": func(w io.Writer) {
			for range records {
				_, _ = w.Write(record)
			}
		},
		"many small values":  func(w io.Writer) { _, _ = w.Write(bytes.Repeat([]byte(`{"iban":1},`), records)) },
		"nothing to seal":    func(w io.Writer) { _, _ = w.Write([]byte(`"` + strings.Repeat("x", 4<<20) + `",`)) },
		"numbers and escape": func(w io.Writer) { _, _ = w.Write(bytes.Repeat([]byte(`[1.5E3,"\u00e9"],`), 4*records)) },
	} {
		w := &counting{header: http.Header{}}
		f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			_, _ = io.WriteString(w, `{"accounts":[`)
			write(w)
			_, _ = io.WriteString(w, `{}]}`)
		})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.bytes < 1<<20 || w.largest > 34<<10 {
			t.Errorf("%s: %d bytes, at most %d at once", name, w.bytes, w.largest)
		}
	}
}

// hangup is a connection that the client has left.
type hangup struct{ counting }

func (*hangup) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// That the client is gone is no fault of the response.
func TestClientGone(t *testing.T) {
	f := ibanFields(t)
	w := &hangup{counting{header: http.Header{}}}
	f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, err := io.WriteString(w, `["`+strings.Repeat("x", 100_000))
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		if _, err := io.WriteString(w, "x"); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
}

// Many at once share nothing.
func TestConcurrent(t *testing.T) {
	f := ibanFields(t)
	h := f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = fmt.Fprintf(w, `{"accounts":[{"iban":"%s"}]}`, strings.Repeat(r.URL.RawQuery, 50))
	}))
	done := make(chan bool)
	for i := range 8 {
		go func() {
			defer func() { done <- true }()
			for range 50 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", fmt.Sprint("/?", i), nil))
				got, err := f.OpenJSON(context.Background(), nil, w.Body.Bytes(), encrypt.Binding{})
				if want := strings.Repeat(fmt.Sprint(i), 50); err != nil || !strings.Contains(string(got), want) {
					t.Errorf("%s %v", got, err)
				}
			}
		}()
	}
	for range 8 {
		<-done
	}
}
