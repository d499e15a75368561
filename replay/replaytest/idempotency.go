package replaytest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tegata-go/tegata/replay"
)

// RunRunStore is [Run] for a replay.RunStore. A store holds a thousand keys of one owner and 2 MiB of answers at
// least. Rules about time wait some three seconds; go test -short leaves them out.
func RunRunStore(t *testing.T, open func() replay.RunStore) {
	for _, r := range runRules() {
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

// TestRunStore is [TestStore] for a replay.RunStore.
func TestRunStore(open func() replay.RunStore) error {
	var all []error
	for _, r := range runRules() {
		all = append(all, r.check(open))
	}
	return errors.Join(all...)
}

// runRule is one promise of replay.RunStore.
type runRule struct {
	name  string
	why   string
	waits bool
	keeps func(s replay.RunStore, key func(part string) replay.Key) error
}

func (r runRule) check(open func() replay.RunStore) error {
	run := newRun()
	err := r.keeps(open(), func(part string) replay.Key { return replay.Digest("replaytest run", run, part) })
	if err != nil {
		return fmt.Errorf("%s: %w; %s", r.name, err, r.why)
	}
	return nil
}

func runRules() []runRule {
	return []runRule{
		{name: "once", keeps: runsOnce,
			why: "a request runs once, and who comes meanwhile is told to wait"},
		{name: "race", keeps: runsOnceInARace,
			why: "looking and claiming are one step: what looks first and claims afterwards pays twice"},
		{name: "answer", keeps: answersAgain,
			why: "whoever repeats a request gets the very bytes that it was answered with"},
		{name: "another request", keeps: tellsApart,
			why: "a key with another request never gets the old answer, and never runs"},
		{name: "another run", keeps: trustsItsOwn,
			why: "only the run that began knows what came of it"},
		{name: "unknown outcome", keeps: keepsUnknown,
			why: "what may have taken effect must not run again because nobody knows"},
		{name: "forget", keeps: forgetsWhatFailed,
			why: "a request without effect may be sent again"},
		{name: "forgets nothing else", keeps: forgetsNothingElse,
			why: "what was answered has taken effect, whatever an operator believes"},
		{name: "lost", keeps: finishesTheUnknown,
			why: "a run that took place is remembered although its beginning was lost"},
		{name: "distinct", keeps: keepsApart,
			why: "one key must not be answered for another, and none is dropped to make room"},
		{name: "mistake", keeps: refusesMistakenRuns,
			why: "our own mistake fails closed and is not blamed on the client"},
		{name: "canceled", keeps: remembersCanceled,
			why: "nil means that the key is claimed: a store that gives up says so"},
		{name: "lease", keeps: neverRunsAfterALease, waits: true,
			why: "a process that died may have run the request: its lease says when to stop waiting, not when to run again"},
		{name: "ttl", keeps: forgetsAfterTTL, waits: true,
			why: "a store that never forgets is full one day"},
	}
}
