package replay_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// What a client holds is revoked; what it gets from now on is not.
func ExampleRevocations() {
	list, err := replay.NewRevocations(replay.RevocationsConfig{Capacity: 100_000})
	if err != nil {
		log.Fatal(err)
	}
	client := replay.Digest("client", "https://issuer.example", "client id") // token.ClientName
	now, longest := time.Now().Truncate(time.Second), time.Hour              // tokens live for an hour at most
	err = list.RevokeBefore(context.Background(), client, now, now.Add(longest))
	fmt.Println(err)
	names := []replay.Key{client}
	fmt.Println(list.Revoked(context.Background(), names, now.Add(-time.Minute)))
	fmt.Println(list.Revoked(context.Background(), names, now.Add(time.Minute)))
	// Output:
	// <nil>
	// replay: revoked
	// <nil>
}
