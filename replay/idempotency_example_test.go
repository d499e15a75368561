package replay_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// A payment is made once, however often its order is sent.
func ExampleIdempotency() {
	store, err := replay.NewRunMemory(replay.RunMemoryConfig{ // redisstore.NewRuns for what must outlive the process
		Capacity: 10_000, Bytes: 64 << 20, DangerouslyForgetsAtRestart: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	once, err := replay.NewIdempotency(replay.IdempotencyConfig{
		Store:  store,
		Client: func(*http.Request) (string, error) { return "client", nil }, // token.ClientKey
	})
	if err != nil {
		log.Fatal(err)
	}
	payments := 0
	h := once.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		payments++
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "payment %d", payments)
	}))
	for _, order := range []string{"10 EUR", "10 EUR", "20 EUR"} {
		r := httptest.NewRequest("POST", "/payments", strings.NewReader(order))
		r.Header.Set("Idempotency-Key", `"8e03978e-40d5-43e8-bc93-6894a57f9324"`)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.Split(w.Body.String(), ",")[0])
	}
	// Output:
	// 201 payment 1
	// 201 payment 1
	// 422 {"title":"Unprocessable Entity"
}

// The identifier of a signed payment order is used once a day by each client.
func ExampleUseID() {
	store, err := replay.NewMemory(replay.MemoryConfig{Capacity: 100_000})
	if err != nil {
		log.Fatal(err)
	}
	id := replay.ID{Kind: "payment jws", Client: "client", Value: "the jti of the JWS", Made: time.Now().Add(time.Millisecond)}
	fmt.Println(replay.UseID(context.Background(), store, id))
	fmt.Println(replay.UseID(context.Background(), store, id))
	// Output:
	// <nil>
	// replay: used
}
