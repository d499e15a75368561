package service_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-go/tegata/examples/bank/service"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// payments is a bank whose tokens are "CLIENT-SUBJECT", in which a client may have two keys at a time.
func payments(t *testing.T) func(opaque, key string) *httptest.ResponseRecorder {
	t.Helper()
	runs, err := replay.NewRunMemory(replay.RunMemoryConfig{Capacity: 16, Bytes: 1 << 20, PerOwner: 2, DangerouslyForgetsAtRestart: true})
	if err != nil {
		t.Fatal(err)
	}
	used, err := replay.NewMemory(replay.MemoryConfig{Capacity: 1000})
	if err != nil {
		t.Fatal(err)
	}
	consents, err := token.NewMemoryConsents(1)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{Raw: []byte("the client's")}
	sum := sha256.Sum256(cert.Raw)
	h, err := service.Handler(service.Config{
		Origin: "https://bank.example", Audience: "bank", Issuers: []string{"https://as.example"}, Profile: token.FAPI2(),
		Replay: used, Consents: consents, Runs: runs, Audit: slog.DiscardHandler,
		Certificate: func(*http.Request) (*x509.Certificate, error) { return cert, nil },
		Tokens: token.ResolverFunc(func(_ context.Context, raw string) (*token.Claims, error) {
			client, subject, _ := strings.Cut(raw, "-")
			return &token.Claims{
				Issuer: "https://as.example", Client: client, Subject: subject, Scope: []string{"payments"},
				Issued: time.Now(), Expires: time.Now().Add(time.Minute), X5T: base64.RawURLEncoding.EncodeToString(sum[:]),
			}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(opaque, key string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "https://bank.example/payments", strings.NewReader(seeds[0]))
		r.Header = http.Header{"Authorization": {"Bearer " + opaque}, "Content-Type": {"application/json"}, "Idempotency-Key": {`"` + key + `"`}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
}

// A client has its own room for keys and not that of all its customers; the others are not denied theirs.
func TestIdempotencyQuotaIsTheClients(t *testing.T) {
	pay := payments(t)
	for n, want := range []int{201, 201, 503, 503} {
		if w := pay(fmt.Sprint("greedy-customer", n), "k"); w.Code != want {
			t.Errorf("customer %d of the greedy client: %d %s", n, w.Code, w.Body)
		}
	}
	if w := pay("another-customer", "k"); w.Code != 201 {
		t.Errorf("another client: %d %s", w.Code, w.Body)
	}
}

// A token that names no customer, as introspection may tell of one, pays once as well, and never meets a customer's key.
func TestIdempotencyWithoutSubject(t *testing.T) {
	pay := payments(t)
	first, again := pay("app", "k"), pay("app", "k")
	if first.Code != 201 || again.Code != 201 || again.Body.String() != first.Body.String() {
		t.Errorf("%d %s and then %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	if w := pay("app-customer", "k"); w.Code != 201 || w.Body.String() == first.Body.String() {
		t.Errorf("its customer: %d %s", w.Code, w.Body)
	}
}
