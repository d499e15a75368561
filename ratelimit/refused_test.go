package ratelimit_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

// counted is a chain of two stages round a login, and what of it ran.
func counted(t testing.TB, peers int64) (h http.Handler, stores, logins *atomic.Int64) {
	m := memory(t, 1000)
	stores, logins = new(atomic.Int64), new(atomic.Int64)
	store := ratelimit.StoreFunc(func(ctx context.Context, k string, c int64, l []ratelimit.Limit) (ratelimit.Result, error) {
		stores.Add(1)
		return m.Take(ctx, k, c, l)
	})
	peer := limiter(t, ratelimit.Config{Store: store, Name: "peer", Key: ratelimit.PeerAddress, NoFields: true, Limits: []ratelimit.Limit{limit("", peers, time.Hour)}})
	client := limiter(t, ratelimit.Config{Store: store, Name: "client", Key: one, Limits: []ratelimit.Limit{limit("", 1e9, time.Hour)}})
	log, err := audit.New(audit.Config{Handler: slog.DiscardHandler})
	if err != nil {
		t.Fatal(err)
	}
	login := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logins.Add(1)
			next.ServeHTTP(w, r)
		})
	}
	return log.Wrap(peer.Wrap(login(client.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))))), stores, logins
}

// pitfall-92: a refused request asks one store once and proves nothing; one that passes asks
// both and proves who it is. BenchmarkRefused measures it.
func TestRefusedIsCheap(t *testing.T) {
	t.Run("pitfall-92", func(t *testing.T) {
		h, stores, logins := counted(t, 1)
		h.ServeHTTP(&discard{http.Header{}}, request())
		if stores.Load() != 2 || logins.Load() != 1 {
			t.Fatalf("accepted: %d stores, %d logins", stores.Load(), logins.Load())
		}
		h.ServeHTTP(&discard{http.Header{}}, request())
		if stores.Load() != 3 || logins.Load() != 1 {
			t.Errorf("refused: %d more stores, %d more logins", stores.Load()-2, logins.Load()-1)
		}
	})
}

// pitfall-92: what a refusal costs, record and problem included, as a part of what one P-256
// signature and the rest of the way cost whoever passes.
func BenchmarkRefused(b *testing.B) {
	refuse, _, _ := counted(b, 1)
	refuse.ServeHTTP(&discard{http.Header{}}, request())
	accept, _, _ := counted(b, 1e9)
	proof := signatures(b, 1, accept)
	r, w := request(), &discard{http.Header{}}
	run := func(h http.Handler) func(int) {
		return func(n int) {
			for range n {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		}
	}
	n := max(1, b.N/rounds)
	refused, accepted := time.Duration(1<<62), time.Duration(1<<62)
	for range rounds {
		refused, accepted = min(refused, timed(run(refuse), n)), min(accepted, timed(run(proof), n))
	}
	b.ReportMetric(float64(refused.Nanoseconds())/float64(n), "refused-ns")
	b.ReportMetric(float64(refused)/float64(accepted), "x-accepted")
	b.ReportMetric(0, "ns/op")
}
