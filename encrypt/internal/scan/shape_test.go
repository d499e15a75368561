package scan_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tegata-go/tegata/encrypt/internal/scan"
)

// RFC7493-2.3: what was learnt from the objects before lets no name through that stands twice, and hides none
// from the rules.
func TestShapes(t *testing.T) {
	long, many := strings.Repeat("n", 60), make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf(`"m%d":%d`, i, i)
	}
	large := "{" + strings.Join(many, ",") + "}"
	rules := compile(t, "/*/x", "/*/in/y")
	for _, text := range []string{
		`[{"a":"1","b":2},{"a":"1","b":2},{"a":"1","a":2}]`,
		`[{"a":"1","b":2},{"a":"1","b":2,"a":3}]`,
		`[{"a":"1","b":2},{"a":"1","b":2,"b":3}]`,
		`[{"a":"1","b":2},{"a":"1","b":2,"c":3,"a":4}]`,
		`[{"a":"1","b":2},{"a":"1","b":2,"c":3},{"a":"1","b":2,"c":3},{"a":"1","b":2,"c":3,"c":4}]`,
		`[{"a":"1","b":2},{"a":"1" ,"a":2}]`,
		`[{"a":"1","b":2},{"a":"1","\u0061":2}]`,
		`[{"a":"1","b":2},{"a":"1", "b":2},{"a":"1","b":2,"a":3}]`,
		`[{"a":"1","b":2},{"a":"1","c":2},{"a":"1","b":2},{"b":2,"a":"1"},{"b":2,"a":"1","b":3}]`,
		`[{"a":1,"b":2},{"a":1,"c":2,"b":3},{"a":1,"b":2,"c":3,"b":4}]`,
		`[{"a":1,"b":2},{"a":1,"c":2,"b":3},{"a":1,"c":2,"b":3,"c":4}]`,
		`[{"a":{"a":1,"b":2},"b":{"a":1,"b":2}},{"a":{"a":1,"b":2},"b":{"a":1,"b":2}},{"a":{"a":1,"b":2},"b":{"a":1,"b":2},"a":1}]`,
		`[{"a":{"a":1,"b":2},"b":1},{"a":{"a":1,"b":2,"a":3},"b":1}]`,
		`[{"x":1,"in":{"y":2}},{"x":1,"in":{"y":2}},{"in":{"y":2},"x":1},{"in":{"y":{"y":3,"x":4}},"x":{"x":5,"in":{"y":6}}}]`,
		`[{"x":1},{"x":1,"X":2}]`, `[{"a":1},{"a":1,"X":2}]`, `[{"x":{"X":1}},{"X":1}]`,
		`{"x":{"x":1,"in":{"y":2}},"z":{"x":{"y":1},"in":{"y":2}},"w":{"x":1,"in":{"y":2}}}`,
		`[` + large + `,` + large + `]`, `[` + large + `,` + large[:len(large)-1] + `,"m3":1}]`, `[` + large + `,` + large[:len(large)-1] + `,"m39":1}]`,
		`[{"` + long + `":1,"a":2},{"` + long + `":1,"a":2},{"` + long + `":1,"a":2,"` + long + `":3}]`,
		strings.Repeat(`{"a":"b","c":`, 12) + `{}` + strings.Repeat(`}`, 12),
		`[` + strings.Repeat(strings.Repeat(`{"a":"b","c":`, 12)+`{}`+strings.Repeat(`,"a1":0}`, 12)+`,`, 3) + `0]`,
		`[{"":1},{"":1},{"":1,"":2}]`, `[{},{"a":1},{},{"a":1,"a":2}]`, `[{"a":1},[{"a":1,"b":2}],{"a":1,"b":2,"a":3}]`,
		`[{"a":1,"b":2},{"a":1,"b"}]`, `[{"a":1,"b":2},{"a":1,"b":}]`, `[{"a":1,"b":2},{"a":1,"b":2]`, `[{"a":1,"b":2},{"a":1,"b":2},]`,
	} {
		valid := jsontext.Value(text).IsValid()
		if strings.Contains(text, `"X"`) {
			valid = false
		}
		for size := range 12 {
			sizes := []int{size}
			if size == 0 {
				sizes[0] = len(text)
			}
			if _, err := pass(nil, wide, []byte(text), sizes...); (err == nil) != jsontext.Value(text).IsValid() {
				t.Errorf("%s by %d: %v", text, size, err)
			}
			if _, err := pass(rules, wide, []byte(text), sizes...); (err == nil) != valid {
				t.Errorf("%s by %d, with rules: %v", text, size, err)
			}
		}
		warm(t, rules, []byte(text), []byte(text))
	}
}

// A name is the one foreseen only if every byte of it is.
func TestShapeNames(t *testing.T) {
	for length := range 45 {
		name := strings.Repeat("n", length)
		rules := compile(t, "/*/"+name)
		others := []string{name + "n", name + "x"}
		for at := range name {
			others = append(others, name[:at]+"x"+name[at+1:], name[:at])
		}
		for _, other := range others {
			want := fmt.Sprintf(`[{"%s":<0 2 1>},{"%s":<0 2 2>},{"%s":3,"%[1]s":<0 2 4>}]`, name, name, other)
			in := fmt.Sprintf(`[{"%s":1},{"%s":2},{"%s":3,"%[1]s":4}]`, name, name, other)
			if got, err := pass(rules, wide, []byte(in), len(in)); err != nil || string(got) != want {
				t.Fatalf("%s: %s, %v", in, got, err)
			}
		}
	}
}

// A scanner that was used reads as a fresh one does, with the same rules, others and none.
func warm(t *testing.T, rules *scan.Rules, before, text []byte) {
	t.Helper()
	for _, of := range []*scan.Rules{rules, nil} {
		var s scan.Scanner
		for _, first := range []*scan.Rules{rules, nil, rules} {
			s.Reset(first, wide, marker{})
			if _, _, err := s.Feed(nil, before, len(before)*20); err == nil {
				_, _ = s.Finish(nil)
			}
			want, wantErr := pass(of, wide, text, len(text)+1)
			s.Reset(of, wide, marker{})
			var got []byte
			var err error
			for rest := text; len(rest) > 0 && err == nil; {
				var n int
				got, n, err = s.Feed(got, rest, 1)
				rest = rest[n:]
			}
			if err == nil {
				got, err = s.Finish(got)
			}
			if err != wantErr || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%s after %s: %s, %v; alone %s, %v", text, before, got, err, want, wantErr)
			}
		}
	}
}

// The law: what was read before makes no difference.
func FuzzShapes(f *testing.F) {
	list := seeds(f)
	for i, text := range list {
		f.Add([]byte(list[(i+1)%len(list)]), []byte(text))
	}
	f.Add([]byte(`{"a":[{"b":1,"c":2},{"b":1,"c":2}]}`), []byte(`{"a":[{"b":1,"c":2,"b":3}]}`))
	f.Add([]byte(`{"d":{"a":1,"b":"x"},"b":{"a":1}}`), []byte(`{"d":{"a":1,"B":"x"},"b":{"a":1}}`))
	rules := compile(f, "/a/*/b", "/d/*/a", "/b", "/0", "/c/*")
	f.Fuzz(func(t *testing.T, before, text []byte) { warm(t, rules, before, text) })
}

// Guarded names and what is watched are seen however often they come.
func TestShapesWatched(t *testing.T) {
	var s scan.Scanner
	for i := range 3 {
		w := &watcher{}
		s.Reset(nil, wide, nil)
		s.Watch(w, nil)
		if _, _, err := s.Feed(nil, []byte(`[{"a":"b"},{"a":"c"},{"a":"d"}]`), 100); err != nil || w.saw != "a|b||a|c||a|d|||" {
			t.Errorf("%d: %q, %v", i, w.saw, err)
		}
		s.Reset(nil, wide, nil)
		if _, _, err := s.Feed(nil, []byte(`[{"a":1,"pan":2}]`), 100); err != nil {
			t.Error(err)
		}
		s.Reset(nil, wide, nil)
		s.Watch(nil, [][]byte{[]byte("pan")})
		if _, _, err := s.Feed(nil, []byte(`[{"a":1,"pan":2}]`), 100); err != scan.ErrGuarded {
			t.Errorf("a guarded name passed: %v", err)
		}
	}
}

type watcher struct{ saw string }

func (w *watcher) Piece(p []byte) { w.saw += string(p) }
func (w *watcher) End() error     { w.saw += "|"; return nil }
