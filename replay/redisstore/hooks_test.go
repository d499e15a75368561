package redisstore_test

import (
	"context"
	"encoding/base64"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/replay"
)

// keyOf is where the default store keeps u.
func keyOf(u replay.Use) string {
	return "tegata:replay:1:{" + base64.RawURLEncoding.EncodeToString(u.Key[:]) + "}"
}

// lateHook makes commands look as if our clock, and the times it made, were d behind: it is a
// replica with a wrong clock as Redis sees it.
func lateHook(d time.Duration) redis.Hook { return hook{pipeline: late(d)} }

func late(d time.Duration) func(context.Context, []redis.Cmder, redis.ProcessPipelineHook) error {
	return func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error {
		for _, cmd := range cmds {
			// SET key once NX GET PXAT end
			if args := cmd.Args(); cmd.Name() == "set" {
				args[6] = args[6].(int64) - d.Milliseconds()
			}
		}
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if c, ok := cmd.(*redis.TimeCmd); ok && c.Err() == nil {
				c.SetVal(c.Val().Add(d))
			}
		}
		return err
	}
}

// hook is a redis.Hook over single commands, over pipelines, or over both.
type hook struct {
	process  func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error
	pipeline func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	if h.process == nil {
		return next
	}
	return func(ctx context.Context, cmd redis.Cmder) error { return h.process(ctx, cmd, next) }
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	if h.pipeline == nil {
		return next
	}
	return func(ctx context.Context, cmds []redis.Cmder) error { return h.pipeline(ctx, cmds, next) }
}
