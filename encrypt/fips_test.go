package encrypt_test

import (
	"context"
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/encrypt"
)

// With GODEBUG=fips140=only every path works: the documentation says so. What is not approved panics or
// fails there, so the test runs itself again in that mode.
func TestFIPS140Only(t *testing.T) {
	const mark = "TEGATA_FIPS_CHILD"
	if os.Getenv(mark) == "1" {
		if !fips140.Enabled() {
			t.Fatal("the mode is not on")
		}
		everything(t)
		return
	}
	for _, mode := range []string{"on", "only"} {
		c := exec.Command(os.Args[0], "-test.run=^TestFIPS140Only$", "-test.v")
		c.Env = append(os.Environ(), mark+"=1", "GODEBUG=fips140="+mode)
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "everything was sealed and opened") {
			t.Errorf("fips140=%s: %v\n%s", mode, err, out)
		}
	}
}

// everything seals and opens once on every path, with nothing but this package.
func everything(t *testing.T) {
	rules := []string{"/a"}
	both := func(name string, f *encrypt.Fields, b encrypt.Binding) {
		sealed := seal(t, f, `{"a":"DE89"}`, b)
		if back, err := f.OpenJSON(context.Background(), nil, []byte(sealed), encrypt.Binding{}); err != nil || string(back) != `{"a":"DE89"}` {
			t.Error(name, string(back), err)
		}
	}
	both("A256GCM", fields(t, encrypt.Config{Keys: ring(t, "k1"), Seal: rules, Open: rules}), encrypt.Binding{})
	both("A256KW", fields(t, encrypt.Config{Keys: wrapping(t, "k1"), Seal: rules, Open: rules}), encrypt.Binding{})
	for _, p := range people(t) {
		both(p.alg, fields(t, encrypt.Config{Recipient: p.recipient(t).Always, Seal: rules, Keys: ring(t, "k1"), Private: p.keys(t), Open: rules}),
			encrypt.Binding{Recipient: p.recipient(t)})
	}
	for name, keys := range sources(t) {
		v := vault(t, keys)
		sealed, err := v.Seal(context.Background(), []byte("DE89"), home)
		if err != nil {
			t.Fatal(name, err)
		}
		if back, err := v.Open(context.Background(), sealed, home); err != nil || string(back) != "DE89" {
			t.Error(name, err)
		}
	}
	for name, keys := range sources(t) {
		mine := encrypt.Binding{Client: "c1"}
		f := fields(t, encrypt.Config{Keys: keys, Seal: rules, Open: rules})
		sealed := seal(t, f, `{"a":"DE89"}`, mine)
		if back, err := f.OpenJSON(context.Background(), nil, []byte(sealed), mine); err != nil || string(back) != `{"a":"DE89"}` {
			t.Error(name, string(back), err)
		}
	}
	if len(ring(t, "k1").Digests("a", []byte("b"))) != 1 {
		t.Error("digest")
	}
	t.Log("everything was sealed and opened")
}
