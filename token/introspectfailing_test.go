package token_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/token"
)

// signing is an endpoint with a signed answer, and a Resolver that looks for the keys by find.
func signing(t *testing.T, timeout time.Duration, find token.KeySourceFunc) *token.Introspection {
	a := newAsking(t)
	a.replies("application/token-introspection+jwt", http.StatusOK,
		a.signTexts(`{"alg":"ES256","kid":"es","typ":"token-introspection+jwt"}`,
			`{"iss":"`+benchIssuer+`","aud":"`+benchOrigin+`","iat":`+seconds(time.Now())+`,"token_introspection":`+a.active()+`}`))
	c := a.config()
	c.SignedBy, c.SignedAudience, c.Timeout, c.MaxInFlight = find, benchOrigin, timeout, 1
	return a.resolver(c)
}

// TestIntrospectionKeysHang: looking for keys is part of the call, which has a time of its own; nobody who asks has.
func TestIntrospectionKeysHang(t *testing.T) {
	i := signing(t, 500*time.Millisecond, func(ctx context.Context, _ string) ([]token.Key, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := i.Resolve(ctx, "opaque")
	if !errors.Is(err, token.ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("OPS-fail-closed: %v", err)
	}
}

// TestIntrospectionKeysPanic: in a goroutine of its own a panic would end the process.
func TestIntrospectionKeysPanic(t *testing.T) {
	var asked atomic.Int64
	i := signing(t, 30*time.Second, func(context.Context, string) ([]token.Key, error) {
		asked.Add(1)
		panic("secret")
	})
	for range 3 {
		if _, err := i.Resolve(context.Background(), "opaque"); !errors.Is(err, token.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("OPS-panic: %v", err)
		}
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times: a place was not given back", asked.Load())
	}
}

// TestIntrospectionRefusedToken: a server that will not read one token is there for all others.
func TestIntrospectionRefusedToken(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge} {
		a := newAsking(t)
		active := a.active()
		a.mu.Lock()
		a.answer = func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.PostForm.Get("token"), "odd") {
				w.WriteHeader(status)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(active))
		}
		a.mu.Unlock()
		i := a.resolver(a.config())
		for _, n := range "abcdefgh" {
			if _, err := i.Resolve(context.Background(), "odd"+string(n)); !errors.Is(err, token.ErrUnavailable) {
				t.Fatalf("%d: %v", status, err)
			}
		}
		if _, err := i.Resolve(context.Background(), "good"); err != nil {
			t.Errorf("%d: whoever sends odd tokens locks everybody out: %v", status, err)
		}
	}
}

// TestIntrospectionProbe: a server that may be back is asked by one call, however many wait for it.
func TestIntrospectionProbe(t *testing.T) {
	a := newAsking(t)
	a.replies("application/json", http.StatusInternalServerError, "")
	c := a.config()
	c.Timeout = 30 * time.Second
	i := a.resolver(c)
	for a.calls.Load() < 5 {
		_, _ = i.Resolve(context.Background(), rand.Text())
	}
	hold := make(chan struct{})
	a.mu.Lock()
	a.answer = func(http.ResponseWriter, *http.Request) { <-hold }
	a.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range 20 { // until one of them is the probe
		for range 10 {
			all.Go(func() { _, _ = i.Resolve(ctx, rand.Text()) })
		}
		time.Sleep(100 * time.Millisecond)
	}
	cancel()
	all.Wait()
	if n := a.calls.Load(); n > 6 {
		t.Errorf("%d probes at once", n-5)
	}
	close(hold)
}

// TestInactiveTokensShareAPlace: that one token is inactive says nothing of another, wherever the two are kept; and what
// is forgotten, or over, is asked about again.
func TestInactiveTokensShareAPlace(t *testing.T) {
	place := func(raw string) uint32 {
		digest := sha256.Sum256([]byte(raw))
		return binary.LittleEndian.Uint32(digest[:]) % token.Places
	}
	const one = "opaque"
	other := ""
	for n := 0; other == "" || place(other) != place(one); n++ {
		other = one + strconv.Itoa(n)
	}
	a := newAsking(t)
	c := a.config()
	c.NegativeTTL = time.Hour
	i := a.resolver(c)
	asks := func(raw string, want error, calls int64) {
		t.Helper()
		before := a.calls.Load()
		if _, err := i.Resolve(context.Background(), raw); !errors.Is(err, want) || a.calls.Load()-before != calls {
			t.Errorf("%s: %v after %d calls, want %v after %d", raw, err, a.calls.Load()-before, want, calls)
		}
	}
	const inactive = `{"active":false}`
	a.says(inactive)
	asks(one, token.ErrInactive, 1)
	a.says(a.active())
	asks(other, nil, 1)
	asks(one, token.ErrInactive, 0)
	a.says(inactive)
	asks(other, token.ErrInactive, 1)
	a.says(a.active())
	asks(one, nil, 1)
	asks(other, token.ErrInactive, 0)

	c.NegativeTTL = time.Millisecond
	i = a.resolver(c)
	a.says(inactive)
	asks(one, token.ErrInactive, 1)
	a.says(a.active())
	time.Sleep(10 * time.Millisecond)
	asks(one, nil, 1)
}

// TestOutageCauses: every 503 for want of an answer about the token says in the record which want it was.
func TestOutageCauses(t *testing.T) {
	a := newAsking(t)
	down := newJWKS(t, token.JWKSConfig{File: "no such file"})
	i := a.resolver(a.config())
	for _, c := range []struct {
		cause  string
		answer func()
		edit   func(*rig)
		times  int
	}{
		{"token: introspection answer cannot be used", func() { a.says("[]") }, func(k *rig) { k.resolver = i }, 1},
		{"token: introspection endpoint refuses us", func() { a.replies("", 401, "") }, func(k *rig) { k.resolver = i }, 4},
		{"token: introspection keeps failing", func() {}, func(k *rig) { k.resolver = i }, 1},
		{"*url.Error", a.server.Close, func(k *rig) { k.resolver = a.resolver(a.config()) }, 1},
		{"token: no current key set", func() {}, func(k *rig) { k.jwt.Keys = down }, 1},
	} {
		t.Run("OPS-fail-closed: "+c.cause, func(t *testing.T) {
			c.answer()
			k := newRig(t, c.edit)
			raw := k.bearer()
			for range c.times {
				got := k.withBearer(raw)
				got.is(t, e503, token.ErrUnavailable)
				if got.records[0]["cause"] != c.cause {
					t.Errorf("cause %v, want %s", got.records[0]["cause"], c.cause)
				}
			}
		})
	}
}
