package token_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

type httpRequest = http.Request

// revocations is a list made of functions.
type revocations struct {
	revision func() uint64
	revoked  func() error
}

func (r revocations) Revision() uint64 { return r.revision() }
func (r revocations) Revoked(context.Context, []replay.Key, time.Time) error {
	return r.revoked()
}

var errDown = errors.New("connection refused by db.internal.bank.example")

// TestOutage is OPS-fail-closed: what of ours is broken is 503 with Retry-After, never 401 and never a pass.
func TestOutage(t *testing.T) {
	refuses := func(t *testing.T, reason audit.Reason, edit func(*rig)) {
		t.Helper()
		k := newRig(t, edit)
		raw := k.access().bind(k.both()).compact()
		a := k.call(over(k.asking("Authorization", "DPoP "+raw, "DPoP", k.proof(raw)), k.cert))
		a.is(t, e503, reason)
		if k.ran.Load() != 0 {
			t.Error("the handler ran")
		}
	}
	for name, err := range map[string]error{
		"plain": errDown, "wrapped": errors.Join(replay.ErrUnavailable, errDown), "deadline": context.DeadlineExceeded,
		"nonce reason of the store": replay.ErrNonce, "a reason of ours": token.ErrRevoked,
	} {
		t.Run("OPS-fail-closed, pitfall-65: store, "+name, func(t *testing.T) {
			refuses(t, replay.ErrUnavailable, func(k *rig) {
				k.config.Replay = replay.StoreFunc(func(context.Context, replay.Use) error { return err })
			})
		})
	}
	t.Run("OPS-fail-closed: store full", func(t *testing.T) {
		refuses(t, replay.ErrFull, func(k *rig) {
			k.config.Replay = replay.StoreFunc(func(context.Context, replay.Use) error { return replay.ErrFull })
		})
	})
	t.Run("OPS-fail-closed, pitfall-23: key source", func(t *testing.T) {
		for _, err := range []error{errDown, token.ErrUnknownKey, context.Canceled} {
			refuses(t, token.ErrUnavailable, func(k *rig) {
				k.jwt.Keys = token.KeySourceFunc(func(context.Context, string) ([]token.Key, error) { return nil, err })
			})
		}
	})
	t.Run("OPS-fail-closed, pitfall-23: key source, cached", func(t *testing.T) {
		refuses(t, token.ErrUnavailable, func(k *rig) {
			k.cached = true
			k.jwt.Keys = token.KeySourceFunc(func(context.Context, string) ([]token.Key, error) { return nil, errDown })
		})
	})
	t.Run("OPS-fail-closed: resolver", func(t *testing.T) {
		refuses(t, token.ErrUnavailable, func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) { return nil, errDown })
		})
	})
	t.Run("OPS-fail-closed: a resolver's refusal that nobody knows", func(t *testing.T) {
		refuses(t, token.ErrUnavailable, func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) {
				return nil, &audit.Refusal{Reason: "x: y", Status: 401}
			})
		})
	})
	t.Run("OPS-fail-closed: certificate source", func(t *testing.T) {
		for _, err := range []error{errDown, &audit.Refusal{Reason: "mtls: revocation list unavailable", Status: 503}} {
			refuses(t, token.ErrUnavailable, func(k *rig) {
				k.config.Certificate = func(*http.Request) (*x509.Certificate, error) { return nil, err }
			})
		}
	})
	t.Run("OPS-fail-closed: revocations", func(t *testing.T) {
		for _, err := range []error{errDown, audit.Reason("list: unknown")} {
			refuses(t, token.ErrUnavailable, func(k *rig) {
				k.config.Revocations = revocations{func() uint64 { return 1 }, func() error { return err }}
			})
		}
	})
	t.Run("RFC8705-6.2-p: an unacceptable certificate is no outage", func(t *testing.T) {
		k := newRig(t, func(k *rig) {
			k.config.Certificate = func(*http.Request) (*x509.Certificate, error) {
				return nil, &audit.Refusal{Reason: "mtls: certificate expired", Status: 401}
			}
		})
		k.withBearer(k.bearer()).is(t, eIT, token.ErrCertificate)
	})
	t.Run("OPS-fail-closed: after the outage", func(t *testing.T) {
		down := true
		k := newRig(t, func(k *rig) {
			k.cached = true
			inner := k.jwt.Keys
			k.jwt.Keys = token.KeySourceFunc(func(ctx context.Context, kid string) ([]token.Key, error) {
				if down {
					return nil, errDown
				}
				return inner.Find(ctx, kid)
			})
		})
		raw := k.bearer()
		k.withBearer(raw).is(t, e503, token.ErrUnavailable)
		down = false
		k.withBearer(raw).ok(t)
		down = true
		k.withBearer(raw).ok(t)
	})
}

// TestPanic: what panics refuses, and says nothing.
func TestPanic(t *testing.T) {
	for name, edit := range map[string]func(*rig){
		"store": func(k *rig) {
			k.config.Replay = replay.StoreFunc(func(context.Context, replay.Use) error { panic("secret") })
		},
		"resolver": func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) { panic("secret") })
		},
		"admit": func(k *rig) { k.config.Admit = func(*http.Request, token.Grant) error { panic("secret") } },
	} {
		t.Run("OPS-panic "+name, func(t *testing.T) {
			k := newRig(t, edit)
			raw := k.dpop()
			k.withDPoP(raw, k.proof(raw)).is(t, e500, audit.ErrPanic)
		})
	}
}

// TestNilRefusal: an interface that holds a nil *audit.Refusal is an error all the same, and must not pass, panic,
// or skip what comes after.
func TestNilRefusal(t *testing.T) {
	var none *audit.Refusal
	t.Run("Admit", func(t *testing.T) {
		k := newRig(t, func(k *rig) { k.config.Admit = func(*http.Request, token.Grant) error { return none } })
		raw := k.dpop()
		p := k.proof(raw)
		for range 2 {
			if a := k.withDPoP(raw, p); a.status == 200 || a.ran != 0 {
				t.Errorf("OPS-fail-closed: %d, the handler ran %d times; a refusing Admit let the request pass, past revocation and replay", a.status, a.ran)
			}
		}
	})
	for name, edit := range map[string]func(*rig){
		"certificate": func(k *rig) {
			k.config.Certificate = func(*http.Request) (*x509.Certificate, error) { return nil, none }
		},
		"resolver": func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) { return nil, none })
		},
		"revocations": func(k *rig) {
			k.config.Revocations = revocations{func() uint64 { return 1 }, func() error { return none }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newRig(t, edit)
			k.withBearer(k.bearer()).is(t, e503, token.ErrUnavailable)
		})
	}
}

// TestForeignReasons: a reason of this package from where it makes no sense is answered, not a panic.
func TestForeignReasons(t *testing.T) {
	for _, reason := range []audit.Reason{token.ErrNonce, token.ErrNonceMissing} {
		k := newRig(t, func(k *rig) {
			k.resolver = token.ResolverFunc(func(context.Context, string) (*token.Claims, error) { return nil, reason })
		})
		if a := k.withBearer(k.bearer()); a.status == 200 || len(a.records) != 1 || a.records[0]["reason"] == string(audit.ErrPanic) {
			t.Errorf("%q from a resolver, without nonces: %d, %v", reason, a.status, a.records)
		}
	}
}
