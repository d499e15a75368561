package replay_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// nearly gives texts that are nearly nonce; a test over none of them proves nothing.
func nearly(t testing.TB, nonce string) []string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{
		"", "a", nonce[:47], nonce + "A", nonce + "=", nonce + "\n", nonce[:47] + "\n", "\n" + nonce[1:], nonce[:44] + "\r\n\r\n",
		" " + nonce[1:], nonce[:47] + "=", nonce[:46] + "==", nonce[:47] + "+", nonce[:47] + "/", nonce[:47] + "\x00", nonce[:47] + "\xff",
		strings.Repeat("A", 48), strings.Repeat("_", 48), strings.Repeat("A", 1<<20),
		base64.RawURLEncoding.EncodeToString(raw[3:]), base64.RawURLEncoding.EncodeToString(append(raw, 0, 0, 0)),
		base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 36)),
	}
	if len(all) < 20 {
		t.Fatal("the corpus is empty")
	}
	return all
}

func TestNonceRefusesWhatIsNone(t *testing.T) {
	n := newNonces(t, "s", 0, secret(1))
	nonce := n.Mint()
	for _, text := range nearly(t, nonce) {
		refuses(t, n, text)
	}
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw { // every bit counts
		for bit := range 8 {
			raw[i] ^= 1 << bit
			refuses(t, n, base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1 << bit
		}
	}
}

func TestNoncesRollUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNonces(t, "s", 5*time.Minute, secret(1), secret(2))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 200 {
					nonce := n.Mint()
					time.Sleep(4 * time.Minute)
					if _, err := n.Open(nonce); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestNoncesDoNotPrintSecrets(t *testing.T) {
	c := replay.NonceConfig{Secrets: [][]byte{[]byte("swordfish swordfish swordfish swordfish")}, Service: "s"}
	n, err := replay.NewNonces(c)
	if err != nil {
		t.Fatal(err)
	}
	n.Mint()
	var out bytes.Buffer
	for _, v := range []any{c, &c, n, *n, []any{c, n}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	if b, err := json.Marshal(c); err == nil {
		out.Write(b)
	}
	for _, form := range []string{"swordfish", "73776f7264", "c3dvcmRmaXNo", "115 119 111"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("printed as %s", form)
		}
	}
}

func TestNonceAllocations(t *testing.T) {
	n := newNonces(t, "s", 0, secret(1), secret(2))
	nonce := n.Mint()
	junk := "A" + nonce[1:]
	t.Run("accept", func(t *testing.T) { allocates(t, 1, func() { _, _ = n.Open(nonce) }) })
	t.Run("refuse", func(t *testing.T) { allocates(t, 1, func() { _, _ = n.Open(junk) }) })
	t.Run("mint", func(t *testing.T) { allocates(t, 4, func() { n.Mint() }) })
}

// FuzzNonce holds that a nonce opens, that one changed character is one too many, and that no
// other text opens.
func FuzzNonce(f *testing.F) {
	// A secret of this process: the fuzzer is good enough to complete a nonce of its corpus.
	n := newNonces(f, "s", 0)
	for i, text := range nearly(f, n.Mint()) {
		f.Add(text, uint8(i), "A_\n="[i%4])
	}
	f.Add(newNonces(f, "t", 0, secret(1)).Mint(), uint8(44), byte('_'))
	f.Fuzz(func(t *testing.T, text string, at uint8, to byte) {
		nonce := n.Mint()
		if _, err := n.Open(nonce); err != nil {
			t.Fatal(err)
		}
		refuses(t, n, text)
		changed := []byte(nonce)
		changed[int(at)%len(changed)] = to
		if string(changed) != nonce {
			refuses(t, n, string(changed))
		}
	})
}
