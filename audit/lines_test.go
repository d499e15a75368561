package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
	"unicode"

	"github.com/tegata-go/tegata/audit"
)

// handle writes one record and gives the line.
func handle(t testing.TB, attrs ...slog.Attr) string {
	t.Helper()
	var out bytes.Buffer
	r := slog.NewRecord(time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("", 3600)), slog.LevelDebug, "request", 0)
	r.AddAttrs(attrs...)
	h := audit.NewLines(&out)
	if err := h.Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s, ok := strings.CutSuffix(out.String(), "\n")
	if !ok || strings.Contains(s, "\n") {
		t.Fatalf("not one line: %q", out.String())
	}
	return s
}

type marshals struct{ s string }

func (m marshals) MarshalJSON() ([]byte, error) {
	if m.s == "" {
		return nil, errors.New("no")
	}
	return []byte(m.s), nil
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name string
		attr slog.Attr
		want string
	}{
		{"string", attr("a", "x"), `"a":"x"`},
		{"escapes", attr("a\"", "\"\\\n\x00\x7f\u0085\u2028\u202e\xff</>"), `"a\"":"\"\\\u000a\u0000\u007f\u0085\u2028\u202e\ufffd</>"`},
		{"astral", attr("a", "😀\U000e0001"), `"a":"😀\udb40\udc01"`},
		{"int", attr("a", -5), `"a":-5`},
		{"uint", attr("a", uint64(math.MaxUint64)), `"a":18446744073709551615`},
		{"bool", attr("a", true), `"a":true`},
		{"float", attr("a", 0.1), `"a":0.1`},
		{"big float", attr("a", 1e300), `"a":1e+300`},
		{"NaN", attr("a", math.NaN()), `"a":"NaN"`},
		{"Inf", attr("a", math.Inf(-1)), `"a":"-Inf"`},
		{"duration", attr("a", time.Second), `"a":1000000000`},
		{"time", attr("a", time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))), `"a":"2026-01-02T02:04:05Z"`},
		{"year", attr("a", time.Date(12026, 1, 2, 3, 4, 5, 0, time.UTC)), `"a":"12026-01-02T03:04:05Z"`},
		{"list", attr("a", []string{"x", "y\n"}), `"a":["x","y\u000a"]`},
		{"no list", attr("a", []string{}), `"a":[]`},
		{"error", attr("a", errors.New("e\n")), `"a":"e\u000a"`},
		{"nil", slog.Any("a", nil), `"a":null`},
		{"struct", attr("a", struct{ X int }{1}), `"a":{"X":1}`},
		{"marshaler", attr("a", marshals{"{\n\"x\": 1}"}), `"a":{"x":1}`},
		{"group", slog.Group("g", "a", 1, "b", "x"), `"g":{"a":1,"b":"x"}`},
		{"inline group", slog.Group("", "a", 1, "b", "x"), `"a":1,"b":"x"`},
		{"valuer", attr("a", valuer{"x"}), `"a":"x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, want := handle(t, c.attr), `{"time":"2026-01-02T02:04:05.000000678Z",`+c.want+`}`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	for _, ignored := range []slog.Attr{{}, slog.Group("g"), slog.Group("g", slog.Group("h"))} {
		if got := handle(t, ignored); got != `{"time":"2026-01-02T02:04:05.000000678Z"}` {
			t.Errorf("got %s", got)
		}
	}
	for _, odd := range []slog.Attr{attr("a", make(chan int)), attr("a", marshals{}), attr("a", valuer{nil})} {
		if got := handle(t, odd); !json.Valid([]byte(got)) || !strings.Contains(got, `"a":"`) {
			t.Errorf("got %s", got)
		}
	}
}

// TestLinesAsHandler runs slog's own kit; level and message, which Lines does not write, are put in.
func TestLinesAsHandler(t *testing.T) {
	var out bytes.Buffer
	err := slogtest.TestHandler(audit.NewLines(&out), func() (all []map[string]any) {
		for text := range strings.Lines(out.String()) {
			m := map[string]any{}
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			m[slog.LevelKey], m[slog.MessageKey] = "INFO", "msg"
			if len(all) == 0 {
				m[slog.MessageKey] = "message" // what the kit says first
			}
			all = append(all, m)
		}
		return all
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLinesGroupsAndAttrs(t *testing.T) {
	var out bytes.Buffer
	base := audit.NewLines(&out)
	write := func(h slog.Handler, attrs ...slog.Attr) string {
		out.Reset()
		r := slog.NewRecord(time.Time{}, 0, "", 0)
		r.AddAttrs(attrs...)
		if err := h.Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out.String())
	}
	one := base.WithAttrs([]slog.Attr{attr("a", 1)})
	g := one.WithGroup("g")
	long := base.WithAttrs([]slog.Attr{attr("s", strings.Repeat("x", 100))}) // with room to write over
	longLeft := long.WithAttrs([]slog.Attr{attr("l", 1)})
	long.WithAttrs([]slog.Attr{attr("r", 2)})
	deep := base.WithGroup("a").WithGroup("b").WithGroup("c")
	deepLeft := deep.WithGroup("l")
	deep.WithGroup("r")
	left, right := g.WithAttrs([]slog.Attr{attr("l", 1)}), g.WithAttrs([]slog.Attr{attr("r", 1)})
	for _, c := range []struct{ got, want string }{
		{write(base), `{}`},
		{write(longLeft), `{"s":"` + strings.Repeat("x", 100) + `","l":1}`},
		{write(deepLeft, attr("x", 1)), `{"a":{"b":{"c":{"l":{"x":1}}}}}`},
		{write(base.WithAttrs(nil)), `{}`},
		{write(base.WithGroup("").WithAttrs([]slog.Attr{{}})), `{}`},
		{write(base.WithGroup("g").WithAttrs([]slog.Attr{slog.Group("e")})), `{}`},
		{write(one, attr("b", 2)), `{"a":1,"b":2}`},
		{write(g), `{"a":1}`},
		{write(g, attr("b", 2)), `{"a":1,"g":{"b":2}}`},
		{write(left, attr("b", 2)), `{"a":1,"g":{"l":1,"b":2}}`},
		{write(right), `{"a":1,"g":{"r":1}}`},
		{write(left.WithGroup("h").WithGroup("i"), attr("b", 2)), `{"a":1,"g":{"l":1,"h":{"i":{"b":2}}}}`},
		{write(left.WithGroup("h").WithGroup("i")), `{"a":1,"g":{"l":1}}`},
		{write(base.WithGroup("g"), attr("b", 2)), `{"g":{"b":2}}`},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	if !base.Enabled(t.Context(), -100) {
		t.Error("a level is not enabled")
	}
}

func TestLinesEveryByteInEveryPlace(t *testing.T) {
	for length := range 20 {
		for place := range length {
			for b := range 256 {
				s := []byte(strings.Repeat("x", length))
				s[place] = byte(b)
				var m struct{ K string }
				if err := json.Unmarshal([]byte(handle(t, attr("k", string(s)))), &m); err != nil || m.K != string([]rune(string(s))) {
					t.Fatalf("%q came back as %q, %v", s, m.K, err)
				}
				if l := handle(t, attr("k", string(s))); (b < ' ' || b == 0x7f) && strings.Contains(l, string(rune(b))) {
					t.Fatalf("raw control character in %q", l)
				}
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "a", "\"\\\n", "\xff\xfe", "\u2028\u202e\U000e0001😀", "\xed\xa0\x80", "</script>"} {
		f.Add("k", s, 1.5, int64(3))
	}
	f.Fuzz(func(t *testing.T, key, s string, x float64, i int64) {
		got := handle(t, slog.Group("g", slog.String(key, s)), slog.Any("l", []string{s}), slog.Float64("x", x), slog.Int64("i", i))
		var m struct {
			Time time.Time
			G    map[string]string
			L    []string
			X    any
			I    int64
		}
		if err := json.Unmarshal([]byte(got), &m); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		back := func(s string) string { return string([]rune(s)) } // each byte that is no UTF-8 is U+FFFD
		if !reflect.DeepEqual(m.G, map[string]string{back(key): back(s)}) || !reflect.DeepEqual(m.L, []string{back(s)}) || m.I != i {
			t.Errorf("%q, %q came back as %v, %q", key, s, m.G, m.L)
		}
		if n, ok := m.X.(float64); ok && n != x {
			t.Errorf("%v came back as %v", x, n)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("not graphic: %q", got)
		}
	})
}
