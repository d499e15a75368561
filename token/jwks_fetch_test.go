package token_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-go/tegata/token"
)

// TestJWKSBadAnswers: whatever comes in place of a good set, the last good one stays, and the next good one is taken.
func TestJWKSBadAnswers(t *testing.T) {
	a, b, _ := abc()
	good, other := keySetOf(published(a)...), keySetOf(published(b)...)
	plain := httptest.NewServer(text(other))
	t.Cleanup(plain.Close)
	var written atomic.Int64
	flood := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		chunk := strings.Repeat(" ", 1<<16)
		for range 1 << 14 {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
			written.Add(int64(len(chunk)))
		}
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"empty", text("")}, {"no keys", text(`{"keys":[]}`)}, {"no member keys", text(`{}`)}, {"keys null", text(`{"keys":null}`)}, {"an array", text(`[` + b.published().String() + `]`)},
		{"HTML", text("<!DOCTYPE html><title>Sign in</title>")}, {"cut off", text(other[:len(other)-3])}, {"two values", text(other + other)},
		{"keys twice", text(strings.TrimSuffix(other, "}") + `,"keys":[]}`)}, {"only a symmetric key", text(`{"keys":[{"kty":"oct","kid":"b","k":"AAAA"}]}`)},
		{"no kid anywhere", text(`{"keys":[` + b.jwk.String() + `]}`)}, {"257 keys", text(`{"keys":[` + strings.Repeat(b.published().String()+",", 256) + b.published().String() + `]}`)},
		{"500 with a set", status(500, other)}, {"404 with a set", status(404, other)}, {"204", status(204, "")}, {"206 with a set", status(206, other)}, {"203 with a set", status(203, other)},
		{"pitfall-36: redirect to itself", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/other" {
				_, _ = io.WriteString(w, other)
				return
			}
			http.Redirect(w, r, "/other", http.StatusFound)
		}},
		{"pitfall-36: redirect to plain http", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) }},
		{"pitfall-36: redirect to http", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusTemporaryRedirect)
		}},
		{"pitfall-36: 1 GB", func(w http.ResponseWriter, _ *http.Request) { flood(w) }},
		{"pitfall-36: 1 MiB and a byte", text(strings.Repeat(" ", 1<<20+1-len(other)) + other)},
		{"pitfall-36: compressed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, strings.Repeat(" ", 64<<20)+other)
			_ = z.Close()
		}},
		{"a huge header", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 64<<10))
			_, _ = io.WriteString(w, other)
		}},
		{"the connection breaks", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, other)
			panic(http.ErrAbortHandler)
		}},
	} {
		withServer(t, "pitfall-31, pitfall-32: "+c.name, func(t *testing.T, p *publisher) {
			p.say(good)
			var failed []error
			config := p.config()
			config.Failed = func(err error) { failed = append(failed, err) }
			s := newJWKS(t, config)
			knows(t, s, "a", true)
			p.serve(c.answer)
			time.Sleep(time.Second)
			cannotTell(t, s, "b")
			knows(t, s, "a", true)
			time.Sleep(5 * time.Minute)
			knows(t, s, "a", true)
			cannotTell(t, s, "b")
			if len(failed) == 0 {
				t.Error("nobody was told")
			}
			for _, err := range failed {
				if strings.Contains(err.Error(), "Sign in") || strings.Contains(err.Error(), b.jkt) || len(err.Error()) > 500 {
					t.Errorf("the error quotes the answer: %.200s", err)
				}
			}
			p.say(other)
			time.Sleep(time.Second)
			knows(t, s, "b", true)
			knows(t, s, "a", false)
		})
	}
	if n := written.Load(); n == 0 || n > 256<<20 {
		t.Errorf("pitfall-36: %d bytes were taken before the flood was cut off", n)
	}
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		if body != "" {
			_, _ = io.WriteString(w, body)
		}
	}
}

// TestJWKSOddKeys: one key that cannot be used does not spoil the set.
func TestJWKSOddKeys(t *testing.T) {
	a, _, _ := abc()
	secret := newPair("ES256", "leaked").published()
	secret.set("d", quote(enc64(make([]byte, 32))))
	enc := newPair("ES256", "enc").published()
	enc.set("use", `"enc"`)
	weak := object{{"kty", `"RSA"`}, {"kid", `"weak"`}, {"e", `"AQAB"`}, {"n", quote(enc64(append([]byte{0x80}, make([]byte, 127)...)))}}
	off := newPair("ES256", "off").published()
	off.set("y", `"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`)
	for name, odd := range map[string]string{
		"pitfall-34: unknown kty": `{"kty":"AKP","alg":"ML-DSA-65","kid":"pq","pub":"AAAA"}`, "pitfall-37: symmetric": `{"kty":"oct","kid":"oct","k":"c2VjcmV0"}`,
		"pitfall-37: private": secret.String(), "for encryption": enc.String(), "pitfall-44: weak": weak.String(), "pitfall-44: off the curve": off.String(),
		"a member twice": `{"kty":"EC","kty":"RSA","kid":"twice"}`, "no object": `7`, "null": `null`, "empty": `{}`, "kid is a number": `{"kty":"EC","kid":7}`, "an array": `[[]]`,
		"RS256 by name": func() string { o := newPair("PS256", "rs").published(); o.set("alg", `"RS256"`); return o.String() }(),
	} {
		t.Run("T18, "+name, func(t *testing.T) {
			body := []byte(`{"x":[{"a":1,"a":2}],"keys":[` + odd + `,` + a.published().String() + `,` + odd + `]}`)
			s, err := token.NewKeySet(body)
			must(err)
			knows(t, s, "a", true)
			k := newRig(t, func(k *rig) { k.jwt.Keys = s })
			k.es.kid = "a"
			for _, kid := range []string{"pq", "oct", "leaked", "enc", "weak", "off", "twice", "rs", ""} {
				keys, err := s.Find(context.Background(), kid)
				must(err)
				if len(keys) > 0 && kid != "rs" {
					t.Errorf("%s can be found", kid)
				}
			}
			k.withBearer(k.bearer(func(d *draft) { d.by(a) })).ok(t)
			k.withBearer(k.bearer(func(d *draft) { d.by(k.ps) }, header("kid", `"rs"`))).is(t, eIT, token.ErrUnknownKey)
		})
	}
}

func TestJWKSSingleFlight(t *testing.T) {
	a, _, _ := abc()
	p := newPublisher(t)
	release := make(chan struct{})
	body := keySetOf(published(a)...)
	p.serve(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, body)
	})
	c := p.config()
	c.MinRefresh = time.Hour
	s := newJWKS(t, c)
	var all sync.WaitGroup
	var found, none atomic.Int64
	for i := range 100 {
		all.Go(func() {
			kid := "a"
			if i%2 == 1 {
				kid = fmt.Sprint("x", i)
			}
			keys, err := s.Find(context.Background(), kid)
			switch {
			case err != nil:
				t.Error(err)
			case len(keys) == 1:
				found.Add(1)
			default:
				none.Add(1)
			}
		})
	}
	t.Run("T14: a request that gives up does not end the fetch", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := s.Find(ctx, "a"); err == nil {
			t.Error("it got an answer")
		}
	})
	close(release)
	all.Wait()
	if p.fetched.Load() != 1 || found.Load() != 50 || none.Load() != 50 {
		t.Errorf("RFC9068-jwks: %d fetches, %d found, %d not", p.fetched.Load(), found.Load(), none.Load())
	}
}

// TestJWKSHangs has real time: a server that says nothing, or never ends.
func TestJWKSHangs(t *testing.T) {
	end := make(chan struct{})
	p := newPublisher(t)
	t.Cleanup(func() { close(end) }) // before the server waits for its handlers
	for name, answer := range map[string]http.HandlerFunc{
		"says nothing": func(_ http.ResponseWriter, r *http.Request) { waitFor(end, r) },
		"never ends": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[`)
			w.(http.Flusher).Flush()
			waitFor(end, r)
		},
	} {
		t.Run("pitfall-36: "+name, func(t *testing.T) {
			p.serve(answer)
			c := p.config()
			c.Timeout = 50 * time.Millisecond
			s := newJWKS(t, c)
			done := make(chan error, 1)
			go func() {
				_, err := s.Find(context.Background(), "a")
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil {
					t.Error("keys out of nothing")
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it waits for ever")
			}
		})
	}
	t.Run("pitfall-38: nothing is left", func(t *testing.T) {
		deadline := time.Now().Add(20 * time.Second)
		buf := make([]byte, 1<<20)
		for strings.Contains(string(buf[:runtime.Stack(buf, true)]), "token.(*JWKS)") {
			if time.Now().After(deadline) {
				t.Fatalf("goroutines:\n%s", buf[:runtime.Stack(buf, true)])
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func waitFor(end chan struct{}, r *http.Request) {
	select {
	case <-end:
	case <-r.Context().Done():
	}
}
