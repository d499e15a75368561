package ratelimit

import "context"

// Store counts. All limits are taken or none is, in one step that no other call can see
// half done; a refused Take changes nothing. A cost of 0 looks and takes nothing.
//
// Errors are outages, or ErrBounds (see Check); a refusal is a Result. ratelimittest tells
// whether an implementation keeps all this.
//
// A Store that cannot serve every list of limits says so in a second method,
// Check(limits []Limit) error, which New asks.
type Store interface {
	Take(ctx context.Context, key string, cost int64, limits []Limit) (Result, error)
}

// StoreFunc is a function that is a Store.
type StoreFunc func(ctx context.Context, key string, cost int64, limits []Limit) (Result, error)

// Take calls f.
func (f StoreFunc) Take(ctx context.Context, key string, cost int64, limits []Limit) (Result, error) {
	return f(ctx, key, cost, limits)
}
