package hygiene_test

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/mtls/hygiene"
)

var numbers = map[string]bool{
	`0`: true, `-0`: true, `0.0`: true, `0e99`: true, `0.10`: true, `1.50`: true, `-12.345678901234`: true, `1e2`: true, `1E+2`: true, `100e-2`: true,
	`9007199254740991`: true, `-9007199254740991`: true, `9007199254740992`: false, `-9007199254740993`: false,
	`12345678901234567890`: false, `99999999999999999999999`: false, `1e19`: true, `1e308`: true, `1e309`: false, `-1e309`: false, `1e99999999999999999999`: false,
	`5e-324`: true, `1e-400`: false, `0.30000000000000004`: true, `0.30000000000000000001`: false, `0.1234567890123456789`: false,
	`3.141592653589793`: true, `3.1415926535897932`: false, `9007199254740993.0`: false, `0.000`: true,
	`{"a":[1,{"b":9007199254740993}]}`: false, `[1,2,3,1e400]`: false, `"9007199254740993"`: true, `{"9007199254740993":1}`: true, `"\\\"1e999"`: true, `["\"",1e999]`: false,
}

// TestNumbers: two readers, one of them with binary64, take the number for the same or it is refused.
func TestNumbers(t *testing.T) {
	config := hygiene.ContentConfig{MediaTypes: []string{"application/json"}}
	strict, err := hygiene.NewContent(config)
	if err != nil {
		t.Fatal(err)
	}
	config.DangerouslyAnyNumber = true
	lax, err := hygiene.NewContent(config)
	if err != nil {
		t.Fatal(err)
	}
	for text, good := range numbers {
		t.Run("C8/"+text, func(t *testing.T) {
			status, reason := 204, ""
			if !good {
				status, reason = 400, string(hygiene.ErrNumber)
			}
			s := new(spy)
			w, got := through(t, strict.Wrap, s, request("POST", "/", text, "Content-Type", "application/json"), false)
			if w.Code != status || got != reason || s.ran != good {
				t.Errorf("%d %q, handler ran %v", w.Code, got, s.ran)
			}
			if strings.Contains(w.Body.String(), "99") {
				t.Errorf("the answer quotes the number: %s", w.Body)
			}
			if w, got := through(t, lax.Wrap, new(spy), request("POST", "/", text, "Content-Type", "application/json"), false); w.Code != 204 || got != "" {
				t.Errorf("declined: %d %q", w.Code, got)
			}
		})
	}
}

// FuzzNumber: what passes is exactly the number that its binary64 is written as, by the arithmetic of math/big; an
// integer moreover has no other that is read as the same.
func FuzzNumber(f *testing.F) {
	seeds := 0
	for text := range numbers {
		f.Add(text)
		seeds++
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) || len(text) > 100 {
			return
		}
		passes := hygiene.OneNumber(text)
		if text = strings.TrimSpace(text); strings.ContainsAny(text, "\"{[tfn") || strings.ContainsAny(text, "eE") && longExponent(text) {
			return
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number to math/big", text)
		}
		value, err := strconv.ParseFloat(text, 64)
		same := err == nil
		if same {
			back, _ := new(big.Rat).SetString(strconv.FormatFloat(value, 'e', -1, 64))
			same = exact.Cmp(back) == 0
		}
		if integer := !strings.ContainsAny(text, ".eE"); integer {
			bound := new(big.Rat).SetInt64(1<<53 - 1)
			same = new(big.Rat).Abs(exact).Cmp(bound) <= 0
		}
		if passes != same {
			t.Fatalf("%q passes %v, want %v", text, passes, same)
		}
	})
}

// longExponent: math/big would write such a number out.
func longExponent(text string) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	n, err := strconv.Atoi(exponent)
	return err != nil || n > 1000 || n < -1000
}
