package main

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/examples/bank/service"
	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
	"github.com/tegata-go/tegata/token"
)

// revocations are asked about every token, and told what the administration takes back.
type revocations interface {
	token.Revocations
	Revoke(ctx context.Context, name replay.Key, until time.Time) error
	RevokeBefore(ctx context.Context, name replay.Key, issuedBefore, until time.Time) error
}

// revocations makes the list: in Redis if there is one, for all processes, else in this one.
func (o *options) revocations(ctx context.Context) (revocations, error) {
	if o.redis == nil {
		return replay.NewRevocations(replay.RevocationsConfig{Capacity: maxRevoked})
	}
	shared, err := redisstore.NewRevocations(o.client(ctx), redisstore.RevocationsConfig{Capacity: maxRevoked})
	if err != nil {
		return nil, err
	}
	go shared.Run(ctx) //nolint:errcheck // it ends with ctx, and says so
	return shared, nil
}

// remember makes the store of what came of payments, if -idempotency asks for it.
func (o *options) remember(ctx context.Context, c *service.Config) (err error) {
	switch {
	case !o.idempotency:
	case o.redis != nil:
		c.Runs, err = redisstore.NewRuns(o.client(ctx), redisstore.RunsConfig{Timeout: redisTimeout})
	default:
		c.Runs, err = replay.NewRunMemory(replay.RunMemoryConfig{
			Capacity: 100_000, Bytes: 256 << 20, DangerouslyForgetsAtRestart: true,
		})
	}
	return err
}

// client connects to Redis until ctx ends.
func (o *options) client(ctx context.Context) redis.UniversalClient {
	client := redis.NewUniversalClient(o.redis)
	context.AfterFunc(ctx, func() { _ = client.Close() })
	return client
}
