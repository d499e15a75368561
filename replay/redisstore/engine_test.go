package redisstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-go/tegata/replay/redisstore"
)

// storedNow is what Redis answers to a SET NX GET that stored.
const storedNow = "_\r\n"

// engine answers pipelines in the place of Redis, inside the client, so that a synctest bubble can
// hold it. What it does before it answers can be chosen.
type engine struct {
	mu      sync.Mutex
	keys    map[string]string
	batches []int // their sizes
	before  func(n int) error
}

// newEngine makes a store over an engine. Before is called before the n-th pipeline is answered, and its
// error is the answer.
func newEngine(t *testing.T, c redisstore.Config, before func(n int) error) (*engine, *redisstore.Store) {
	t.Helper()
	e := &engine{keys: map[string]string{}, before: before}
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // never dialled
	t.Cleanup(func() {
		_ = client.Close()
		time.Sleep(time.Minute) // in the bubble: an idle store leaves no goroutine
	})
	client.AddHook(hook{pipeline: e.answer})
	return e, newStore(t, client, c)
}

func (e *engine) answer(_ context.Context, cmds []redis.Cmder, _ redis.ProcessPipelineHook) error {
	e.mu.Lock()
	n := len(e.batches)
	e.batches = append(e.batches, len(cmds)-1) // the last one is TIME
	e.mu.Unlock()
	if e.before != nil {
		if err := e.before(n); err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, cmd := range cmds {
		switch cmd := cmd.(type) {
		case *redis.RawCmd:
			key, once := cmd.Args()[1].(string), string(cmd.Args()[2].([]byte))
			if old, found := e.keys[key]; found {
				cmd.SetVal([]byte("$16\r\n" + old + "\r\n"))
				continue
			}
			e.keys[key] = once
			cmd.SetVal([]byte(storedNow))
		case *redis.TimeCmd:
			cmd.SetVal(time.Now())
		}
	}
	return nil
}

// asked is how many pipelines came, and how large the largest was.
func (e *engine) asked() (n, largest int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, size := range e.batches {
		largest = max(largest, size)
	}
	return len(e.batches), largest
}
