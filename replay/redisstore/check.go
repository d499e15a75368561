package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Check asks Redis, in a Cluster every master, whether it is one that keeps what it is told: of
// version 7 or later, with maxmemory-policy noeviction, and with a clock within MaxSkew of ours. It
// joins everything that is wrong. It needs the permission for INFO and waits as long as the client
// does. It is for the start of a service, and for whoever watches it; Use does not depend on it.
func (s *Store) Check(ctx context.Context) error {
	if s.cluster == nil {
		return s.checkNode(ctx, s.client)
	}
	var mu sync.Mutex
	var all []error
	err := s.cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		if err := s.checkNode(ctx, node); err != nil {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, err)
		}
		return nil
	})
	if err != nil {
		all = append(all, unavailable(err))
	}
	return errors.Join(all...)
}

// checkNode checks one server.
func (s *Store) checkNode(ctx context.Context, client redis.UniversalClient) error {
	info, err := client.Info(ctx).Result()
	if err != nil {
		return unavailable(err)
	}
	says := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			says[name] = value
		}
	}
	var all []error
	major, _, _ := strings.Cut(says["redis_version"], ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		all = append(all, errors.New("redisstore: Redis is older than 7.0"))
	}
	if says["maxmemory_policy"] != "noeviction" {
		all = append(all, errors.New("redisstore: Redis forgets when memory is short: maxmemory-policy is not noeviction"))
	}
	if n, err := strconv.Atoi(says["connected_slaves"]); s.replicas > 0 && (err != nil || n < s.replicas) {
		all = append(all, fmt.Errorf("redisstore: Redis has not the %d replicas that Config.Replicas asks for", s.replicas))
	}
	now, err := client.Time(ctx).Result()
	switch {
	case err != nil:
		all = append(all, unavailable(err))
	case time.Since(now).Abs() > s.maxSkew:
		all = append(all, unavailable(errSkew))
	}
	return errors.Join(all...)
}
