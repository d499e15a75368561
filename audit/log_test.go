package audit_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
)

func TestHeadersOfOuterLayersStay(t *testing.T) {
	s := &spy{fail: func(int) error { return errDown }}
	inner := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Strict-Transport-Security", "mine")
		w.Header().Set("X-Mine", "1")
	}))
	w := httptest.NewRecorder()
	http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=1")
		inner.ServeHTTP(w, r)
	}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 || w.Header().Get("Strict-Transport-Security") != "max-age=1" || w.Header().Get("X-Mine") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

type ctxKey struct{}

func TestSinkContextOutlivesTheRequest(t *testing.T) {
	s := &spy{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), ctxKey{}, "v"), time.Hour)
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	trail(t, s).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		if r.Context().Err() == nil {
			t.Error("the handler's own context must end")
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	_, timed := s.ctx.Deadline()
	if s.ctx.Err() != nil || s.ctx.Done() != nil || timed || s.ctx.Value(ctxKey{}) != "v" || audit.InteractionID(s.ctx) == "" {
		t.Errorf("context: %v", s.ctx.Err())
	}
}

func TestNewReportsMistakes(t *testing.T) {
	if l, err := audit.New(audit.Config{}); err == nil || l != nil || !strings.Contains(err.Error(), "Handler") {
		t.Errorf("%v, %v", l, err)
	}
}

func TestConfigIsClosed(t *testing.T) {
	c := reflect.TypeFor[audit.Config]()
	if c.Field(0).Name != "_" || c.Comparable() {
		t.Error("Config can be written without names, or compared")
	}
}

func TestConcurrentRequests(t *testing.T) {
	s := &spy{fail: func(try int) error {
		if try%3 == 0 {
			return errDown
		}
		return nil
	}}
	h := trail(t, s).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	var wg sync.WaitGroup
	var ok atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 50 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				if w.Code == 200 {
					ok.Add(1)
				}
			}
		})
	}
	wg.Wait()
	allowed := 0
	for _, l := range s.lines {
		if l["decision"] == "allow" {
			allowed++
		}
	}
	if int64(allowed) != ok.Load() || s.tried != 400 {
		t.Errorf("%d answers 200, %d records of them, %d tries", ok.Load(), allowed, s.tried)
	}
}
