package redisstore_test

import (
	"context"
	"encoding/base64"
	"net"
	"strings"
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
func lateHook(d time.Duration) redis.Hook {
	return hook{process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		// name, script, number of keys, key, our time, skew, Until, end, bytes
		if args := cmd.Args(); strings.HasPrefix(cmd.Name(), "eval") {
			for _, i := range []int{4, 6, 7} {
				if ms, ok := args[i].(int64); ok {
					args[i] = ms - d.Milliseconds()
				}
			}
		}
		return next(ctx, cmd)
	}}
}

// hook is a redis.Hook of one function.
type hook struct {
	process func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return h.process(ctx, cmd, next) }
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
