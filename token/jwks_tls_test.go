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

// TestOutboundAddresses: what is no public unicast address is not called, in whatever form it is written.
func TestOutboundAddresses(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:443", "10.1.2.3:443", "172.16.0.1:443", "192.168.1.1:443", "169.254.169.254:80", "100.64.0.1:443", "100.100.100.200:80",
		"0.0.0.0:443", "0.1.2.3:443", "192.0.0.170:443", "198.18.0.1:443", "198.19.255.255:443", "224.0.0.1:443", "240.0.0.1:443", "255.255.255.255:443",
		"[::]:443", "[::1]:443", "[::7f00:1]:443", "[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[64:ff9b::7f00:1]:443", "[64:ff9b:1::a00:1]:443",
		"[2002:7f00:1::]:443", "[2001::1]:443", "[2001:1ff::1]:443", "[fc00::1]:443", "[fd00:ec2::254]:80", "[fe80::1]:443", "[fe80::1%eth0]:443",
		"[fec0::1]:443", "[ff02::1]:443", "[2606:4700::1%eth0]:443", "localhost:443", "", "1.2.3.4",
	} {
		if token.Public(address) {
			t.Errorf("pitfall-36: %q is called", address)
		}
	}
	for _, address := range []string{"1.2.3.4:443", "100.63.255.255:443", "100.128.0.1:443", "198.17.0.1:443", "[2606:4700::1]:443", "[::ffff:1.2.3.4]:443", "[2001:200::1]:443"} {
		if !token.Public(address) {
			t.Errorf("%q is not called", address)
		}
	}
}
