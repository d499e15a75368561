package replaytest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tegata-go/tegata/replay"
)

// Revocations is a list of what was revoked: what package token asks, and what fills it.
type Revocations interface {
	Revision() uint64
	Revoked(ctx context.Context, names []replay.Key, issued time.Time) error
	Revoke(ctx context.Context, name replay.Key, until time.Time) error
	RevokeBefore(ctx context.Context, name replay.Key, issuedBefore, until time.Time) error
}

// RunRevocations is [Run] for lists of revocations. A list holds a thousand names at least. That
// revocations are over one day only [TestRevocations] looks at: the grace is long.
func RunRevocations(t *testing.T, open func() Revocations) {
	for _, r := range revocationRules() {
		t.Run(r.name, func(t *testing.T) {
			if r.bubble {
				t.Skip("replaytest: this rule waits for minutes")
			}
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

// TestRevocations is [TestStore] for lists of revocations.
func TestRevocations(open func() Revocations) error {
	var all []error
	for _, r := range revocationRules() {
		all = append(all, r.check(open))
	}
	return errors.Join(all...)
}

// revocationRule is one promise of a list.
type revocationRule struct {
	name   string
	why    string
	waits  bool // for seconds
	bubble bool // waits for minutes
	keeps  func(l Revocations, key func(part string) replay.Key) error
}

func (r revocationRule) check(open func() Revocations) error {
	run := newRun()
	err := r.keeps(open(), func(part string) replay.Key { return replay.Digest("replaytest revocation", run, part) })
	if err != nil {
		return fmt.Errorf("%s: %w; %s", r.name, err, r.why)
	}
	return nil
}

func revocationRules() []revocationRule {
	return []revocationRule{
		{name: "revoked", keeps: revokes,
			why: "what is revoked is refused for every question asked after Revoke returned"},
		{name: "others", keeps: sparesOthers,
			why: "who was not revoked must not be refused because others were"},
		{name: "issued", keeps: comparesIssue,
			why: "who was issued a token since may use it; a token that does not say when it was issued counts as old"},
		{name: "revision", keeps: movesRevision,
			why: "a cache asks again only when the revision moved"},
		{name: "longest", keeps: neverShortens,
			why: "revoking again must not bring anything back"},
		{name: "mistake", keeps: refusesMistakes,
			why: "what cannot take effect must not look as if it had"},
		{name: "many", keeps: holdsMany,
			why: "a list that makes room forgets what an attacker wants it to forget"},
		{name: "end", keeps: holdsToTheEnd, waits: true,
			why: "what is revoked must not come back before it has expired"},
		{name: "over", keeps: isOverOnce, bubble: true,
			why: "a list that never forgets is full one day"},
	}
}
