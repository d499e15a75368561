package encrypt_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

const jsonType = "application/json"

// secret is a key that differs in every byte from secret of another seed.
func secret(seed byte) []byte {
	s := make([]byte, 32)
	for i := range s {
		s[i] = seed ^ byte(i*7+1)
	}
	return s
}

// ring is a Keyring of keys with these IDs; the secret is made from the ID.
func ring(t testing.TB, ids ...string) *encrypt.Keyring {
	t.Helper()
	var keys []encrypt.Key
	for _, id := range ids {
		keys = append(keys, encrypt.Key{ID: id, Secret: secret(id[len(id)-1]), Algorithm: encrypt.A256GCM})
	}
	k, err := encrypt.NewKeyring(encrypt.KeyringConfig{Keys: keys, Processes: 1})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// fields is New with a Keyring of key k1 unless c has one.
func fields(t testing.TB, c encrypt.Config) *encrypt.Fields {
	t.Helper()
	if c.Keys == nil {
		c.Keys = ring(t, "k1")
	}
	f, err := encrypt.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func seal(t testing.TB, f *encrypt.Fields, text string, b encrypt.Binding) string {
	t.Helper()
	out, err := f.SealJSON(context.Background(), nil, []byte(text), b)
	if err != nil {
		t.Fatalf("SealJSON: %v", err)
	}
	return string(out)
}

// refused asserts one reason and status, and that nothing of the input is in the error.
func refused(t testing.TB, err error, reason audit.Reason, status int) {
	t.Helper()
	var f *audit.Refusal
	if !errors.As(err, &f) || !errors.Is(err, reason) || f.Status != status {
		t.Fatalf("refusal %+v (%v); want %q with %d", f, err, reason, status)
	}
}

// sealedAt gives the sealed string at a path of member names and indexes.
func sealedAt(t testing.TB, text string, path ...any) string {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	s, ok := v.(string)
	if !ok || strings.Count(s, ".") != 4 {
		t.Fatalf("%v of %s is not sealed", path, text)
	}
	return s
}

// records keeps what audit writes.
type records struct {
	mu    sync.Mutex
	lines []map[string]any
	raw   bytes.Buffer
}

func (*records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r *records) WithGroup(string) slog.Handler          { return r }

func (r *records) Handle(ctx context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := map[string]any{}
	rec.Attrs(func(a slog.Attr) bool {
		line[a.Key] = a.Value.Resolve().Any()
		return true
	})
	r.lines = append(r.lines, line)
	return slog.NewJSONHandler(&r.raw, nil).Handle(ctx, rec)
}

func (r *records) last(t testing.TB) map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) == 0 {
		t.Fatal("no record")
	}
	return r.lines[len(r.lines)-1]
}

// server runs f around next behind an audit log, over a real connection.
func server(t testing.TB, f *encrypt.Fields, waive func(*http.Request, *audit.Refusal) bool, next http.HandlerFunc) (*httptest.Server, *records) {
	t.Helper()
	rec := &records{}
	trail, err := audit.New(audit.Config{Handler: rec, Waive: waive})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(trail.Wrap(f.Wrap(next)))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	return s, rec
}

// call sends a request and reads the answer whole.
func call(t testing.TB, s *httptest.Server, method, body string, header ...string) (*http.Response, string, error) {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, s.URL, in)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", jsonType)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.Client().Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	return res, string(out), err
}

// flip changes one character of base64url into another that decodes.
func flip(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[(strings.IndexByte(alphabet, c)+1)%64]
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
