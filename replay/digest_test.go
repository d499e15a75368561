package replay_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/replay"
)

func TestDigestIsUnambiguous(t *testing.T) {
	t.Run("pitfall-85", func(t *testing.T) {
		seen := map[replay.Key][]string{}
		for _, in := range [][]string{
			{""}, {"", ""}, {"", "", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a:b", "c"}, {"a", "b:c"}, {"a", "b", "c"},
			{"a", "bc"}, {"ab", "c"}, {"abc"}, {"\x01a"}, {"\x00"}, {"a", "\x01b"}, {"a\x01b"},
			{"dpop", "s", "k", "j"}, {"payment", "s", "k", "j"},
			{"d", strings.Repeat("x", 127)}, {"d", strings.Repeat("x", 128)}, {"d", "\x80\x01" + strings.Repeat("x", 128)},
		} {
			k := replay.Digest(in[0], in[1:]...)
			if old, ok := seen[k]; ok {
				t.Errorf("%q and %q have the same digest", old, in)
			}
			seen[k] = in
		}
	})
	t.Run("R2, pitfall-62", func(t *testing.T) {
		if replay.Digest("dpop", "service", "key 1", "jti") == replay.Digest("dpop", "service", "key 2", "jti") {
			t.Error("two keys that use the same jti meet")
		}
	})
	t.Run("pitfall-63", func(t *testing.T) {
		jti := strings.Repeat("j", 1<<20)
		if replay.Digest("dpop", jti) == replay.Digest("dpop", jti+"j") {
			t.Error("long parts are cut")
		}
	})
}

// TestDigestStays pins what replicas of different versions share: SHA-256 of
// 04 "dpop" 01 "a" 00 82 01 "b" x 130.
func TestDigestStays(t *testing.T) {
	got := replay.Digest("dpop", "a", "", strings.Repeat("b", 130))
	if want := "654868f5d8b1a1774f554ee14533e2e4339b79ca0db0a3a339608d15bf32dcbe"; hex.EncodeToString(got[:]) != want {
		t.Errorf("got %x", got)
	}
}

func TestDigestAllocatesNothing(t *testing.T) {
	thumbprint, jti := strings.Repeat("t", 43), strings.Repeat("j", 256)
	allocates(t, 0, func() { replay.Digest("dpop", "https://api.bank.example", thumbprint, jti) })
}

// FuzzDigest holds that two inputs have one digest only if they are the same input.
func FuzzDigest(f *testing.F) {
	f.Add("a:b", "c", "a", "b:c")
	f.Add("", "", "", "")
	f.Add("\x01", "", "", "\x01")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		if same := a == c && b == d; (replay.Digest(a, b) == replay.Digest(c, d)) != same {
			t.Errorf("%q, %q and %q, %q", a, b, c, d)
		}
		if replay.Digest(a, b) == replay.Digest(a, b, c) || replay.Digest(a, b) == replay.Digest(a) {
			t.Errorf("%q, %q: the number of parts does not count", a, b)
		}
	})
}
