package encrypt_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/encrypt"
)

// E1, E4, E5: what rules name is found however it is written, and nothing else changes by a byte. A dollar sign
// stands where a sealed value is due.
func TestNamed(t *testing.T) {
	other := sealedAt(t, seal(t, fields(t, encrypt.Config{Seal: []string{"/b"}}), `{"b":"DE89"}`, encrypt.Binding{}), "b")
	for _, c := range []struct{ name, rule, in, want string }{
		{"E1/arrays of arrays", "/*/*/iban", `[[{"iban":1},{"x":{"iban":2}}],[],{"k":{"iban":3}},[[{"iban":4}]]]`, `[[{"iban":$},{"x":{"iban":2}}],[],{"k":{"iban":$}},[[{"iban":4}]]]`},
		{"E1/elements that are arrays", "/*/0", `[[1,2],[[3],4],"x",{"0":5,"1":6}]`, `[[$,2],[$,4],"x",{"0":$,"1":6}]`},
		{"E1/slash and tilde in names", "/a~1b/~0c/m~01n", `{"a/b":{"~c":{"m~1n":1,"m/n":2}},"a~1b":3}`, `{"a/b":{"~c":{"m~1n":$,"m/n":2}},"a~1b":3}`},
		{"E1/empty name", "//", `{"":{"":1,"a":2},"a":{"":3}}`, `{"":{"":$,"a":2},"a":{"":3}}`},
		{"E1/a name that looks like an index", "/01", `{"01":1,"1":2}`, `{"01":$,"1":2}`},
		{"E1/no index of an array", "/01", `[1,2]`, `[1,2]`},
		{"E4/escapes in a name", "/a/iban", `{"\u0061":{"\u0069b\u0061n":"\u0044"},"b":"\u0044"}`, `{"\u0061":{"\u0069b\u0061n":$},"b":"\u0044"}`},
		{"E4/a surrogate pair in a name", "/😀", `{"\ud83d\ude00":1,"\uD83D\uDE01":2}`, `{"\ud83d\ude00":$,"\uD83D\uDE01":2}`},
		{"E4/an escaped solidus", "/a~1b", `{"a\/b":1}`, `{"a\/b":$}`},
		{"E4/a rule's name inside a value", "/iban", `{"x":"\"iban\":\"DE89\"","y":["iban"],"z":{"iban":1},"iban" : 2 }`, `{"x":"\"iban\":\"DE89\"","y":["iban"],"z":{"iban":1},"iban" : $ }`},
		{"E5/sealed for another field", "/a", `{"a":"` + other + `"}`, `{"a":$}`},
		{"E5/what looks sealed", "/a", `{"a":"eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA"}`, `{"a":$}`},
		{"E5/null is a value, missing is none", "/*/a", `[{"a":null},{},{"a":[]}]`, `[{"a":$},{},{"a":$}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fields(t, encrypt.Config{Seal: []string{c.rule}, Open: []string{c.rule}})
			out := seal(t, f, c.in, encrypt.Binding{})
			rest := out
			for _, piece := range strings.SplitAfter(c.want, "$") {
				fixed, sealed := strings.CutSuffix(piece, "$")
				var ok bool
				if rest, ok = strings.CutPrefix(rest, fixed); !ok {
					t.Fatalf("%s becomes %s", c.in, out)
				}
				if sealed {
					value, after, _ := strings.Cut(rest[1:], `"`)
					if strings.Count(value, ".") != 4 {
						t.Fatalf("%s becomes %s", c.in, out)
					}
					rest = after
				}
			}
			if back, err := f.OpenJSON(context.Background(), nil, []byte(out), encrypt.Binding{}); err != nil || string(back) != c.in || rest != "" {
				t.Errorf("%s, %v, %q", back, err, rest)
			}
		})
	}
}

// Documents that readers understand differently are refused, in requests before the handler runs and in answers
// before anything leaves.
func TestAmbiguous(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/a/iban"}, Open: []string{"/a/iban"}, Guard: []string{"iban"}})
	value := sealedAt(t, seal(t, f, `{"a":{"iban":"DE89"}}`, encrypt.Binding{}), "a", "iban")
	for name, doc := range map[string]string{
		"RFC7516-5.2-1/the field twice":           `{"a":{"iban":$,"iban":$}}`,
		"RFC7516-5.2-1/twice, once escaped":       `{"a":{"iban":$,"\u0069ban":$}}`,
		"RFC7516-5.2-1/the object round it twice": `{"a":{"iban":$},"a":{}}`,
		"RFC7516-5.2-1/another member twice":      `{"a":{"iban":$},"x":1,"\u0078":2}`,
		"FLE-ctx/in capitals":                     `{"a":{"IBAN":$}}`,
		"FLE-ctx/in capitals round it":            `{"A":{"iban":$}}`,
		"pitfall-101/byte order mark":             "\ufeff" + `{"a":{"iban":$}}`,
		"pitfall-101/text behind it":              `{"a":{"iban":$}}{}`,
		"pitfall-101/half a surrogate pair":       `{"a":{"iban":$},"x":"\udc00"}`,
		"pitfall-101/half a pair in a name":       `{"a":{"iban":$},"\ud800":1}`,
		"pitfall-101/overlong UTF-8":              `{"a":{"iban":$},"x":"` + "\xc0\xaf" + `"}`,
		"pitfall-101/a comment":                   `{"a":{"iban":$}/**/}`,
		"pitfall-101/NUL":                         `{"a":{"iban":$}}` + "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			ran := false
			s, rec := server(t, f, nil, func(w http.ResponseWriter, r *http.Request) {
				ran = true
				w.Header().Set("Content-Type", jsonType)
				if r.Method == "GET" {
					_, _ = io.WriteString(w, strings.ReplaceAll(doc, "$", `"DE89"`))
				}
			})
			res, _, err := call(t, s, "POST", strings.ReplaceAll(doc, "$", `"`+value+`"`))
			if err != nil || res.StatusCode != 400 || ran || rec.last(t)["reason"] != string(encrypt.ErrJSON) {
				t.Error(res, err, ran, rec.last(t))
			}
			res, body, err := call(t, s, "GET", "")
			if err != nil || res.StatusCode != 500 || strings.Contains(body, "DE89") || rec.last(t)["reason"] != string(encrypt.ErrResponse) {
				t.Error(res, body, err, rec.last(t))
			}
		})
	}
}

// E9: what is said of the content decides, and an answer of which that is unclear does not leave.
func TestAnswers(t *testing.T) {
	f := fields(t, encrypt.Config{Seal: []string{"/accounts/*/iban", "/iban"}, Guard: []string{"iban"}})
	const iban, problem = `{"iban":"DE89"}`, "application/problem+json"
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   int
		reason audit.Reason
	}{
		{"E1/vendor's JSON", 200, http.Header{"Content-Type": {"application/vnd.bank.v1+json"}}, iban, 200, ""},
		{"E1/parameters", 200, http.Header{"Content-Type": {`Application/JSON; Charset="UTF-8"; v=1`}}, iban, 200, ""},
		{"E1/a problem that names the field", 409, http.Header{"Content-Type": {problem}}, iban, 409, ""},
		{"E9/a problem that names it elsewhere", 409, http.Header{"Content-Type": {problem}}, `{"errors":[{"iban":"DE89"}]}`, 500, encrypt.ErrUnsealed},
		{"E9/two types", 200, http.Header{"Content-Type": {jsonType, "text/html"}}, iban, 500, encrypt.ErrUnsealed},
		{"E9/a list of types", 200, http.Header{"Content-Type": {jsonType + ", text/html"}}, iban, 500, encrypt.ErrUnsealed},
		{"E9/UTF-16", 200, http.Header{"Content-Type": {jsonType + "; charset=utf-16"}}, iban, 500, encrypt.ErrUnsealed},
		{"E9/events", 200, http.Header{"Content-Type": {"text/event-stream"}}, "data: " + iban + "\n\n", 500, encrypt.ErrUnsealed},
		{"E9/a sequence", 200, http.Header{"Content-Type": {"application/json-seq"}}, "\x1e" + iban + "\n", 500, encrypt.ErrUnsealed},
		{"E9/parts", 200, http.Header{"Content-Type": {"multipart/mixed; boundary=x"}}, "--x\r\n\r\n" + iban, 500, encrypt.ErrUnsealed},
		{"E9/text/json", 200, http.Header{"Content-Type": {"text/json"}}, iban, 500, encrypt.ErrUnsealed},
		{"E9/no coding, but named", 200, http.Header{"Content-Type": {jsonType}, "Content-Encoding": {"identity"}}, iban, 500, encrypt.ErrUnsealed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, rec := server(t, f, nil, func(w http.ResponseWriter, _ *http.Request) {
				for name, values := range c.header {
					w.Header()[name] = values
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			res, body, err := call(t, s, "GET", "")
			if err != nil || res.StatusCode != c.want || strings.Contains(body, "DE89") || c.reason != "" && rec.last(t)["reason"] != string(c.reason) {
				t.Error(res, body, err, rec.last(t))
			}
			if c.want == c.status && !strings.Contains(body, `"eyJ`) {
				t.Error(body)
			}
		})
	}
}
