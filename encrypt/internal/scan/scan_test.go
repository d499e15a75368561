package scan_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt/internal/scan"
)

// marker puts <rule depth text> in the place of a value.
type marker struct{}

func (marker) Value(dst []byte, rule, depth int, text []byte) ([]byte, error) {
	return fmt.Appendf(dst, "<%d %d %s>", rule, depth, text), nil
}

var wide = scan.Limits{Depth: 10_000, Value: 1 << 20}

// pass gives text to a scanner in pieces of the given sizes, the last one again and again.
func pass(rules *scan.Rules, limits scan.Limits, text []byte, sizes ...int) ([]byte, error) {
	var s scan.Scanner
	s.Reset(rules, limits, marker{})
	var out []byte
	for k := 0; len(text) > 0; k++ {
		piece := text[:min(len(text), max(1, sizes[min(k, len(sizes)-1)]))]
		text = text[len(piece):]
		for len(piece) > 0 {
			var n int
			var err error
			if out, n, err = s.Feed(out, piece, 1); err != nil {
				return nil, err
			}
			piece = piece[n:]
		}
	}
	return s.Finish(out)
}

func compile(t testing.TB, rules ...string) *scan.Rules {
	t.Helper()
	r, err := scan.Compile(rules, 64)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRules(t *testing.T) {
	for _, c := range []struct{ name, rules, in, want string }{
		{"member", "/a", `{"a":1,"b":1}`, `{"a":<0 1 1>,"b":1}`},
		{"white space stays outside", "/a", "{\"a\" : \t1 \n}", "{\"a\" : \t<0 1 1> \n}"},
		{"nested", "/a/b", `{"a":{"b":[1,{"b":2}],"c":{"b":3}}}`, `{"a":{"b":<0 2 [1,{"b":2}]>,"c":{"b":3}}}`},
		{"any element", "/a/*/i", `{"a":[{"i":"x"},{"i":null},7,[],{}]}`, `{"a":[{"i":<0 3 "x">},{"i":<0 3 null>},7,[],{}]}`},
		{"any member", "/a/*/i", `{"a":{"x":{"i":-0}}}`, `{"a":{"x":{"i":<0 3 -0>}}}`},
		{"index", "/1", `[0,1,2]`, `[0,<0 1 1>,2]`},
		{"index in an object is a name", "/1", `{"0":0,"1":1}`, `{"0":0,"1":<0 1 1>}`},
		{"leading zero is no index", "/01", `[0,1]`, `[0,1]`},
		{"pitfall-102/top-level array", "/*/i", `[{"i":1},{"i":2}]`, `[{"i":<0 2 1>},{"i":<0 2 2>}]`},
		{"pitfall-102/all elements", "/*", `[1,"a",[],{}]`, `[<0 1 1>,<0 1 "a">,<0 1 []>,<0 1 {}>]`},
		{"pitfall-102/top-level string", "/a", ` "a" `, ` "a" `},
		{"pitfall-102/whole string", "", ` "a" `, ` <0 0 "a"> `},
		{"pitfall-102/whole number", "", `12`, `<0 0 12>`},
		{"pitfall-102/whole null", "", `null`, `<0 0 null>`},
		{"escaped tokens", "/a~1b/~01", `{"a/b":{"~1":1}}`, `{"a/b":{"~1":<0 2 1>}}`},
		{"escaped name", "/a", `{"\u0061":1}`, `{"\u0061":<0 1 1>}`},
		{"empty name", "/", `{"":1}`, `{"":<0 1 1>}`},
		{"side by side", "/a/*/x|/*/b/y", `{"a":{"b":{"x":1,"y":2},"c":{"x":3,"y":4}},"q":{"b":{"y":5}}}`,
			`{"a":{"b":{"x":<0 3 1>,"y":<1 3 2>},"c":{"x":<0 3 3>,"y":4}},"q":{"b":{"y":<1 3 5>}}}`},
		{"surrogate pair", "/\U0001F600", `{"\uD83D\uDE00":1}`, `{"\uD83D\uDE00":<0 1 1>}`},
		{"pitfall-98/exact text", "/*", `[9007199254740993,0.10,-0,1e400,"\u003c\/",{"b": 1,  "a":2}]`,
			`[<0 1 9007199254740993>,<0 1 0.10>,<0 1 -0>,<0 1 1e400>,<0 1 "\u003c\/">,<0 1 {"b": 1,  "a":2}>]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := compile(t, strings.Split(c.rules, "|")...)
			for _, size := range []int{1 << 20, 1, 2, 3, 7} {
				got, err := pass(rules, wide, []byte(c.in), size)
				if err != nil || string(got) != c.want {
					t.Errorf("pieces of %d: %s, %v; want %s", size, got, err, c.want)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"n%d":0,`, i)
		}
		return b.String()
	}
	limits := scan.Limits{Depth: 4, Value: 13}
	for _, c := range []struct {
		name, rules, in string
		want            error
	}{
		{"empty", "/a", ``, scan.ErrShort},
		{"cut", "/a", `{"a":1`, scan.ErrShort},
		{"two values", "/a", `1 2`, scan.ErrSyntax},
		{"trailing comma", "/a", `[1,]`, scan.ErrSyntax},
		{"leading zero", "/a", `01`, scan.ErrSyntax},
		{"control character", "/a", "\"\x01\"", scan.ErrSyntax},
		{"form feed between", "/a", "[\f]", scan.ErrSyntax},
		{"byte order mark", "/a", "\ufeff{}", scan.ErrSyntax},
		{"wrong bracket", "/a", `[}`, scan.ErrSyntax},
		{"overlong", "/a", "\"\xc0\x80\"", scan.ErrUTF8},
		{"surrogate in UTF-8", "/a", "\"\xed\xa0\x80\"", scan.ErrUTF8},
		{"beyond Unicode", "/a", "\"\xf4\x90\x80\x80\"", scan.ErrUTF8},
		{"cut character", "/a", "\"\xe3\x81\"", scan.ErrUTF8},
		{"high surrogate alone", "/a", `"\ud800"`, scan.ErrSurrogate},
		{"low surrogate alone", "/a", `"\udc00"`, scan.ErrSurrogate},
		{"two high surrogates", "/a", `"\ud800\ud800"`, scan.ErrSurrogate},
		{"twice", "/a", `{"b":1,"b":1}`, scan.ErrDuplicate},
		{"twice by escape", "/a", `{"b":1,"\u0062":1}`, scan.ErrDuplicate},
		{"twice in what a rule names", "/a", `{"a":{"b":1,"b":1}}`, scan.ErrDuplicate},
		{"twice in a large object", "/a", `{` + many(5000) + `"n17":0}`, scan.ErrDuplicate},
		{"twice after a large sibling", "/a", `[{` + many(100) + `"x":0},{` + many(100) + `"n99":0}]`, scan.ErrDuplicate},
		{"too many names", "/a", `{` + many(10_000) + `"x":0}`, scan.ErrNames},
		{"too deep", "/a", `[[[[[]]]]]`, scan.ErrDepth},
		{"too large a value", "/a", `{"a":"123456789012"}`, scan.ErrValue},
		{"case variant", "/a/iban", `{"a":{"IBAN":1}}`, scan.ErrVariant},
		{"case variant beyond ASCII", "/k", "{\"\u212a\":1}", scan.ErrVariant},
		{"case variant of what is there", "/a", `{"a":1,"A":1}`, scan.ErrVariant},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1 << 20, 1, 2, 5} {
				if _, err := pass(compile(t, c.rules), limits, []byte(c.in), size); !errors.Is(err, c.want) {
					t.Errorf("pieces of %d: %v; want %v", size, err, c.want)
				}
			}
		})
	}
	for _, in := range []string{`{"ab":1,"abb":2,"":3,"long name, 1, long name":4,"long name, 2, long name":5}`, `[[[[]]]]`, `{"a":"12345678901"}`, `{` + many(9_999) + `"x":0}`, `[{` + many(100) + `"x":0},{` + many(100) + `"x":0}]`, `[{` + many(600) + `"x":0},{},{` + many(600) + `"x":0}]`} {
		if _, err := pass(compile(t, "/a"), limits, []byte(in), 4096); err != nil {
			t.Errorf("%.20s: %v", in, err)
		}
	}
}

func TestCompile(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []string
		want  []string // parts of the error; none: accepted
	}{
		{"fine", []string{"/a/*/b", "/a/*/c", "/b", "/c/0", "/c/1"}, nil},
		{"whole", []string{""}, nil},
		{"no slash", []string{"a"}, []string{`rule "a": does not begin with /`}},
		{"tilde", []string{"/a~2"}, []string{"neither 0 nor 1"}},
		{"tilde at the end", []string{"/a~"}, []string{"neither 0 nor 1"}},
		{"part of a star", []string{"/a*"}, []string{"stand alone"}},
		{"not UTF-8", []string{"/\xff"}, []string{"UTF-8"}},
		{"too deep", []string{strings.Repeat("/a", 65)}, []string{"65 levels"}},
		{"twice", []string{"/a", "/a"}, []string{"written twice"}},
		{"pitfall-103/parent and child", []string{"/a", "/a/b"}, []string{`rules "/a" and "/a/b" overlap`}},
		{"pitfall-103/child and parent", []string{"/a/b", "/a"}, []string{"overlap"}},
		{"pitfall-103/through star", []string{"/a/*", "/a/b/c"}, []string{"overlap"}},
		{"pitfall-103/star in both", []string{"/*/b", "/a/*"}, []string{"overlap"}},
		{"pitfall-103/whole and any", []string{"", "/a"}, []string{"overlap"}},
		{"all at once", []string{"a", "/b~", "/c", "/c", "/d", "/d/e"}, []string{`"a"`, `"/b~"`, "twice", "overlap"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, err := scan.Compile(c.rules, 64)
			if len(c.want) == 0 {
				if err != nil || rules.Len() != len(c.rules) || rules.Text(0) != c.rules[0] {
					t.Fatal(rules, err)
				}
				return
			}
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%v; want %q in it", err, part)
				}
			}
		})
	}
	if _, err := scan.Compile(make([]string, 2000), 64); err == nil {
		t.Error("2000 rules accepted")
	}
}

// Rules with many stars and names must not make a table without end.
func TestCompileBounded(t *testing.T) {
	var rules []string
	for i := range 40 {
		var b strings.Builder
		for j := range 40 {
			if i == j {
				fmt.Fprintf(&b, "/n%d", i)
			} else {
				b.WriteString("/*")
			}
		}
		rules = append(rules, b.String()+fmt.Sprint("/leaf", i))
	}
	if _, err := scan.Compile(rules, 64); err == nil || !strings.Contains(err.Error(), "places") {
		t.Error(err)
	}
}

// A scanner that is used again remembers nothing.
func TestReset(t *testing.T) {
	var s scan.Scanner
	rules := compile(t, "/a")
	for _, in := range []string{`{"a":"\ud8`, `{"a":"` + "\xe3", `[1,{"a`, `{"a":[12`, `-`, `tru`, `{"b\u0`} {
		s.Reset(rules, wide, marker{})
		if _, _, err := s.Feed(nil, []byte(in), math.MaxInt); err != nil {
			t.Fatal(in, err)
		}
		s.Reset(rules, wide, marker{})
		out, _, err := s.Feed(nil, []byte(`{"a":1}`), math.MaxInt)
		if err == nil {
			out, err = s.Finish(out)
		}
		if err != nil || string(out) != `{"a":<0 1 1>}` {
			t.Errorf("after %s: %s, %v", in, out, err)
		}
	}
}
