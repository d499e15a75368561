package service

import (
	"net/http"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/token"
)

// once gives the layer that makes a payment once for each idempotency key, or one that does nothing.
func (c Config) once() (func(http.Handler) http.Handler, error) {
	if c.Runs == nil {
		return func(next http.Handler) http.Handler { return next }, nil
	}
	runs, err := replay.NewIdempotency(replay.IdempotencyConfig{
		Store: c.Runs, Client: payer, MaxBody: maxPayment,
		Owner: token.ClientKey, // the quota is the client's: it has as many customers as it can win
	})
	if err != nil {
		return nil, err
	}
	return runs.Wrap, nil
}

// payer is whose idempotency key it is: a customer's at a client. What was made for one of a client's customers is
// not shown to another. A token that names no customer is the client's own.
func payer(r *http.Request) (string, error) {
	client, err := token.ClientKey(r)
	if err != nil {
		return "", err
	}
	g, err := token.FromContext(r.Context())
	if err != nil {
		return "", err
	}
	if g.Subject() == "" {
		return ratelimit.Key(client), nil
	}
	return ratelimit.Key(client, g.Subject()), nil
}
