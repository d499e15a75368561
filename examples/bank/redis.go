package main

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// redisTimeout bounds one question to Redis, all attempts together. With one fetch of the key set before it a
// request is still answered within 5 s.
const redisTimeout = 1500 * time.Millisecond

var errRedis = errors.New("not redis://[:PASSWORD@]HOST:PORT/DB")

// parseRedis reads the flag's value. Its error says nothing of the value: there is a password in it.
func parseRedis(text string) (*redis.Options, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" || strings.ContainsAny(text, "?#") {
		return nil, errRedis
	}
	if host, port, err := net.SplitHostPort(u.Host); err != nil || host == "" || port == "" || strings.Contains(host, ",") {
		return nil, errRedis
	}
	db := 0
	if name := strings.TrimPrefix(u.Path, "/"); name != "" {
		if db, err = strconv.Atoi(name); err != nil || db < 0 {
			return nil, errRedis
		}
	}
	password, _ := u.User.Password()
	return &redis.Options{
		Addr: u.Host, Username: u.User.Username(), Password: password, DB: db,
		// Short, and few attempts: what is slow is down, and the client asks again.
		DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second, PoolTimeout: time.Second,
		DialerRetries: 1, MaxRetries: 1, ContextTimeoutEnabled: true,
		// Nothing but the commands that the store needs.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}, nil
}

// newReplay makes the store of used proofs, and what closes it: in Redis if there is one, else in this process.
func newReplay(o *options) (replay.Store, func() error, error) {
	if o.redis == nil {
		// Without the guard what was used just before the start could be used again just after it; with it, nobody
		// would be served at first whose clock is behind ours. -redis has neither fault.
		store, err := replay.NewMemory(replay.MemoryConfig{Capacity: 1 << 22, DangerouslyNoStartGuard: true})
		return store, func() error { return nil }, err
	}
	logging.Disable() // go-redis writes to standard error, which may be the audit log
	client := redis.NewClient(o.redis)
	store, err := redisstore.New(client, redisstore.Config{Timeout: redisTimeout})
	return store, client.Close, err
}
