package redisstore_test

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/ratelimit"
	"github.com/tegata-go/tegata/ratelimit/redisstore"
)

func ExampleNew() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ReadTimeout: 300 * time.Millisecond, MaxRetries: 1})
	defer func() { _ = client.Close() }()
	store, err := redisstore.New(client, redisstore.Config{Timeout: 200 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	perClient, err := ratelimit.New(ratelimit.Config{
		Store: store, Name: "client", Key: ratelimit.PeerAddress,
		Limits: []ratelimit.Limit{{Count: 100, Period: time.Minute}},
	})
	fmt.Println(perClient != nil, err)
	// Output: true <nil>
}
