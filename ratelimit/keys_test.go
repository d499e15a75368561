package ratelimit_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/ratelimit"
)

// certificateOf stands for mtls.Peer.
func certificateOf(r *http.Request) (*x509.Certificate, error) {
	switch c := r.Header.Get("Cert"); c {
	case "":
		return nil, nil
	case "rejected":
		return &x509.Certificate{Raw: []byte("its own")}, errors.New("not accepted")
	case "empty":
		return &x509.Certificate{}, nil
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
	if of("") != "192.0.2.1" || of("rejected") != "192.0.2.1" || of("empty") != "192.0.2.1" {
		t.Errorf("%q, %q, %q", of(""), of("rejected"), of("empty"))
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

// known stands for what token.FromContext gives.
type known struct{ issuer, subject, consent, tenant, jkt string }

type knownKey struct{}

var errUnknown = &audit.Refusal{Reason: "test: nobody verified", Status: http.StatusUnauthorized}

func fromContext(ctx context.Context) (known, error) {
	k, ok := ctx.Value(knownKey{}).(known)
	if !ok {
		return k, errUnknown
	}
	return k, nil
}

var (
	bySubject = ratelimit.By(fromContext, func(k known) string { return ratelimit.Key(k.issuer, k.subject) })
	byConsent = ratelimit.By(fromContext, func(k known) string { return k.consent })
	byTenant  = ratelimit.By(fromContext, func(k known) string { return k.tenant })
	byJKT     = ratelimit.By(fromContext, func(k known) string { return k.jkt })
)

// L1: whoever differs in what a key is made of is another caller, whoever does not is the same, and
// whoever lacks it is refused: nobody shares a count with others who lack it too.
func TestBy(t *testing.T) {
	a := known{"https://as", "s", "c", "t", "j"}
	for name, c := range map[string]struct {
		key     func(*http.Request) (string, error)
		another known
		same    known
		lacks   known
	}{
		"subject":            {bySubject, known{"https://as", "s2", "c", "t", "j"}, known{"https://as", "s", "", "", ""}, known{"https://as", "", "c", "t", "j"}},
		"subject elsewhere":  {bySubject, known{"https://as2", "s", "c", "t", "j"}, known{"https://as", "s", "", "", ""}, known{"", "s", "c", "t", "j"}},
		"consent":            {byConsent, known{"https://as", "s", "c2", "t", "j"}, known{"", "", "c", "", ""}, known{"https://as", "s", "", "t", "j"}},
		"tenant":             {byTenant, known{"https://as", "s", "c", "t2", "j"}, known{"", "", "", "t", ""}, known{"https://as", "s", "c", "", "j"}},
		"key thumbprint":     {byJKT, known{"https://as", "s", "c", "t", "j2"}, known{"", "", "", "", "j"}, known{"https://as", "s", "c", "t", ""}},
		"tenant and consent": {ratelimit.Join(byTenant, byConsent), known{consent: "ct", tenant: ""}, known{"", "", "c", "t", ""}, known{"https://as", "s", "", "t", "j"}},
		"consent or subject": {ratelimit.FirstOf(byConsent, bySubject), known{"https://as", "s", "", "t", "j"}, known{"", "", "c", "", ""}, known{tenant: "t", jkt: "j"}},
	} {
		t.Run("L1 "+name, func(t *testing.T) {
			l := limiter(t, ratelimit.Config{Store: memory(t, 100), Name: "n", Key: c.key, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}})
			take := func(k known) error {
				_, err := l.Take(request().WithContext(context.WithValue(t.Context(), knownKey{}, k)))
				return err
			}
			if err := take(a); err != nil {
				t.Fatal(err)
			}
			refusal(t, take(c.same), ratelimit.ErrExceeded, http.StatusTooManyRequests)
			if err := take(c.another); err != nil && !errors.Is(err, ratelimit.ErrKey) {
				t.Errorf("another: %v", err)
			}
			refusal(t, take(c.lacks), ratelimit.ErrKey, http.StatusInternalServerError)
			_, err := l.Take(request())
			refusal(t, err, errUnknown.Reason, http.StatusUnauthorized)
		})
	}
}

func TestFirstOf(t *testing.T) {
	said := func(k string, err error) func(*http.Request) (string, error) {
		return func(*http.Request) (string, error) { return k, err }
	}
	first, _ := ratelimit.FirstOf(said("x", nil), said("y", nil))(request())
	second, _ := ratelimit.FirstOf(said("", nil), said("x", nil))(request())
	if first == second || first == "" || second == "" {
		t.Errorf("%q told first, %q second", first, second)
	}
	if k, err := ratelimit.FirstOf(said("", errors.New("down")), said("y", nil))(request()); k != "" || err == nil {
		t.Errorf("an error gives %q, %v", k, err)
	}
	if k, err := ratelimit.FirstOf(said("", nil))(request()); k != "" || err != nil {
		t.Errorf("nothing gives %q, %v", k, err)
	}
}

func TestEveryone(t *testing.T) {
	l := limiter(t, ratelimit.Config{Store: memory(t, 100), Name: "n", Key: ratelimit.Everyone, Limits: []ratelimit.Limit{limit("", 1, time.Hour)}})
	for i, want := range []bool{true, false} {
		r := request()
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i)
		if res, _ := l.Take(r); res.OK != want {
			t.Errorf("caller %d: %+v", i, res)
		}
	}
}
