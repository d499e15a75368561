package token_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/token"
)

// flood is a verifier over every kind of resolver, behind a cache, and what floods it.
type flood struct {
	*asking
	v     *token.Verifier
	other *bench // an issuer with the same name and other keys
	good  string // a genuine token bound to the certificate
	n     int
}

func newFlood(t *testing.T) *flood {
	f := &flood{asking: newAsking(t), other: newBench(t, 0)}
	f.cert = f.other.cert // one certificate for both
	f.says(`{"active":false}`)
	cache, err := token.NewCache(token.CacheConfig{Resolver: token.Shapes{Signed: f.jwt, Opaque: f.resolver(f.config())}})
	must(err)
	f.v, err = token.New(f.configOver(cache))
	must(err)
	f.good = f.token("ES256", false)
	return f
}

// foul are requests that differ from each other and from every one before, by kind. One signature serves for all:
// they are refused anyway.
func (f *flood) foul() map[string]func() *http.Request {
	parts := strings.Split(f.good, ".")
	header, claims := unb64(f.tb, parts[0]), unb64(f.tb, parts[1])
	forged := func(old, changed string) func() *http.Request {
		return func() *http.Request {
			f.n++
			h := strings.Replace(header, old, changed, 1)
			c := strings.Replace(strings.Replace(claims, old, changed, 1), `"jti":"`, `"jti":"`+strconv.Itoa(f.n)+" ", 1)
			return f.request(b64([]byte(h))+"."+b64([]byte(c))+"."+parts[2], "")
		}
	}
	expires := strings.Index(claims, `"exp":`)
	return map[string]func() *http.Request{
		"a signature of nobody's": forged("", ""),
		"an unknown kid":          forged(`"kid":"es"`, `"kid":"no"`),
		"an unknown issuer":       forged(benchIssuer, "https://as.else.example"),
		"another audience":        forged(benchOrigin, "https://api.else.example"),
		"expired":                 forged(claims[expires:expires+16], `"exp":1000000000`),
		"no token":                func() *http.Request { f.n++; return f.request("x."+strconv.Itoa(f.n)+".y", "") },
		"a proof for another":     func() *http.Request { f.n++; return f.request("x."+strconv.Itoa(f.n)+".y", f.other.proof("z")) },
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The smallest thing that could be kept of a token is its digest in a map, some 100 bytes.
func TestFloodLeavesNothing(t *testing.T) {
	f := newFlood(t)
	for name, foul := range f.foul() {
		t.Run("a flood: "+name, func(t *testing.T) {
			const many, each = 1000, 64
			send := func(n int) {
				for range n {
					if _, err := f.v.Authenticate(foul()); err == nil {
						t.Fatal("accepted")
					}
				}
			}
			send(100) // what is made once is made
			var grown int64
			for range 4 { // other tests' leftovers may come and go meanwhile
				before := heap()
				send(many)
				if grown = heap() - before; grown < many*each {
					return
				}
			}
			t.Errorf("%d bytes after %d tokens", grown, many)
		})
	}
	if _, err := f.v.Authenticate(f.request(f.good, "")); err != nil {
		t.Fatal(err) // the rig is right
	}
	runtime.KeepAlive(f)
}

// What the authorization server calls inactive is remembered, in memory that is there from the start.
func TestInactiveTokensLeaveNothing(t *testing.T) {
	a := newAsking(t)
	a.says(`{"active":false}`)
	i := a.resolver(a.config())
	for range 2 {
		if _, err := i.Resolve(context.Background(), "opaque"); !errors.Is(err, token.ErrInactive) || a.calls.Load() != 1 {
			t.Fatalf("I2: %v after %d calls", err, a.calls.Load())
		}
	}
	n, grown := 0, int64(0)
	for range 4 {
		const many, each = 1000, 64
		before := heap()
		for range many {
			n++
			i.RememberInactive("opaque-" + strconv.Itoa(n))
		}
		if grown = heap() - before; grown < many*each {
			return
		}
	}
	t.Errorf("%d bytes after %d tokens", grown, n)
	runtime.KeepAlive(i)
}

// What is refused costs no more than what is accepted: at most the one signature, and no memory but the answer's.
func TestRefusedCostsNoMore(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	f := newFlood(t)
	bare, err := token.New(f.configOver(f.jwt))
	must(err)
	r := f.request(f.good, "")
	accepted := testing.AllocsPerRun(50, func() {
		if _, err := bare.Authenticate(r); err != nil {
			t.Fatal(err)
		}
	})
	const answer = 8 // the Refusal, its header, the challenges
	for name, foul := range f.foul() {
		r := foul()
		n := testing.AllocsPerRun(50, func() {
			if _, err := f.v.Authenticate(r); err == nil {
				t.Fatal("accepted")
			}
		})
		t.Logf("%s: %v, accepted: %v", name, n, accepted)
		if n > accepted+answer {
			t.Errorf("%s: %v allocations, accepted: %v", name, n, accepted)
		}
	}
}

// BenchmarkRefused compares refusals with the acceptance of a token that nobody has seen yet.
func BenchmarkRefused(b *testing.B) {
	s, other := newBench(b, 0), newBench(b, 0)
	v := s.verifier(false)
	good := s.request(s.token("ES256", false), "")
	for name, r := range map[string]*http.Request{
		"bad-signature": s.request(other.token("ES256", false), ""),
		"expired":       s.request(s.tokenFor("ES256", false, -time.Minute), ""),
		"malformed":     s.request("x.y.z", ""),
	} {
		b.Run(name, func(b *testing.B) {
			ratio(b, "accepted", func(int) {
				if _, err := v.Authenticate(good); err != nil {
					b.Fatal(err)
				}
			}, func(int) {
				if _, err := v.Authenticate(r); err == nil {
					b.Fatal("accepted")
				}
			})
		})
	}
}
