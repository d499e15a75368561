package replay_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
)

func TestUseID(t *testing.T) {
	t.Run("BR-6.1-9", func(t *testing.T) {
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
