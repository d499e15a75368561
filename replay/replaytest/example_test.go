package replaytest_test

import (
	"testing"
	"testing/synctest"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/replaytest"
)

func ExampleRun() {
	open := func() replay.Store { return overMap() } // your store
	_ = func(t *testing.T) {                         // func TestStore
		replaytest.Run(t, open)
	}
}

func ExampleTestStore() {
	open := func() replay.Store { return overMap() } // your store, if it needs no network
	_ = func(t *testing.T) {                         // func TestStore
		synctest.Test(t, func(t *testing.T) {
			if err := replaytest.TestStore(open); err != nil {
				t.Error(err)
			}
		})
	}
}
