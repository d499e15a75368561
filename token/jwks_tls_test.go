package token_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/token"
)

func TestJWKSServerIsChecked(t *testing.T) {
	a, _, _ := abc()
	find := func(c token.JWKSConfig) error {
		_, err := newJWKS(t, c).Find(context.Background(), "a")
		return err
	}
	good := newPublisher(t)
	good.publish(published(a))
	t.Run("FAPI2-SP-5.2.1-5: right name", func(t *testing.T) { must(find(good.config())) })
	t.Run("FAPI2-SP-5.2.1-5: unknown authority", func(t *testing.T) {
		for _, settings := range []*tls.Config{nil, {RootCAs: newPublisher(t).pool}} {
			c := good.config()
			c.TLS = settings
			if find(c) == nil {
				t.Error("loaded")
			}
		}
	})
	t.Run("FAPI2-SP-5.2.1-5: wrong name, through a verifier", func(t *testing.T) {
		wrong := newPublisher(t, "other.example")
		wrong.publish(published(a))
		if find(wrong.config()) == nil {
			t.Error("loaded")
		}
		k := newRig(t, func(k *rig) { k.jwt.Keys = newJWKS(t, wrong.config()) })
		k.withBearer(k.bearer()).is(t, e503, token.ErrUnavailable)
		if n := wrong.fetched.Load(); n != 0 {
			t.Errorf("%d requests were sent", n)
		}
	})
	t.Run("FAPI2-SP-5.2.1-5: expired", func(t *testing.T) {
		pool := x509.NewCertPool()
		expired := newServerOf(t, &tls.Config{Certificates: []tls.Certificate{authority(pool, nil, 2001)}}, keySetOf(published(a)...))
		if find(token.JWKSConfig{URL: expired.URL, TLS: &tls.Config{RootCAs: pool}}) == nil {
			t.Error("loaded")
		}
	})
	t.Run("FAPI2-SP-5.2.1-2: TLS 1.1", func(t *testing.T) {
		pool := x509.NewCertPool()
		cert := authority(pool, nil, 2100)
		old := newServerOf(t, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, keySetOf(published(a)...))
		if find(token.JWKSConfig{URL: old.URL, TLS: &tls.Config{RootCAs: pool}}) == nil {
			t.Error("loaded")
		}
	})
	t.Run("FAPI2-SP-5.2.1-1: https only", func(t *testing.T) {
		for _, address := range []string{
			"http://as.bank.example/jwks", "HTTP://as.bank.example", "as.bank.example/jwks", "//as.bank.example", "file:///etc/passwd", "https://", "https:///jwks", "https://user:pass@as.bank.example/",
			"https://as.bank.example/#f", "ftp://as.bank.example", "https:as.bank.example", "://", "https://[::1/", "data:application/json,{}",
		} {
			if s, err := token.NewJWKS(token.JWKSConfig{URL: address}); err == nil || s != nil {
				t.Errorf("%q is taken", address)
			} else if strings.Contains(err.Error(), "pass") {
				t.Errorf("the error quotes the URL: %v", err)
			}
		}
	})
}

func TestJWKSPrivateAddresses(t *testing.T) {
	a, _, _ := abc()
	p := newPublisher(t, "localhost")
	p.publish(published(a))
	_, port, _ := strings.Cut(p.Listener.Addr().String(), ":")
	c := p.config()
	c.URL = "https://localhost:" + port + "/jwks"
	t.Run("pitfall-36: a name that resolves to loopback", func(t *testing.T) {
		if _, err := newJWKS(t, c).Find(context.Background(), "a"); err == nil || p.fetched.Load() != 0 {
			t.Errorf("%v, %d requests", err, p.fetched.Load())
		}
		c := c
		c.PrivateHosts = []string{"other", "localhost.example", "local"}
		if _, err := newJWKS(t, c).Find(context.Background(), "a"); err == nil || p.fetched.Load() != 0 {
			t.Errorf("%v, %d requests", err, p.fetched.Load())
		}
	})
	t.Run("pitfall-36: unless it is named", func(t *testing.T) {
		c := c
		c.PrivateHosts = []string{"LocalHost"}
		knows(t, newJWKS(t, c), "a", true)
	})
}
