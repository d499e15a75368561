package redisstore

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"
)

// maxRounds bounds how often a question is put in one ask: once more after a redirection or a
// connection that was cut, and once more than that while a slot is on its way.
const maxRounds = 3

// target is where a question is put.
type target struct {
	node   *redis.Client
	asking bool // for a slot that is on its way to the node
}

// askNodes asks the nodes of a Cluster one by one, because the WAIT and the TIME after a SET must
// take the same connection. So it follows redirections itself.
func (s *Store) askNodes(ctx context.Context, questions []*question) (well bool) {
	groups := map[target][]*question{}
	for _, q := range questions {
		s.address(ctx, groups, q)
	}
	for range maxRounds {
		again := map[target][]*question{}
		var masters map[string]*redis.Client
		for to, members := range groups {
			well = s.exchange(ctx, to.node, members, to.asking) || well
			for _, q := range members {
				if q.said.answers() {
					continue
				}
				s.cluster.ReloadState(ctx)
				addr, asking, lost := elsewhere(q.said.failure)
				switch {
				case ctx.Err() != nil:
				case lost:
					s.address(ctx, again, q)
				case addr != "":
					if masters == nil {
						masters = s.masters(ctx)
					}
					if node := masters[addr]; node != nil {
						to := target{node, asking}
						again[to] = append(again[to], q)
					}
				}
			}
		}
		groups = again
	}
	return well
}

// address adds a question to the group of the node that has its slot, as far as the client knows.
func (s *Store) address(ctx context.Context, groups map[target][]*question, q *question) {
	node, err := s.cluster.MasterForKey(ctx, q.key)
	if err != nil {
		q.err = unavailable(err)
		return
	}
	to := target{node: node}
	groups[to] = append(groups[to], q)
}

// elsewhere reads an error: a redirection to an address, or a connection that was lost.
func elsewhere(err error) (addr string, asking, lost bool) {
	if addr, ok := redis.IsAskError(err); ok {
		return addr, true, false
	}
	if addr, ok := redis.IsMovedError(err); ok {
		return addr, false, false
	}
	var said redis.Error
	return "", false, !errors.As(err, &said)
}

// masters gives the masters by their addresses, as Redis says at this moment.
func (s *Store) masters(ctx context.Context) map[string]*redis.Client {
	var mu sync.Mutex
	all := map[string]*redis.Client{}
	_ = s.cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		all[node.Options().Addr] = node
		return nil
	})
	return all
}
