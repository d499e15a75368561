package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tegata-go/tegata/internal/strictjson"
)

var seeds = []string{
	`{}`, `[]`, `null`, `0`, `-0.5e+10`, `"a"`, ` { "a" : [ 1 , {"b":"\u00e9\ud83d\ude00\n"} ] } `,
	`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `[{"x":1},{"x":1}]`,
	`{"a":1}x`, `{"a":1,}`, `[1,]`, `{a:1}`, `01`, `1.`, `.5`, `+1`, `1e`, `nul`, `tru`, `"\x"`, `"\ud800"`, `"\udc00\ud800"`,
	"\"\xff\"", "\"\x01\"", "\"\x7f\"", `"`, `{"`, `{"a"`, `{"a":`, ``, ` `, "\ufeff{}", `"\u12`, `"\ud83d\u0041"`, `{"":0}`,
	`[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]`,
}

// oracle is jsontext, which refuses duplicate names, bad UTF-8 and lone surrogates by default.
func oracle(s string) error {
	d := jsontext.NewDecoder(strings.NewReader(s))
	if _, err := d.ReadValue(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return errors.New("something follows")
	}
	return nil
}

func agree(t *testing.T, s string) {
	t.Helper()
	ours, theirs := strictjson.Valid(s), oracle(s)
	if errors.Is(ours, strictjson.ErrTooLarge) {
		return
	}
	if (ours == nil) != (theirs == nil) {
		t.Fatalf("%q: ours %v, jsontext %v", s, ours, theirs)
	}
	if ours == nil && !json.Valid([]byte(s)) {
		t.Fatalf("%q: accepted, but encoding/json does not know it", s)
	}
}

func TestAgreesWithOracle(t *testing.T) {
	if len(seeds) == 0 {
		t.Fatal("no seeds")
	}
	for _, s := range seeds {
		agree(t, s)
	}
}

// The law: we accept exactly what jsontext accepts, within our bounds.
func FuzzAgreesWithOracle(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(agree)
}

func TestMembers(t *testing.T) {
	got := map[string]string{}
	var order []string
	err := strictjson.Members(` {"a": 1 , "\u0062":[2, {"x":0}],"c":"q\"\ud83d\ude00\u0000"} `, func(name, value string) error {
		got[name] = value
		order = append(order, name)
		return nil
	})
	if err != nil || strings.Join(order, "") != "abc" || got["a"] != "1" || got["b"] != `[2, {"x":0}]` {
		t.Fatal(err, order, got)
	}
	s, err := strictjson.String(got["c"])
	if err != nil || s != "q\"\U0001F600\x00" {
		t.Fatalf("%q %v", s, err)
	}
	if _, err := strictjson.String(got["a"]); !errors.Is(err, strictjson.ErrType) {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := strictjson.Members(`{"a":1,"b":2}`, func(string, string) error { return stop }); err != stop {
		t.Fatal(err)
	}
	if err := strictjson.Members(`[1]`, nil); !errors.Is(err, strictjson.ErrType) {
		t.Fatal(err)
	}
}

func TestElements(t *testing.T) {
	var got []string
	err := strictjson.Elements(`[1,"a", [2] ]`, func(v string) error { got = append(got, v); return nil })
	if err != nil || strings.Join(got, "|") != `1|"a"|[2]` {
		t.Fatal(err, got)
	}
	if err := strictjson.Elements(`{}`, nil); !errors.Is(err, strictjson.ErrType) {
		t.Fatal(err)
	}
}

func TestSkim(t *testing.T) {
	var keys []string
	err := strictjson.Skim(`{"keys":[{"a":1,"a":2},{"b":1}]}`, func(name, value string) error {
		return strictjson.SkimElements(value, func(v string) error { keys = append(keys, v); return nil })
	})
	if err != nil || len(keys) != 2 {
		t.Fatal(err, keys)
	}
	if err := strictjson.Members(keys[0], func(string, string) error { return nil }); !errors.Is(err, strictjson.ErrDuplicate) {
		t.Fatal(err)
	}
	if err := strictjson.Skim(`{"keys":[],"keys":[]}`, func(string, string) error { return nil }); !errors.Is(err, strictjson.ErrDuplicate) {
		t.Fatal(err)
	}
}

func TestBounds(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	if err := strictjson.Valid(deep(strictjson.MaxDepth)); err != nil {
		t.Fatal(err)
	}
	if err := strictjson.Valid(deep(strictjson.MaxDepth + 1)); !errors.Is(err, strictjson.ErrTooLarge) {
		t.Fatal(err)
	}
	wide := func(n int) string {
		var b strings.Builder
		b.WriteString("{")
		for i := range n {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(`"` + strconv.Itoa(i) + `":0`)
		}
		return b.String() + "}"
	}
	if err := strictjson.Valid(wide(strictjson.MaxMembers)); err != nil {
		t.Fatal(err)
	}
	if err := strictjson.Valid(wide(strictjson.MaxMembers + 1)); !errors.Is(err, strictjson.ErrTooLarge) {
		t.Fatal(err)
	}
	// the seventeenth name moves the set into a map: a duplicate of the first is still seen
	if err := strictjson.Valid(strings.Replace(wide(40), `"39"`, `"0"`, 1)); !errors.Is(err, strictjson.ErrDuplicate) {
		t.Fatal(err)
	}
}

func TestAllocations(t *testing.T) {
	const claims = `{"iss":"https://as.bank.example","sub":"u","aud":["a","b"],"exp":1,"cnf":{"jkt":"x"}}`
	n := testing.AllocsPerRun(100, func() {
		if err := strictjson.Members(claims, func(string, string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// TestEveryByteInEveryPlace: strings are passed over by eight bytes, and no byte may hide among them.
func TestEveryByteInEveryPlace(t *testing.T) {
	for length := range 20 {
		for place := range length {
			for c := range 256 {
				b := bytes.Repeat([]byte{'a'}, length)
				b[place] = byte(c)
				text := `"` + string(b) + `"`
				want := json.Valid([]byte(text)) && utf8.ValidString(text)
				if err := strictjson.Valid(text); (err == nil) != want {
					t.Fatalf("%q: %v", text, err)
				}
			}
		}
	}
}
