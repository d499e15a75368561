package redisstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/tegata-go/tegata/internal/redistest"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// runs make a use a run, from its begin to its answer: what runs twice is accepted twice.
func runs(t *testing.T, client redis.UniversalClient) replay.Store {
	s := newRuns(t, client, redisstore.RunsConfig{})
	return replay.StoreFunc(func(ctx context.Context, u replay.Use) error {
		run := replay.Run{Key: u.Key, Fingerprint: u.Key, Lease: time.Minute, TTL: time.Hour}
		_, _ = rand.Read(run.ID[:])
		switch answer, err := s.Begin(ctx, run); {
		case errors.Is(err, replay.ErrInFlight), errors.Is(err, replay.ErrUnresolved), err == nil && answer != nil:
			return replay.ErrUsed
		case err != nil:
			return err
		}
		_ = s.Finish(ctx, run, []byte("answer")) // it has run, whatever becomes of its answer
		return nil
	})
}

// elsewhere waits until all Sentinels name another master.
func elsewhere(t *testing.T, master *redistest.Server, sentinels []*redistest.Server) {
	t.Helper()
	eventually(t, "Sentinels that agree on another master", func() bool {
		for _, s := range sentinels {
			at, err := redistest.Strings(s.Addr(), "SENTINEL GET-MASTER-ADDR-BY-NAME bank")
			if err != nil || len(at) != 2 || net.JoinHostPort(at[0], at[1]) == master.Addr() {
				return false
			}
		}
		return true
	})
}

// TestRevocationFailover revokes at one replica, and asks at another, while the master dies and
// Sentinels promote a replica of it: with -long, or as part of the command of TestFaults.
func TestRevocationFailover(t *testing.T) {
	if !*long {
		t.Skip("with -long")
	}
	logging.Disable() // what go-redis says of the fault
	defer logging.Enable()
	t.Run("I8", func(t *testing.T) {
		master := redistest.Start(t)
		redistest.StartReplica(t, master)
		sentinels := redistest.StartSentinels(t, "bank", master, 1, time.Second)
		client := failoverClients(sentinels)
		open := func() *redisstore.Revocations {
			c := client()
			t.Cleanup(func() { _ = c.Close() })
			return running(t, newList(t, c, redisstore.RevocationsConfig{}))
		}
		told, other := open(), open()
		answers(t, told, "nobody", nil)
		answers(t, other, "nobody", nil)
		o := revokeUntil(told, other, func() {
			time.Sleep(time.Second)
			master.Kill()
			elsewhere(t, master, sentinels)
		})
		lost, late := 0, open()
		for s := range o.revoked {
			for _, r := range []*redisstore.Revocations{told, other, late} {
				answers(t, r, "nobody", nil)
				if !errors.Is(ask(r, s), replay.ErrRevoked) {
					lost++
				}
			}
		}
		fmt.Printf("revocations, failover by Sentinel: %d revoked, %d refused meanwhile, %d of %d passed after the bound, %d lost; recovery %v\n",
			len(o.revoked), o.refused, o.passed, o.asked, lost, o.recovery.Round(time.Millisecond))
		if len(o.revoked) < 20 || o.asked < 20 || o.passed > 0 || lost > 0 {
			t.Error("not what was promised, or too little to tell")
		}
	})
}

// revocationOutcome is what came of revocations under a fault.
type revocationOutcome struct {
	revoked  map[string]time.Time // by name: when Revoke returned
	refused  int                  // revocations, as told to whoever revoked
	asked    int                  // how often, later than the bound
	passed   int                  // of those
	recovery time.Duration        // from the end of the fault to the first answer that nobody is refused
}

// revokeUntil revokes ever new names at told, and asks other about all of them, until a second and a
// half after the fault.
func revokeUntil(told, other *redisstore.Revocations, fault func()) (o revocationOutcome) {
	o.revoked = map[string]time.Time{}
	var mu sync.Mutex
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			s := fmt.Sprint("name", n)
			err := told.Revoke(context.Background(), name(s), time.Now().Add(time.Hour))
			mu.Lock()
			if err == nil {
				o.revoked[s] = time.Now()
				n++
			} else {
				o.refused++
			}
			mu.Unlock()
		}
	})
	wg.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			mu.Lock()
			for s, at := range o.revoked {
				if time.Since(at) > redisstore.DefaultRevocationBound {
					o.asked++
					if ask(other, s) == nil {
						o.passed++
					}
				}
			}
			mu.Unlock()
		}
	})
	fault()
	ended := time.Now()
	for ask(other, "nobody") != nil || ask(told, "nobody") != nil {
		time.Sleep(5 * time.Millisecond)
	}
	o.recovery = time.Since(ended)
	time.Sleep(1500 * time.Millisecond)
	stop()
	wg.Wait()
	return o
}
