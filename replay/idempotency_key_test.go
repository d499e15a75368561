package replay_test

import (
	"strings"
	"testing"

	"github.com/tegata-go/tegata/replay"
)

func TestIdempotencyKeySyntax(t *testing.T) {
	uuid := "8e03978e-40d5-43e8-bc93-6894a57f9324"
	for _, c := range []struct {
		id    string
		lines []string
		plain bool
		limit int
		key   string // empty: refused
	}{
		{"a String", []string{`"` + uuid + `"`}, false, 128, uuid},
		{"spaces round it", []string{`  "a" `}, false, 128, "a"},
		{"escapes", []string{`"a\"b\\c"`}, false, 128, `a"b\c`},
		{"the longest", []string{`"` + strings.Repeat("k", 40) + `"`}, false, 40, strings.Repeat("k", 40)},
		{"the longest, escaped", []string{`"` + strings.Repeat(`\"`, 40) + `"`}, false, 40, strings.Repeat(`"`, 40)},
		{"too long", []string{`"` + strings.Repeat("k", 41) + `"`}, false, 40, ""},
		{"far too long", []string{`"` + strings.Repeat("k", 1<<20) + `"`}, false, 40, ""},
		{"no quotes", []string{uuid}, false, 128, ""},
		{"one quote", []string{`"`}, false, 128, ""},
		{"empty", []string{`""`}, false, 128, ""},
		{"nothing", []string{""}, false, 128, ""},
		{"two lines", []string{`"a"`, `"a"`}, false, 128, ""},
		{"a list", []string{`"a", "a"`}, false, 128, ""},
		{"parameters", []string{`"a";b=1`}, false, 128, ""},
		{"a bad escape", []string{`"a\b"`}, false, 128, ""},
		{"an open escape", []string{`"a\"`}, false, 128, ""},
		{"not ASCII", []string{`"ä"`}, false, 128, ""},
		{"a tab", []string{"\"a\tb\""}, false, 128, ""},
		{"DEL", []string{"\"a\x7f\""}, false, 128, ""},

		{"plain", []string{uuid}, true, 40, uuid},
		{"UK-idem-1: 40 characters", []string{strings.Repeat("k", 40)}, true, 40, strings.Repeat("k", 40)},
		{"UK-idem-1: 41 characters", []string{strings.Repeat("k", 41)}, true, 40, ""},
		{"plain with quotes", []string{`"a"`}, true, 40, ""},
		{"plain list", []string{"a,b"}, true, 40, ""},
		{"plain with a space", []string{"a b"}, true, 40, ""},
		{"plain, empty", []string{" "}, true, 40, ""},
		{"plain, not ASCII", []string{"é"}, true, 40, ""},
		{"plain, two lines", []string{"a", "a"}, true, 40, ""},
	} {
		t.Run(c.id, func(t *testing.T) {
			key, ok := replay.ParseIdempotencyKey(c.lines, c.plain, c.limit)
			if ok != (c.key != "") || ok && key != c.key {
				t.Errorf("got %q, %v", key, ok)
			}
		})
	}
}

// FuzzParseIdempotencyKey: a key that is read is within its bounds, and is written as it was read.
func FuzzParseIdempotencyKey(f *testing.F) {
	seeds := []string{`"a"`, `"\\\""`, `""`, `a`, ` "a b" `, `"a";b`, "\"\x7f\"", `"`, `\`, "8e03978e-40d5-43e8-bc93-6894a57f9324"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, line string, plain bool) {
		key, ok := replay.ParseIdempotencyKey([]string{line}, plain, 40)
		if !ok {
			return
		}
		written := key
		if !plain {
			written = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		}
		if len(key) < 1 || len(key) > 40 || written != strings.Trim(line, " ") {
			t.Errorf("%q gives %q", line, key)
		}
	})
}

// FuzzUnmarshalAnswer: what is read from a store is written as it was read.
func FuzzUnmarshalAnswer(f *testing.F) {
	keep := map[string]bool{"Content-Type": true, "Location": true}
	for _, a := range []*replay.Answer{
		{Status: 201, Body: []byte("{}")},
		{Status: 200, Header: map[string][]string{"Content-Type": {"text/plain"}, "Location": {"/a", "/b"}, "Set-Cookie": {"x"}}, Body: []byte("x")},
		{Status: 204},
	} {
		f.Add(replay.MarshalAnswer(a, keep))
	}
	f.Add([]byte{1, 2})
	f.Add([]byte{1, 1, 0, 200, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, again, err := replay.UnmarshalAnswer(b, keep)
		if err != nil {
			return
		}
		if string(again) != string(b) || a.Status < 200 || a.Status > 399 {
			t.Errorf("%q gives %+v", b, a)
		}
		for name := range a.Header {
			if !keep[name] {
				t.Errorf("%q gives the field %q", b, name)
			}
		}
	})
}
