// Package replaytest tells whether a replay.Store keeps the rules.
package replaytest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tegata-go/tegata/replay"
)

// Run runs every rule as a subtest named after it, each on a store of its own from open. Stores
// may share what is behind them: the keys of every run are new. A store holds a thousand values
// at least.
//
// The rules about time wait some three seconds, at the same time; go test -short leaves them out.
// A store that works in a testing/synctest bubble is better tested by [TestStore].
func Run(t *testing.T, open func() replay.Store) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if r.waits {
				if testing.Short() {
					t.Skip("replaytest: this rule waits")
				}
				t.Parallel()
			}
			if err := r.check(open); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStore runs every rule and gives all that are broken, joined, nil when none is. Each error
// begins with the rule's name and tells what the rule is for. In a testing/synctest bubble it
// takes no time.
func TestStore(open func() replay.Store) error {
	var all []error
	for _, r := range rules() {
		all = append(all, r.check(open))
	}
	return errors.Join(all...)
}

// rule is one promise of replay.Store.
type rule struct {
	name  string
	why   string // one sentence
	waits bool   // for time to pass
	keeps func(s replay.Store, key func(part string) replay.Key) error
}

// check runs the rule on a new store with keys nobody used.
func (r rule) check(open func() replay.Store) error {
	run := newRun()
	err := r.keeps(open(), func(part string) replay.Key { return replay.Digest("replaytest", run, part) })
	if err != nil {
		return fmt.Errorf("%s: %w; %s", r.name, err, r.why)
	}
	return nil
}
