package scan_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tegata-go/tegata/encrypt/internal/scan"
)

// seeds are the starting points of the fuzz targets, which are of no use without them.
func seeds(f *testing.F) []string {
	list := []string{
		`{}`, `[]`, `null`, `"a"`, `-0.5e+10`, ` { "a" : [ 1 , true , false , null , "x" ] } `, `{"a":{"b":{"c":1}},"d":[{"a":"\ud83d\ude00"}]}`,
		`{"a":1,"\u0061":2}`, `[01]`, `[1.]`, `["\ud800"]`, "[\"\xff\"]", `[1,]`, `{"a":"日本語","b":"` + strings.Repeat("long ", 20) + `"}`, "\"\xf0\x9f\x98\x80\"",
	}
	if len(list) == 0 {
		f.Fatal("no seeds")
	}
	return list
}

// jsontext, as strict as RFC 7493, accepts the same texts, and without rules nothing changes.
func FuzzAgainstJSONText(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := pass(nil, wide, text, len(text)+1)
		if valid := jsontext.Value(text).IsValid(); valid != (err == nil) {
			t.Fatalf("%q: jsontext says %v, we say %v", text, valid, err)
		}
		if err == nil && !bytes.Equal(out, text) {
			t.Fatalf("%q became %q", text, out)
		}
	})
}

// However a text is cut into pieces, the result is the same, and so is the fault.
func FuzzPieces(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add([]byte(s), i, 1+i%3)
	}
	rules := compile(f, "/a/*/b", "/d/*/a", "/b", "/0", "/c/*")
	f.Fuzz(func(t *testing.T, text []byte, first, then int) {
		whole, want := pass(rules, wide, text, len(text)+1)
		got, err := pass(rules, wide, text, first, then)
		if (err == nil) != (want == nil) || !bytes.Equal(got, whole) {
			t.Fatalf("%q: %q, %v; whole %q, %v", text, got, err, whole, want)
		}
	})
}

// An accepted rule names the same value for the pointer library of the oracle.
func FuzzRule(f *testing.F) {
	for _, s := range []string{"", "/", "/a/b", "/a~1b/~01", "/0/~0", "/é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		rules, err := scan.Compile([]string{rule}, 64)
		if err != nil || strings.Contains(rule, "*") {
			return
		}
		in := []byte("7")
		var tokens []string
		for tok := range jsontext.Pointer(rule).Tokens() {
			tokens = append(tokens, tok)
		}
		for i := len(tokens) - 1; i >= 0; i-- {
			name, err := jsontext.AppendQuote(nil, tokens[i])
			if err != nil {
				t.Fatal(err)
			}
			in = fmt.Appendf(nil, "{%s:%s}", name, in)
		}
		want := fmt.Sprintf("<0 %d 7>", len(tokens))
		if out, err := pass(rules, wide, in, len(in)); err != nil || !bytes.Contains(out, []byte(want)) {
			t.Fatalf("%q: %s, %v", rule, out, err)
		}
	})
}

// Strings are skipped eight bytes at a time: every byte at every place is judged as by the oracle.
func TestEveryByteInStrings(t *testing.T) {
	for at := range 20 {
		for c := range 256 {
			for _, fill := range []byte{'a', ' ', '\x7f', '!', '#', '[', ']'} {
				text := append(bytes.Repeat([]byte{fill}, 20), '"')
				text[at] = byte(c)
				text = append([]byte{'"'}, text...)
				_, err := pass(nil, wide, text, len(text))
				if valid := jsontext.Value(text).IsValid(); valid != (err == nil) {
					t.Fatalf("%q: jsontext says %v, we say %v", text, valid, err)
				}
			}
		}
	}
}
