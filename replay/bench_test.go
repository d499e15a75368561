package replay_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// verification is R: one P-256 verification, the unit of shared budgets, measured in this run.
func verification(b *testing.B) time.Duration {
	b.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte("x"))
	sig, err := ecdsa.SignASN1(rand.Reader, k, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	const n = 500
	best := time.Hour
	for range 3 {
		began := time.Now()
		for range n {
			if !ecdsa.VerifyASN1(&k.PublicKey, sum[:], sig) {
				b.Fatal("not verified")
			}
		}
		best = min(best, time.Since(began)/n)
	}
	return best
}

// mapInsert is the floor: a new key in a plain map that has the room, without lock or clock.
func mapInsert(keys []replay.Key) time.Duration {
	best := time.Hour
	for range 5 {
		m := make(map[replay.Key]uint32, len(keys))
		began := time.Now()
		for i, k := range keys {
			if _, found := m[k]; !found {
				m[k] = uint32(i)
			}
		}
		best = min(best, time.Since(began)/time.Duration(len(keys)))
	}
	return best
}

// someKeys are digests whose first bytes may be overwritten to make more of them.
func someKeys() []replay.Key {
	keys := make([]replay.Key, 1<<16)
	for i := range keys {
		keys[i] = key(i)
	}
	return keys
}

// filled gives a store of capacity that is full to a share of it, and the heap it took.
func filled(b *testing.B, capacity int, share float64) (m *replay.Memory, bytes float64) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m = newMemory(b, capacity)
	runtime.ReadMemStats(&after)
	now := time.Now()
	for i := range int(float64(capacity) * share) {
		k := key(i)
		if err := m.Use(context.Background(), replay.Use{Key: k, Made: now, Until: now.Add(time.Hour)}); err != nil {
			b.Fatalf("%v at %d", err, i)
		}
	}
	return m, float64(after.HeapAlloc - before.HeapAlloc)
}

// BenchmarkMemory reports, at a million live keys and with -large at ten, the bytes for each, what
// the full store adds to a garbage collection, and a new use by one of a thousand owners, as well as one
// that is refused because of its owner's quota, as time, as a share of R and in inserts into a plain
// map of 65536 keys. Run it with -cpu 1,2.
func BenchmarkMemory(b *testing.B) {
	sizes := []int{1_000_000}
	if *large {
		sizes = append(sizes, 10_000_000)
	}
	r := verification(b)
	keys := someKeys()
	floor := mapInsert(keys)
	owners := make([]replay.Key, 1000)
	for i := range owners {
		owners[i] = owner(i)
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("use/%d", n), func(b *testing.B) {
			const rounds = 4 << 20 // more new uses than any run needs
			m, _ := filled(b, n+rounds, float64(n)/float64(n+rounds))
			var worker atomic.Uint64
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				now := time.Now()
				at, i := worker.Add(1)<<40, uint64(0)
				var s replay.Store = m
				for pb.Next() {
					u := replay.Use{Key: keys[i%uint64(len(keys))], Owner: owners[i%uint64(len(owners))], Made: now, Until: now.Add(time.Hour)}
					i++
					binary.LittleEndian.PutUint64(u.Key[:], at+i)
					if err := s.Use(context.Background(), u); err != nil {
						b.Error(err)
						return
					}
				}
			})
			each := float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(each/float64(r), "R")
			b.ReportMetric(each/float64(floor), "map-inserts")
		})
		b.Run(fmt.Sprintf("quota/%d", n), func(b *testing.B) {
			m, _ := filled(b, n, 0)
			u := replay.Use{Owner: owners[0], Made: time.Now(), Until: time.Now().Add(time.Hour)}
			next := func() error {
				u.Key = keys[u.Made.Nanosecond()%len(keys)]
				u.Made = u.Made.Add(1)
				binary.LittleEndian.PutUint64(u.Key[:], uint64(u.Made.UnixNano()))
				return m.Use(context.Background(), u)
			}
			for next() == nil {
				continue
			}
			b.ReportAllocs()
			for b.Loop() {
				_ = next() // in some shards there may be room for a few more
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(r), "R")
		})
		b.Run(fmt.Sprintf("full/%d", n), func(b *testing.B) {
			empty := collection()
			m, bytes := filled(b, n, 1)
			full := collection()
			runtime.KeepAlive(m)
			b.ReportMetric(bytes/float64(n), "B/key")
			b.ReportMetric(float64(full-empty)/1e3, "gc-µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

var large = flag.Bool("large", false, "measure ten million keys too")

// collection is how long one garbage collection takes, the shortest of some.
func collection() time.Duration {
	best := time.Hour
	for range 10 {
		began := time.Now()
		runtime.GC()
		best = min(best, time.Since(began))
	}
	return best
}

func BenchmarkDigest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		replay.Digest("dpop", "https://api.bank.example", "0123456789012345678901234567890123456789012", "b1f1a7a2-3f0e-4f7e-9a65-2f8f6a1f0c11")
	}
}

func BenchmarkNonces(b *testing.B) {
	r := verification(b)
	n := newNonces(b, "https://api.bank.example", 0, secret(1), secret(2))
	nonce := n.Mint()
	junk := "A" + nonce[1:]
	for name, f := range map[string]func(){
		"mint":   func() { n.Mint() },
		"open":   func() { _, _ = n.Open(nonce) },
		"refuse": func() { _, _ = n.Open(junk) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(r), "R")
		})
	}
}
