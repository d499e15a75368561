package look_test

import (
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt/internal/look"
)

// in looks through a text that comes in pieces.
func in(text string, piece int) int {
	var r look.Reader
	for len(text) > 0 {
		n := min(piece, len(text))
		r.Write([]byte(text[:n]))
		text = text[n:]
	}
	return r.End()
}

var cases = []struct {
	text  string
	kinds int
}{
	{"", 0}, {"hello", 0}, {"0", 0},
	{"4111111111111111", look.PAN}, {"4111111111111112", 0}, {"4111 1111 1111 1111", look.PAN}, {"4111-1111-1111-1111", look.PAN},
	{"card 4111 1111 1111 1111, thanks", look.PAN}, {"x4111111111111111", 0}, {"41111111111111110", 0}, {"4111  1111 1111 1111", 0},
	{"5555555555554444", look.PAN}, {"2223003122003222", look.PAN}, {"378282246310005", look.PAN}, {"6011111111111117", look.PAN},
	{"3530111333300000", look.PAN}, {"30569309025904", look.PAN}, {"6759649826438453", look.PAN}, {"6212345678901265", look.PAN},
	{"9111111111111111", 0}, {"0000000000000000", 0}, {"1234567812345670", 0}, // Luhn holds, no card scheme
	{"４１１１１１１１１１１１１１１１", look.PAN}, {"４１１１　１１１１　１１１１　１１１１", look.PAN},
	{"2026-11-21 4111 1111 1111 1111", look.PAN},
	{"DE89370400440532013000", look.IBAN}, {"DE89 3704 0044 0532 0130 00", look.IBAN}, {"de89370400440532013000", look.IBAN},
	{"DE88370400440532013000", 0}, {"DE8937040044053201300", 0}, {"DE893704004405320130000", 0}, {"XX89370400440532013000", 0},
	{"pay to GB29 NWBK 6016 1331 9268 19 please", look.IBAN}, {"MT84MALT011000012345MTLCAST001S", look.IBAN}, {"NO9386011117947", look.IBAN},
	{"iban:FR1420041010050500013M02606.", look.IBAN}, {"ＤＥ８９３７０４００４４０５３２０１３０００", look.IBAN},
	{"123456789018", look.MyNumber}, {"1234 5678 9018", look.MyNumber}, {"123456789017", 0}, {"1234567890188", 0}, {"0 123456789018", 0},
	{"１２３４５６７８９０１８", look.MyNumber}, {"番号は123456789018です", look.MyNumber}, {"000000000000", look.MyNumber},
	{"123456789018 and DE89370400440532013000 and 4111111111111111", look.MyNumber | look.IBAN | look.PAN},
}

// pitfall-98 has values that must be found however they are cut, and behind any amount of text.
func TestFinds(t *testing.T) {
	for _, c := range cases {
		for _, piece := range []int{1, 2, 7, 10_000} {
			if got := in(c.text, piece); got != c.kinds {
				t.Errorf("%q in pieces of %d: %b, want %b", c.text, piece, got, c.kinds)
			}
		}
		for _, before := range []int{100, 250, 251, 255, 256, 470, 500, 511, 512, 513, 700, 1100} {
			for _, fill := range []string{"ab ", "日本 ", "12 x "} {
				text := strings.Repeat(fill, before/len(fill)) + strings.Repeat(" ", 2+before%len(fill)) + c.text
				if got := in(text+" . "+strings.Repeat(fill, 300), 64); got != c.kinds {
					t.Errorf("%q behind %d of %q: %b, want %b", c.text, before, fill, got, c.kinds)
				}
			}
		}
	}
}

// A Reader forgets one text before the next.
func TestForgets(t *testing.T) {
	var r look.Reader
	r.Write([]byte("4111111111111111"))
	if r.End() != look.PAN || r.End() != 0 {
		t.Error("not forgotten")
	}
	r.Write([]byte("41111111"))
	if r.End() != 0 {
		t.Error("half of one")
	}
	r.Write([]byte("11111111"))
	if r.End() != 0 {
		t.Error("two halves")
	}
}

// However a text is cut, the same is found, and white space that is not a separator changes nothing.
func FuzzPieces(f *testing.F) {
	if len(cases) == 0 {
		f.Fatal("no seeds")
	}
	for i, c := range cases {
		f.Add(c.text, i%9+1)
	}
	f.Fuzz(func(t *testing.T, text string, piece int) {
		want := in(text, len(text)+1)
		if got := in(text, max(1, min(piece, 1000))); got != want {
			t.Fatalf("%q: %b in pieces of %d, else %b", text, got, piece, want)
		}
		if len(text) < 200 {
			if got := in("\n"+text+"\n", 3); got != want {
				t.Fatalf("%q: %b between lines, else %b", text, got, want)
			}
		}
	})
}
