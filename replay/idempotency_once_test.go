package replay_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
)

func TestUseID(t *testing.T) {
	t.Run("R16, BR-6.1-9", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newMemory(t, 1000)
			check := func(what string, id replay.ID, status int, reason audit.Reason) {
				t.Helper()
				err := replay.UseID(t.Context(), store, id)
				if status == 0 {
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
					return
				}
				var f *audit.Refusal
				if !errors.As(err, &f) || f.Status != status || f.Reason != reason {
					t.Errorf("%s: %+v", what, err)
				}
			}
			time.Sleep(time.Minute)
			id := replay.ID{Kind: "payment jws", Client: "a", Value: "jti", Made: time.Now()}
			other, another := id, id
			other.Client, another.Kind = "b", "request"
			check("first", id, 0, "")
			check("again", id, http.StatusForbidden, replay.ErrUsed)
			check("another client's", other, 0, "")
			check("another kind", another, 0, "")
			time.Sleep(replay.UniquePeriod - time.Second)
			check("within a day", id, http.StatusForbidden, replay.ErrUsed)
			time.Sleep(2 * time.Second)
			id.Made = time.Now()
			check("after a day", id, 0, "")
			old, nobody, empty, long := id, id, id, id
			old.Value, old.Made = "old", time.Now().Add(-48*time.Hour)
			nobody.Client, empty.Value, long.Value = "", "", strings.Repeat("i", 257)
			check("before the start", old, http.StatusForbidden, replay.ErrTooOld)
			check("nobody's", nobody, http.StatusInternalServerError, replay.ErrClient)
			check("empty", empty, http.StatusBadRequest, replay.ErrKey)
			check("long", long, http.StatusBadRequest, replay.ErrKey)
			ahead := id
			ahead.Value, ahead.Made = "ahead", time.Now().Add(48*time.Hour)
			check("by a clock ahead", ahead, 0, "")
			for _, reason := range []error{replay.ErrFull, replay.ErrUnavailable, errors.New("down")} {
				err := replay.UseID(t.Context(), replay.StoreFunc(func(context.Context, replay.Use) error { return reason }), id)
				var f *audit.Refusal
				if !errors.As(err, &f) || f.Status != http.StatusServiceUnavailable {
					t.Errorf("%v: %v", reason, err)
				}
			}
		})
	})
}

// TestUseIDOfMany holds that of many who send one message at once one passes, and how the nonce of a
// message signature, which lives as long as its signature is accepted, is used with the store itself.
func TestUseIDOfMany(t *testing.T) {
	store := newMemory(t, 1000)
	for id, once := range map[string]func() error{
		"R16": func() error {
			return replay.UseID(t.Context(), store, replay.ID{Kind: "request", Client: "a", Value: "x-request-id", Made: time.Now()})
		},
		"R14": func() error {
			now := time.Now()
			return store.Use(t.Context(), replay.Use{
				Key: replay.Digest("signature nonce", "https://api.bank.example", "key id", "nonce"), Made: now, Until: now.Add(5 * time.Minute),
			})
		},
	} {
		t.Run(id, func(t *testing.T) {
			var passed, used atomic.Int64
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					switch err := once(); {
					case err == nil:
						passed.Add(1)
					case errors.Is(err, replay.ErrUsed):
						used.Add(1)
					}
				})
			}
			wg.Wait()
			if passed.Load() != 1 || used.Load() != 99 {
				t.Errorf("%d passed, %d were said to be used", passed.Load(), used.Load())
			}
		})
	}
}
