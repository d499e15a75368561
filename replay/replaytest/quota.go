package replaytest

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tegata-go/tegata/replay"
)

// TestQuota tells whether a store that has quotas keeps one owner from filling the shares of
// others. The store holds capacity values, 100 at least; open gives an empty one. A store
// without quotas, or without a bound, is not for this test.
func TestQuota(open func() replay.Store, capacity int) error {
	s, run := open(), newRun()
	value := func(owner string, n int) replay.Use {
		u := lasting(replay.Digest("replaytest", run, owner, strconv.Itoa(n)))
		u.Owner = replay.Digest("replaytest owner", owner)
		return u
	}
	const why = "one client must not fill the quota of another"
	taken := 0
	for n := range 2 * capacity { // and it goes on when it is refused
		switch err := s.Use(background, value("greedy", n)); {
		case err == nil:
			taken++
		case !errors.Is(err, replay.ErrFull):
			return fmt.Errorf("quota: the greedy owner was refused for another reason: %w; %s", err, why)
		}
	}
	if taken >= capacity {
		return fmt.Errorf("quota: one owner took all %d places; %s", capacity, why)
	}
	if taken == 0 {
		return errors.New("quota: an owner got nothing of an empty store")
	}
	for n := range max(1, (capacity-taken)/20) {
		if err := want(s, value("other", n), nil, "a new value of another owner"); err != nil {
			return fmt.Errorf("quota: %w; %s", err, why)
		}
	}
	return want(s, value("greedy", 0), replay.ErrUsed, "a used value of the greedy owner")
}
