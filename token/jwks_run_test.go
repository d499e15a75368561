package token_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tegata-go/tegata/token"
)

func TestJWKSRun(t *testing.T) {
	a, b, _ := abc()
	withServer(t, "pitfall-38: ahead of time, and gone with its context", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		s := newJWKS(t, p.config())
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(time.Second)
		if n := p.fetches(func() { knows(t, s, "a", true) }); n != 0 {
			t.Error("Run had not fetched")
		}
		p.publish(published(b))
		time.Sleep(3*time.Minute + 45*time.Second)
		if n := p.fetches(func() { knows(t, s, "b", true) }); n != 0 {
			t.Error("Run did not fetch ahead of the TTL")
		}
		if n := p.fetches(func() { time.Sleep(time.Hour) }); n < 15 || n > 17 {
			t.Errorf("%d fetches in an hour", n)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := p.fetches(func() { time.Sleep(time.Hour) }); n != 0 {
			t.Errorf("%d fetches after its end", n)
		}
	})
	withServer(t, "while it fails", func(t *testing.T, p *publisher) {
		p.fail(500)
		s := newJWKS(t, p.config())
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go s.Run(ctx) //nolint:errcheck // it ends with ctx
		if n := p.fetches(func() { time.Sleep(time.Minute + time.Millisecond) }); n < 30 || n > 61 {
			t.Errorf("%d fetches in a minute", n)
		}
		p.publish(published(a))
		time.Sleep(time.Second)
		if n := p.fetches(func() { knows(t, s, "a", true) }); n != 0 {
			t.Error("Run had not fetched")
		}
	})
	withServer(t, "an ended context", func(t *testing.T, p *publisher) {
		p.publish(published(a))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := newJWKS(t, p.config()).Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestJWKSFile(t *testing.T) {
	a, b, _ := abc()
	path := filepath.Join(t.TempDir(), "jwks.json")
	write := func(text string) { must(os.WriteFile(path, []byte(text), 0o600)) }
	bubble(t, "T19, JWKSConfig.File: reload", func(t *testing.T) {
		write(keySetOf(published(a)...))
		s := newJWKS(t, token.JWKSConfig{File: path, TTL: 10 * time.Second})
		knows(t, s, "a", true)
		write(keySetOf(published(b)...))
		knows(t, s, "a", true)
		time.Sleep(10 * time.Second)
		knows(t, s, "a", false)
		knows(t, s, "b", true)
		for _, text := range []string{"", "{", `{"keys":[]}`, string(make([]byte, 2<<20))} {
			write(text)
			time.Sleep(10 * time.Second)
			knows(t, s, "b", true)
			cannotTell(t, s, "a")
		}
		must(os.Remove(path))
		time.Sleep(10 * time.Second)
		knows(t, s, "b", true)
		time.Sleep(time.Hour + time.Minute)
		cannotTell(t, s, "b")
		write(keySetOf(published(a)...))
		time.Sleep(time.Second)
		knows(t, s, "a", true)
	})
	bubble(t, "JWKSConfig.File: a directory", func(t *testing.T) {
		cannotTell(t, newJWKS(t, token.JWKSConfig{File: t.TempDir()}), "a")
	})
}

// TestJWKSConcurrently is for the race detector: rotation, Run and requests at once.
func TestJWKSConcurrently(t *testing.T) {
	a, b, c := abc()
	path := filepath.Join(t.TempDir(), "jwks.json")
	write := func(keys ...*pair) {
		must(os.WriteFile(path+".new", []byte(keySetOf(published(keys...)...)), 0o600))
		must(os.Rename(path+".new", path)) // a file that is written in place may be read half
	}
	bubble(t, "pitfall-38: rotation, Run and requests", func(t *testing.T) {
		write(a, b)
		s := newJWKS(t, token.JWKSConfig{File: path, TTL: 4 * time.Second})
		ctx, cancel := context.WithCancel(context.Background())
		go s.Run(ctx) //nolint:errcheck // it ends with ctx
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for range 60 {
					for _, kid := range []string{"a", "b", "c", "x"} {
						keys, err := s.Find(ctx, kid)
						if err != nil || kid == "a" && len(keys) != 1 || kid == "x" && len(keys) != 0 {
							t.Errorf("%s: %d keys, %v", kid, len(keys), err)
						}
						for _, k := range keys {
							if kid == "a" && !k.While.Load() {
								t.Error("the key that stays has ended")
							}
						}
					}
					time.Sleep(time.Duration(i+1) * 100 * time.Millisecond)
				}
			})
		}
		for i := range 10 {
			time.Sleep(3 * time.Second)
			write([][]*pair{{a, b}, {a, c}}[i%2]...)
		}
		all.Wait()
		cancel()
	})
}

func TestJWKSCacheControl(t *testing.T) {
	a, _, _ := abc()
	for _, c := range []struct {
		name   string
		fields []string
		lives  time.Duration
	}{
		{"none", nil, 5 * time.Minute}, {"shorter", []string{"Cache-Control", "max-age=20"}, 20 * time.Second},
		{"longer", []string{"Cache-Control", "max-age=86400"}, 5 * time.Minute}, {"below MinRefresh", []string{"Cache-Control", "max-age=0"}, time.Second},
		{"no-store", []string{"Cache-Control", "no-store"}, time.Second}, {"no-cache", []string{"Cache-Control", "max-age=60, no-cache"}, time.Second},
		{"unclear", []string{"Cache-Control", "max-age=soon"}, time.Second}, {"negative", []string{"Cache-Control", "max-age=-5"}, time.Second},
		{"overflow", []string{"Cache-Control", "max-age=99999999999999999999"}, time.Second}, {"others", []string{"Cache-Control", "public, immutable"}, 5 * time.Minute},
		{"case and quotes", []string{"Cache-Control", `Public , MAX-AGE="30"`}, 30 * time.Second},
		{"two lines", []string{"Cache-Control", "max-age=60", "Cache-Control", "max-age=40"}, 40 * time.Second},
		{"Expires is not asked", []string{"Expires", "Thu, 01 Jan 1970 00:00:00 GMT"}, 5 * time.Minute},
	} {
		withServer(t, "T13, JWKSConfig.TTL: "+c.name, func(t *testing.T, p *publisher) {
			p.publish(published(a), c.fields...)
			s := newJWKS(t, p.config())
			knows(t, s, "a", true)
			time.Sleep(c.lives - time.Nanosecond)
			if n := p.fetches(func() { knows(t, s, "a", true) }); n != 0 {
				t.Errorf("fetched again too early")
			}
			time.Sleep(time.Nanosecond)
			if n := p.fetches(func() { knows(t, s, "a", true) }); n != 1 {
				t.Errorf("%d fetches at the end of its time", n)
			}
		})
	}
}
