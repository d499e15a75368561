package replay_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// secret is the n-th shared secret.
func secret(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

func newNonces(t testing.TB, service string, lifetime time.Duration, secrets ...[]byte) *replay.Nonces {
	t.Helper()
	n, err := replay.NewNonces(replay.NonceConfig{Secrets: secrets, Service: service, Lifetime: lifetime})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// opens fails unless n opens nonce and finds the time it was minted.
func opens(t *testing.T, n *replay.Nonces, nonce string, made time.Time) {
	t.Helper()
	got, err := n.Open(nonce)
	if err != nil || !got.Equal(made.Truncate(time.Millisecond)) {
		t.Fatalf("%q: got %v, %v; want %v", nonce, got, err, made)
	}
}

// refuses fails unless n refuses nonce, and for its one reason.
func refuses(t *testing.T, n *replay.Nonces, nonce string) {
	t.Helper()
	if got, err := n.Open(nonce); !errors.Is(err, replay.ErrNonce) || err.Error() != "replay: nonce not valid" || !got.IsZero() {
		t.Fatalf("%q: got %v, %v", nonce, got, err)
	}
}

func TestNonceConfigTellsEveryMistake(t *testing.T) {
	many := make([][]byte, 9)
	for i := range many {
		many[i] = secret(byte(i))
	}
	many[3] = []byte("short")
	for _, c := range []replay.NonceConfig{
		{Secrets: many, Service: strings.Repeat("s", 257), Lifetime: time.Millisecond},
		{Secrets: many, Lifetime: 25 * time.Hour},
		{Secrets: many, Lifetime: -1},
	} {
		n, err := replay.NewNonces(c)
		if n != nil || err == nil {
			t.Fatal("accepted")
		}
		for _, word := range []string{"9 Secrets", "Secrets[3]", "Service", "Lifetime"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%v: no word of %s", err, word)
			}
		}
		if strings.Contains(err.Error(), "short") {
			t.Errorf("%v: tells a secret", err)
		}
	}
}

func TestNonceOpens(t *testing.T) {
	n := newNonces(t, "https://api.bank.example", 0)
	before := time.Now().Truncate(time.Millisecond)
	nonce := n.Mint()
	for range 3 { // any number of times: what is used once is the proof
		made, err := n.Open(nonce)
		if err != nil || made.Before(before) || made.After(time.Now()) {
			t.Fatalf("got %v, %v", made, err)
		}
	}
}

func TestNonceIsUnpredictable(t *testing.T) {
	t.Run("RFC9449-8-1", func(t *testing.T) {
		n := newNonces(t, "s", 0, secret(1))
		const count = 100_000
		all, beginnings := map[string]bool{}, map[string]bool{}
		for range count {
			nonce := n.Mint()
			all[nonce] = true
			beginnings[nonce[:8]] = true
		}
		if len(all) != count {
			t.Errorf("%d nonces, of which %d differ", count, len(all))
		}
		if len(beginnings) < count-100 { // 48 bits: some 0.00002 meet
			t.Errorf("%d nonces have only %d beginnings", count, len(beginnings))
		}
	})
}

func TestNonceIsNQCHAR(t *testing.T) {
	t.Run("RFC9449-8.1", func(t *testing.T) {
		n := newNonces(t, "s", 0)
		for range 1000 {
			nonce := n.Mint()
			if len(nonce) != 48 {
				t.Fatalf("%q has %d characters", nonce, len(nonce))
			}
			for _, c := range []byte(nonce) {
				if c != 0x21 && (c < 0x23 || c > 0x5b) && (c < 0x5d || c > 0x7e) {
					t.Fatalf("%q has %q", nonce, c)
				}
			}
		}
	})
}

func TestNonceEnds(t *testing.T) {
	for _, id := range []string{"RFC9449-8-4", "RFC9449-4.3-10"} {
		t.Run(id, func(t *testing.T) {
			for _, lifetime := range []time.Duration{time.Second, 5 * time.Minute, 59 * time.Minute, time.Hour, 24 * time.Hour} {
				for _, begin := range []time.Duration{0, time.Hour - 1, time.Hour - time.Second, 1234567 * time.Millisecond} {
					synctest.Test(t, func(t *testing.T) {
						n := newNonces(t, "s", lifetime, secret(1), secret(2))
						time.Sleep(begin)
						made := time.Now()
						nonce := n.Mint()
						opens(t, n, nonce, made)
						time.Sleep(lifetime / 2)
						opens(t, n, nonce, made)
						opens(t, n, n.Mint(), time.Now()) // the previous one stands beside it
						time.Sleep(time.Until(made.Truncate(time.Millisecond).Add(lifetime)) - 1)
						opens(t, n, nonce, made)
						time.Sleep(time.Nanosecond)
						refuses(t, n, nonce)
						time.Sleep(7 * 24 * time.Hour)
						refuses(t, n, nonce)
					})
				}
			}
		})
	}
}

func TestNonceOfOthers(t *testing.T) {
	t.Run("pitfall-72", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			made := time.Now()
			old := newNonces(t, "s", 0, secret(1))
			first := newNonces(t, "s", 0, secret(1), secret(2))  // the new secret comes to open
			second := newNonces(t, "s", 0, secret(2), secret(1)) // the new secret seals
			last := newNonces(t, "s", 0, secret(2))              // the old one is gone
			opens(t, newNonces(t, "s", 0, secret(1)), old.Mint(), made)
			for _, n := range []*replay.Nonces{old, first, second} {
				opens(t, n, old.Mint(), made)
				opens(t, n, first.Mint(), made)
			}
			for _, n := range []*replay.Nonces{first, second, last} {
				opens(t, n, second.Mint(), made)
				opens(t, n, last.Mint(), made)
			}
			refuses(t, last, old.Mint())
			refuses(t, old, last.Mint())
			refuses(t, old, newNonces(t, "s", 0, secret(3)).Mint())
		})
	})
	t.Run("no secret", func(t *testing.T) {
		refuses(t, newNonces(t, "s", 0), newNonces(t, "s", 0).Mint())
	})
	t.Run("RFC9449-9-2", func(t *testing.T) {
		for _, pair := range [][2]string{{"as", "rs"}, {"s", "s\x00"}, {"s", "S"}} {
			a, b := newNonces(t, pair[0], 0, secret(1)), newNonces(t, pair[1], 0, secret(1))
			refuses(t, a, b.Mint())
			refuses(t, b, a.Mint())
		}
	})
	t.Run("another lifetime", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			short, long := newNonces(t, "s", time.Second, secret(1)), newNonces(t, "s", 24*time.Hour, secret(1))
			opens(t, short, long.Mint(), time.Now())
			opens(t, long, short.Mint(), time.Now())
		})
	})
}

// TestNonceOfAnotherClock mints and opens in two bubbles, whose clocks both begin at midnight.
func TestNonceOfAnotherClock(t *testing.T) {
	for _, test := range []struct {
		name         string
		minter, ours time.Duration
		ok           bool
	}{
		{"a minute ahead", time.Minute, 0, true},
		{"a minute ahead over the hour", time.Hour + 20*time.Second, time.Hour - 40*time.Second, true},
		{"more than a minute ahead", time.Minute + time.Millisecond, 0, false},
		{"an hour ahead", time.Hour, 0, false},
		{"a minute behind", 0, time.Minute, true},
		{"a minute behind over the hour", time.Hour - 20*time.Second, time.Hour + 40*time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var nonce string
			var made time.Time
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(test.minter)
				made = time.Now()
				nonce = newNonces(t, "s", 0, secret(1)).Mint()
			})
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(test.ours)
				n := newNonces(t, "s", 0, secret(1))
				if test.ok {
					opens(t, n, nonce, made)
				} else {
					refuses(t, n, nonce)
				}
			})
		})
	}
}

// TestNonceStays pins what replicas of different versions share: a nonce of midnight, 1 January
// 2000, which is when bubbles begin, made by another implementation of the same words.
func TestNonceStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNonces(t, "https://api.bank.example", 0, secret(7))
		opens(t, n, "ABEiM0RVZneImaq7vqizPx7wt81_JtE6o4UQphJCVi6LDXH3", time.Now())
	})
}
