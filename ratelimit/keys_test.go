package ratelimit_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-go/tegata/ratelimit"
)

// certificateOf stands for mtls.Peer.
func certificateOf(r *http.Request) (*x509.Certificate, error) {
	switch c := r.Header.Get("Cert"); c {
	case "":
		return nil, nil
	case "rejected":
		return &x509.Certificate{Raw: []byte("its own")}, errors.New("not accepted")
	default:
		return &x509.Certificate{Raw: []byte(c)}, nil
	}
}

// L1: a certificate is a caller of its own; none, and one that is not accepted, is the address.
func TestByCertificate(t *testing.T) {
	key := ratelimit.ByCertificate(certificateOf)
	of := func(cert string) string {
		r := request()
		r.RemoteAddr = "192.0.2.1:99"
		r.Header.Set("Cert", cert)
		k, err := key(r)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if of("") != "192.0.2.1" || of("rejected") != "192.0.2.1" {
		t.Errorf("%q, %q", of(""), of("rejected"))
	}
	if a, b := of("a"), of("b"); a == b || a != of("a") || !strings.HasPrefix(a, "x5t#S256:") || len(a) != 9+43 {
		t.Errorf("%q, %q", a, b)
	}
}

// pitfall-85: what is joined cannot be read in another way.
func TestJoin(t *testing.T) {
	field := func(name string) func(*http.Request) (string, error) {
		return func(r *http.Request) (string, error) {
			if r.Header.Get(name) == "fail" {
				return "", errors.New("fail")
			}
			return r.Header.Get(name), nil
		}
	}
	key := ratelimit.Join(field("A"), field("B"))
	of := func(a, b string) (string, error) {
		r := request()
		r.Header.Set("A", a)
		r.Header.Set("B", b)
		return key(r)
	}
	t.Run("pitfall-85", func(t *testing.T) {
		x, _ := of("a:b", "c")
		y, _ := of("a", "b:c")
		if x == y || x != ratelimit.Key("a:b", "c") {
			t.Errorf("%q, %q", x, y)
		}
	})
	if k, err := of("", "b"); k != "" || err != nil {
		t.Errorf("an absent part gives %q, %v", k, err)
	}
	if k, err := of("a", "fail"); k != "" || err == nil {
		t.Errorf("a failed part gives %q, %v", k, err)
	}
	if k, err := ratelimit.Join()(request()); k != "" || err != nil {
		t.Errorf("no part gives %q, %v", k, err)
	}
}

func TestRoute(t *testing.T) {
	if k, err := ratelimit.Route(request()); k != "" || err == nil {
		t.Errorf("outside a mux: %q, %v", k, err)
	}
	got := ""
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts/{id}", func(_ http.ResponseWriter, r *http.Request) { got, _ = ratelimit.Route(r) })
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/accounts/17", nil))
	if got != "GET /accounts/{id}" {
		t.Errorf("%q", got)
	}
}
