package ratelimit

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tegata-go/tegata/audit"
)

// Charge takes cost more from r's caller, after the fact: what an answer turned out to cost.
// It refuses nothing. A limit that has less left than cost loses all it has, so nobody waits
// longer than for an empty bucket. There is no way back: a cost below 1 is an error, because
// whoever could bring about a refund could ask for more than his limit.
//
// What is exempt is not charged. It counts although the client has hung up. The error is an *audit.Refusal as Take gives it,
// for the record only: the request itself was let in.
func (l *Limiter) Charge(r *http.Request, cost int64) error {
	began := l.base.Add(time.Since(l.base))
	err := l.charge(r, cost)
	step(r.Context(), l.control+":charge", began, err)
	return err
}

func (l *Limiter) charge(r *http.Request, cost int64) error {
	if cost < 1 {
		return own(l.name, ErrCost, nil)
	}
	if is, err := l.exempted(r); is || err != nil {
		return err
	}
	key, p, err := l.caller(r)
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context()) // hanging up is no way out
	keys := []string{key}
	if l.parts != nil {
		if keys, err = l.each(r, key); err != nil {
			return err
		}
	}
	for _, key := range keys {
		err = errors.Join(err, l.chargeKey(ctx, key, cost, p.limits))
	}
	if err != nil {
		return unavailable(l.name, err)
	}
	return nil
}

func (l *Limiter) chargeKey(ctx context.Context, key string, cost int64, limits []Limit) error {
	res, err := l.store.Take(ctx, key, cost, limits)
	if err == nil && res.OK {
		return nil
	}
	for i := range limits {
		err = errors.Join(err, l.drain(ctx, key, cost, limits[i:i+1]))
	}
	return err
}

// drains is how often drain follows others who take at the same time.
const drains = 4

// drain takes what there is of one limit, at most cost. A store may have less of it than the burst, as Leases
// have: what it says of a cost that can never pass is not what is left, so it is asked for that.
func (l *Limiter) drain(ctx context.Context, key string, cost int64, limit []Limit) error {
	cost = min(cost, limit[0].burst())
	for range drains {
		res, err := l.store.Take(ctx, key, cost, limit)
		if err == nil && res.Never {
			res, err = l.store.Take(ctx, key, 0, limit)
			res.OK = false
		}
		if err != nil || res.OK || res.Remaining < 1 {
			return err
		}
		cost = min(cost, res.Remaining)
	}
	return nil
}

// penalties gathers what the refusals further in cost the caller of one Limiter.
type penalties struct {
	outer *penalties
	of    func(audit.Reason) int64
	sum   atomic.Int64
}

type penaltiesKey struct{}

// Penalize is an audit.Config.Step: it tells every Limiter with a Penalty that the request
// came through what was refused further in.
//
//	audit.Config{Handler: sink, Step: ratelimit.Penalize}
//
// A service that has a Step of its own calls Penalize from it. Without either, Penalty has no
// effect.
func Penalize(ctx context.Context, _ string, _ time.Duration, reason audit.Reason) {
	if reason == "" {
		return
	}
	c, _ := ctx.Value(penaltiesKey{}).(*penalties)
	for ; c != nil; c = c.outer {
		if n := c.of(reason); n > 0 {
			c.sum.Add(min(n, MaxCount))
		}
	}
}

// punish serves r and charges what its refusals cost, once, when the answer is known.
func (l *Limiter) punish(w http.ResponseWriter, r *http.Request, next http.Handler) {
	outer, _ := r.Context().Value(penaltiesKey{}).(*penalties)
	c := &penalties{outer: outer, of: l.penalty}
	inner := r.WithContext(context.WithValue(r.Context(), penaltiesKey{}, c))
	audit.Follow(inner)
	defer func() {
		if n := c.sum.Load(); n > 0 {
			_ = l.Charge(r, min(n, MaxCount)) // Step has told of the error
		}
	}()
	next.ServeHTTP(w, inner)
}
