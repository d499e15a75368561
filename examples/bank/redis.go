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

var errRedis = errors.New("not redis://[:PASSWORD@]HOST:PORT/DB, redis://[:PASSWORD@]HOST,HOST,... or redis+sentinel://NAME[:PASSWORD]@HOST,.../DB")

// parseRedis reads the flag's value: one host, the hosts of a Cluster, or Sentinels and what they call the master. Its
// error says nothing of the value: there is a password in it.
func parseRedis(text string) (*redis.UniversalOptions, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	authority, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@') + 1
	sentinel := scheme == "redis+sentinel"
	if scheme != "redis" && !sentinel || strings.ContainsAny(text, "?#") {
		return nil, errRedis
	}
	// Package net/url takes one host: it reads the rest.
	u, err := url.Parse("redis://" + authority[:at] + "host/" + path)
	if err != nil {
		return nil, errRedis
	}
	hosts := strings.Split(authority[at:], ",")
	port := ""
	if sentinel {
		port = "26379"
	} else if len(hosts) > 1 {
		port = "6379"
	}
	for i := range hosts {
		if hosts[i], err = hostPort(hosts[i], port); err != nil {
			return nil, err
		}
	}
	db, err := database(u.Path)
	if err != nil || len(hosts) > 1 && !sentinel && db != 0 {
		return nil, errRedis // a Cluster has no databases
	}
	password, _ := u.User.Password()
	o := &redis.UniversalOptions{
		Addrs: hosts, Username: u.User.Username(), Password: password, DB: db,
		// Short, and few attempts: what is slow is down, and the client asks again.
		DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second, PoolTimeout: time.Second,
		DialerRetries: 1, MaxRetries: 1, ContextTimeoutEnabled: true,
		// Nothing but the commands that the store needs.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if sentinel {
		if o.MasterName, o.Username = o.Username, ""; o.MasterName == "" {
			return nil, errRedis
		}
	}
	return o, nil
}

// hostPort completes an address with a port; without one to complete it with, it must have its own.
func hostPort(text, port string) (string, error) {
	host, own, err := net.SplitHostPort(text)
	if err != nil && port != "" {
		host, own, err = net.SplitHostPort(text + ":" + port)
	}
	if err != nil || host == "" {
		return "", errRedis
	}
	if n, err := strconv.ParseUint(own, 10, 16); err != nil || n == 0 {
		return "", errRedis
	}
	return net.JoinHostPort(host, own), nil
}

// database reads the number after the hosts.
func database(path string) (int, error) {
	name := strings.TrimPrefix(path, "/")
	if name == "" {
		return 0, nil
	}
	db, err := strconv.Atoi(name)
	if err != nil || db < 0 {
		return 0, errRedis
	}
	return db, nil
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
	client := redis.NewUniversalClient(o.redis)
	store, err := redisstore.New(client, redisstore.Config{Timeout: redisTimeout})
	return store, client.Close, err
}
