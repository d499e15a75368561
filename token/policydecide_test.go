package token_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/audit"
	"github.com/tegata-go/tegata/token"
)

var permitting = token.DeciderFunc(func(context.Context, token.Question) (token.Verdict, error) { return token.Permit, nil })

func TestDecisionPolicy(t *testing.T) {
	says := func(v token.Verdict, err error) token.Decider {
		return token.DeciderFunc(func(context.Context, token.Question) (token.Verdict, error) { return v, err })
	}
	var zero token.Verdict
	for _, c := range []struct {
		name    string
		decider token.Decider
		shape   shape
		reason  audit.Reason
	}{
		{"permit", permitting, shape{}, ""}, {"deny", says(token.Deny, nil), forbid, token.ErrDenied}, {"zero", says(zero, nil), forbid, token.ErrDenied},
		{"no verdict of ours", says(2, nil), forbid, token.ErrDenied}, {"no verdict of ours", says(255, nil), forbid, token.ErrDenied},
		{"error beside a permit", says(token.Permit, errors.New("x")), e503, token.ErrDeciderUnavailable},
		{"panic", token.DeciderFunc(func(context.Context, token.Question) (token.Verdict, error) { panic("x") }), e503, token.ErrDeciderUnavailable},
	} {
		t.Run("Z10 "+c.name, func(t *testing.T) {
			k := guarding(t, "/", policyOf(token.NewDecisionPolicy(token.DecisionConfig{Decider: c.decider})))
			if a := k.gets("/"); c.reason == "" {
				a.ok(t)
			} else {
				a.refused(t, c.shape, c.reason)
			}
		})
	}
	t.Run("Z10 the question", func(t *testing.T) {
		var q token.Question
		k := guarding(t, "GET /accounts/{id}", policyOf(token.NewDecisionPolicy(token.DecisionConfig{
			More: func(r *http.Request) map[string]string { return map[string]string{"id": r.PathValue("id")} },
			Decider: token.DeciderFunc(func(_ context.Context, asked token.Question) (token.Verdict, error) {
				q = asked
				return token.Permit, nil
			}),
		})))
		k.gets("/accounts/a%20b").ok(t)
		if q.Grant.Client() != "tpp-1" || q.Method != "GET" || q.Route != "GET /accounts/{id}" || q.Path != "/accounts/a b" || q.More["id"] != "a b" {
			t.Errorf("%+v", q)
		}
	})
	t.Run("Z10 silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			deaf := make(chan struct{})
			var calls atomic.Int64
			k := guarding(t, "/", policyOf(token.NewDecisionPolicy(token.DecisionConfig{MaxInFlight: 2, Decider: token.DeciderFunc(func(context.Context, token.Question) (token.Verdict, error) {
				calls.Add(1)
				<-deaf // heeds no context
				return token.Permit, nil
			})})))
			for i, took := range []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, 0, 0} { // two places, then none
				began := time.Now()
				k.gets("/").refused(t, e503, token.ErrDeciderUnavailable)
				if d := time.Since(began); d != took {
					t.Errorf("refusal %d after %v, want %v", i, d, took)
				}
			}
			if calls.Load() != 2 {
				t.Errorf("%d calls", calls.Load())
			}
			close(deaf)
			synctest.Wait()
			k.gets("/").ok(t)
		})
	})
	t.Run("Z10 a client that goes away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := guarding(t, "/", policyOf(token.NewDecisionPolicy(token.DecisionConfig{Timeout: 5 * time.Second, Decider: token.DeciderFunc(func(ctx context.Context, _ token.Question) (token.Verdict, error) {
				<-ctx.Done()
				return token.Permit, nil
			})})))
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			began := time.Now()
			a := k.call(k.sending("GET", "/", "").WithContext(ctx))
			if a.ran != 0 || time.Since(began) != time.Second {
				t.Errorf("%d after %v", a.status, time.Since(began))
			}
		})
	})
	for name, c := range map[string]token.DecisionConfig{
		"no decider": {}, "too long": {Decider: permitting, Timeout: 6 * time.Second}, "negative": {Decider: permitting, Timeout: -1}, "places": {Decider: permitting, MaxInFlight: -1},
	} {
		if p, err := token.NewDecisionPolicy(c); err == nil || p != nil {
			t.Errorf("%s is a policy", name)
		}
	}
}
