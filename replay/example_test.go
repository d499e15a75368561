package replay_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// A proof is used once; what identifies it is a digest of whose it is and of its jti.
func Example() {
	store, err := replay.NewMemory(replay.MemoryConfig{
		Capacity: 200_000, // 500 proofs a second that live for 5 minutes, and then some
	})
	if err != nil {
		log.Fatal(err)
	}
	made := time.Now() // the iat of the proof
	const maxAge, maxSkew = 4 * time.Minute, 30 * time.Second
	use := replay.Use{
		Key:   replay.Digest("dpop", "https://api.bank.example", "thumbprint of the key", "jti"),
		Owner: replay.Digest("client", "https://issuer.example", "client id"),
		Made:  made,
		Until: made.Add(maxAge + 2*maxSkew),
	}
	fmt.Println(store.Use(context.Background(), use))
	fmt.Println(store.Use(context.Background(), use))
	// Output:
	// <nil>
	// replay: used
}

// Any engine that can set a key only if it is absent is a store.
func ExampleSetIfAbsent() {
	var engine sync.Map // stands for a database with a unique key
	store := replay.SetIfAbsent(func(ctx context.Context, key replay.Key, until time.Time) (bool, error) {
		_, found := engine.LoadOrStore(key, until)
		return !found, nil
	})
	use := replay.Use{Key: replay.Digest("order", "1"), Until: time.Now().Add(time.Minute)}
	fmt.Println(store.Use(context.Background(), use))
	fmt.Println(store.Use(context.Background(), use))
	// Output:
	// <nil>
	// replay: used
}

// The wrong use: every error that is not asked for is taken for a yes.
func ExampleStore_incorrect() {
	store := replay.SetIfAbsent(func(context.Context, replay.Key, time.Time) (bool, error) {
		return false, errors.New("connection refused")
	})
	err := store.Use(context.Background(), replay.Use{Key: replay.Digest("order", "1"), Until: time.Now().Add(time.Minute)})
	if errors.Is(err, replay.ErrUsed) {
		fmt.Println("refused")
	} else {
		fmt.Println("accepted, although nobody looked") // only nil is a yes
	}
	fmt.Println(err)
	// Output:
	// accepted, although nobody looked
	// replay: store unavailable
}

// Replicas that share a secret open each other's nonces.
func ExampleNonces() {
	shared := []byte("32 bytes from a secret store ...")
	replica := func(service string) *replay.Nonces {
		n, err := replay.NewNonces(replay.NonceConfig{Secrets: [][]byte{shared}, Service: service})
		if err != nil {
			log.Fatal(err)
		}
		return n
	}
	nonce := replica("https://api.bank.example").Mint()
	_, err := replica("https://api.bank.example").Open(nonce)
	fmt.Println(err)
	_, err = replica("https://auth.bank.example").Open(nonce)
	fmt.Println(err)
	// Output:
	// <nil>
	// replay: nonce not valid
}
