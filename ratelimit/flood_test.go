package ratelimit_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/ratelimit"
)

// pitfall-86: keys that were never seen before, each of which owes something, fit into what was
// configured, however many there are; whoever was in debt stays so, and the unseen are not
// refused outright. With TEGATA_FLOOD they are ten million, which takes seconds.
func TestFloodOfKeys(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	flood := int64(1_000_000)
	if os.Getenv("TEGATA_FLOOD") != "" {
		flood = 10_000_000
	}
	t.Run("pitfall-86", func(t *testing.T) {
		const keys = 1 << 17
		m, ctx := memory(t, keys), context.Background()
		heap := func() int64 {
			var s runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&s)
			return int64(s.HeapAlloc)
		}
		before := heap()
		debt, one := []ratelimit.Limit{limit("debt", 5, 24*time.Hour)}, []ratelimit.Limit{limit("flood", 1000, time.Hour)}
		for range 5 {
			_, _ = m.Take(ctx, "debtor", 1, debt)
		}
		var key [24]byte
		passed, most := 0, int64(0)
		for i := range flood {
			r, err := m.Take(ctx, string(strconv.AppendInt(append(key[:0], "flood-"...), i, 10)), 1, one)
			if err != nil {
				t.Fatal(err)
			}
			if r.OK {
				passed++
			}
			if i%(flood/10) == 0 {
				if r, err := m.Take(ctx, "debtor", 1, debt); err != nil || r.OK {
					t.Fatalf("the debtor is forgotten: %+v, %v", r, err)
				}
				most = max(most, heap()-before)
			}
		}
		most = max(most, heap()-before)
		t.Logf("%d of %d passed, %d buckets, %.1f MB at most, %.1f bytes per configured key", passed, flood, m.Len(), float64(most)/1e6, float64(most)/keys)
		if most > 64*keys || m.Len() > keys+256*64 {
			t.Errorf("%d bytes and %d buckets for %d keys", most, m.Len(), keys)
		}
		if passed < keys {
			t.Errorf("%d passed", passed)
		}
		runtime.KeepAlive(m)
	})
}

// TestGoodClientsUnderFlood prints how long good clients wait while a bad one floods, without
// and with the two stages of limiters around an authentication that costs a signature:
//
//	TEGATA_FLOOD=1 go test -run TestGoodClientsUnderFlood -v ./ratelimit
func TestGoodClientsUnderFlood(t *testing.T) {
	if os.Getenv("TEGATA_FLOOD") == "" {
		t.Skip("TEGATA_FLOOD is not set: a measurement, not a check")
	}
	store := memory(t, 0)
	peer := limiter(t, ratelimit.Config{Store: store, Name: "peer", Key: ratelimit.PeerAddress, NoFields: true,
		Limits: []ratelimit.Limit{{Count: 30, Period: time.Second, Burst: 10}}})
	client := limiter(t, ratelimit.Config{Store: store, Name: "client", Key: byHeader, Limits: []ratelimit.Limit{limit("", 1000, time.Second)}})
	inner := signatures(t, 10, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	for _, c := range []struct {
		name    string
		handler http.Handler
		flood   bool
	}{
		{"no flood, no limiter", inner, false},
		{"flood, no limiter", inner, true},
		{"flood, limiters", peer.Wrap(client.Wrap(inner)), true},
	} {
		good, bad, refused := flooded(t, c.handler, c.flood)
		slices.Sort(good)
		at := func(p float64) time.Duration { return good[int(p*float64(len(good)-1))].Round(10 * time.Microsecond) }
		t.Logf("%-22s good: %4d answers, p50 %8v, p99 %8v, worst %8v; bad: %6d answers, %6d refused", c.name, len(good), at(0.5), at(0.99), at(1), bad, refused)
	}
}

// signatures verifies n before next: ten are as much as a millisecond of a processor.
func signatures(t testing.TB, n int, next http.Handler) http.Handler {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("proof"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range n {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				w.WriteHeader(http.StatusTeapot)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// flooded serves h for three seconds to 4 good clients with an address each, sending up to 20
// requests a second, and to 64 bad ones at one address, sending again 10 ms after every answer.
func flooded(t *testing.T, h http.Handler, flood bool) (good []time.Duration, bad, refused int64) {
	server := httptest.NewServer(h)
	defer server.Close()
	from := func(address string) *http.Client {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 100}}
	}
	send := func(c *http.Client, id string) int {
		r, _ := http.NewRequest(http.MethodGet, server.URL, nil)
		r.Header.Set("Client", id)
		res, err := c.Do(r)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res.StatusCode
	}
	end := time.Now().Add(3 * time.Second)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var answers, refusals atomic.Int64
	for i := range 64 {
		if flood {
			wg.Go(func() {
				for c := from("127.0.0.2"); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
					answers.Add(1)
					if send(c, "bad"+strconv.Itoa(i)) == http.StatusTooManyRequests {
						refusals.Add(1)
					}
				}
			})
		}
	}
	for i := range 4 {
		wg.Go(func() {
			for c := from("127.0.1." + strconv.Itoa(1+i)); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				began := time.Now()
				code := send(c, "good"+strconv.Itoa(i))
				mu.Lock()
				if good = append(good, time.Since(began)); code != http.StatusOK {
					t.Errorf("a good client got %d", code)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return good, answers.Load(), refusals.Load()
}
