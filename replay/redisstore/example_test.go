package redisstore_test

import (
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/redisstore"
)

// The client is the caller's: a single server, Sentinel or a Cluster.
func Example() {
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"redis.bank.example:6379"}})
	defer func() { _ = client.Close() }()

	store, err := redisstore.New(client, redisstore.Config{Prefix: "accounts"})
	if err != nil {
		log.Fatal(err)
	}
	var _ replay.Store = store
}
