package token_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/token"
)

// discard is a response that costs nothing itself.
type discard struct{ header http.Header }

func (w discard) Header() http.Header                 { return w.header }
func (w discard) Write(b []byte) (int, error)         { return len(b), nil }
func (w discard) WriteHeader(int)                     {}
func (w discard) Flush()                              {}
func (w discard) ReadFrom(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }

// chain is the whole way of a request: record, limit by peer, token, limit by client, handler.
func (b *bench) chain(v *token.Verifier) http.Handler {
	limiter := func(name string, key func(*http.Request) (string, error), quiet bool) *ratelimit.Limiter {
		store, err := ratelimit.NewMemory(ratelimit.MemoryConfig{})
		if err != nil {
			b.tb.Fatal(err)
		}
		l, err := ratelimit.New(ratelimit.Config{Store: store, Name: name, Key: key, NoFields: quiet,
			Limits: []ratelimit.Limit{{Count: 1e6, Period: time.Second}}})
		if err != nil {
			b.tb.Fatal(err)
		}
		return l
	}
	trail, err := audit.New(audit.Config{Handler: audit.NewLines(io.Discard)})
	if err != nil {
		b.tb.Fatal(err)
	}
	perPeer, perClient := limiter("peer", ratelimit.PeerAddress, true), limiter("client", token.ClientKey, false)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return trail.Wrap(perPeer.Wrap(v.Wrap(perClient.Wrap(handler))))
}

// BenchmarkChain measures budgets 4 and 7.
func BenchmarkChain(b *testing.B) {
	b.Run("4-bearer-cached", func(b *testing.B) {
		s := newBench(b, 800)
		h, r, floor := s.chain(s.verifier(true)), s.request(s.token("ES256", false), ""), s.rawES256()
		w := discard{http.Header{}}
		const batch = 64
		ratio(b, "R*64", func(int) { floor() }, func(int) {
			for range batch {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	})
	b.Run("7-dpop-cached", func(b *testing.B) {
		const many = 2048
		s := newBench(b, 800)
		raw := s.token("ES256", true)
		requests := make([]*http.Request, many)
		for i := range requests {
			requests[i] = s.request(raw, s.proof(raw))
		}
		floor := s.rawES256()
		w := discard{http.Header{}}
		h := s.chain(s.verifier(true))
		ratio(b, "R", func(int) { floor() }, func(i int) {
			if i%many == 0 {
				h = s.chain(s.verifier(true))
			}
			clear(w.header)
			h.ServeHTTP(w, requests[i%many])
		})
	})
}

func TestChainAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newBench(t, 800)
	h, r := s.chain(s.verifier(true)), s.request(s.token("ES256", false), "")
	r.Header.Set("X-Fapi-Interaction-Id", "93bac548-d2de-4546-b106-880a5018460d") // without it, one more: a fresh one
	w := discard{http.Header{}}
	n := testing.AllocsPerRun(200, func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	})
	t.Logf("budget 4: %v allocations", n)
	if n > 6 {
		t.Errorf("%v allocations, at most 6", n)
	}
}
