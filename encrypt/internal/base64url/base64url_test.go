package base64url_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/tegata-go/tegata/encrypt/internal/base64url"
)

// same checks that src is written as encoding/base64 writes it, and that nothing beyond is touched.
func same(t *testing.T, src []byte) {
	t.Helper()
	room := bytes.Repeat([]byte{'!'}, len(src)*4/3+16)
	out := base64url.Append(room[:3], src)
	want := base64.RawURLEncoding.AppendEncode([]byte("!!!"), src)
	if !bytes.Equal(out, want) {
		t.Fatalf("%x: %s, want %s", src, out, want)
	}
	if rest := room[len(out):]; len(bytes.Trim(rest, "!")) > 0 {
		t.Fatalf("%x: wrote %q behind the end", src, rest)
	}
	if out = base64url.Append([]byte("!!!"), src); !bytes.Equal(out, want) {
		t.Fatalf("%x: %s, want %s", src, out, want)
	}
}

// RFC 4648 §5: every byte at every place of every short length.
func TestAppend(t *testing.T) {
	for length := range 40 {
		src := make([]byte, length)
		same(t, src)
		for at := range src {
			for b := range 256 {
				src[at] = byte(b)
				same(t, src)
			}
			src[at] = byte(length * 7)
		}
	}
	if got := base64url.Append(nil, nil); len(got) != 0 {
		t.Errorf("nothing became %q", got)
	}
}

// The law: the same as encoding/base64.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{"", "f", "fo", "foo", "foobar", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) { same(t, src) })
}
