package replaytest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-go/tegata/replay"
	"github.com/tegata-go/tegata/replay/replaytest"
)

func revocations(t testing.TB) *replay.Revocations {
	r, err := replay.NewRevocations(replay.RevocationsConfig{Capacity: 5000})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// spoiledList is a correct list that was broken in one way.
type spoiledList struct {
	*replay.Revocations
	revision func() uint64
	revoked  func(context.Context, []replay.Key, time.Time) error
	revoke   func(context.Context, replay.Key, time.Time) error
	before   func(context.Context, replay.Key, time.Time, time.Time) error
}

func (l spoiledList) Revision() uint64 {
	if l.revision != nil {
		return l.revision()
	}
	return l.Revocations.Revision()
}

func (l spoiledList) Revoked(ctx context.Context, names []replay.Key, issued time.Time) error {
	if l.revoked != nil {
		return l.revoked(ctx, names, issued)
	}
	return l.Revocations.Revoked(ctx, names, issued)
}

func (l spoiledList) Revoke(ctx context.Context, name replay.Key, until time.Time) error {
	if l.revoke != nil {
		return l.revoke(ctx, name, until)
	}
	return l.Revocations.Revoke(ctx, name, until)
}

func (l spoiledList) RevokeBefore(ctx context.Context, name replay.Key, issuedBefore, until time.Time) error {
	if l.before != nil {
		return l.before(ctx, name, issuedBefore, until)
	}
	return l.Revocations.RevokeBefore(ctx, name, issuedBefore, until)
}

func TestCorrectRevocationsPass(t *testing.T) {
	replaytest.RunRevocations(t, func() replaytest.Revocations { return revocations(t) })
}

func TestBrokenRevocationsFail(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(l *replay.Revocations) spoiledList
		rule  string // that must be among the broken ones
	}{
		"revokes nothing": {func(l *replay.Revocations) spoiledList {
			return spoiledList{Revocations: l, revoke: func(context.Context, replay.Key, time.Time) error { return nil }}
		}, "revoked"},
		"asks about the first name": {func(l *replay.Revocations) spoiledList {
			return spoiledList{Revocations: l, revoked: func(ctx context.Context, names []replay.Key, issued time.Time) error {
				return l.Revoked(ctx, names[:min(len(names), 1)], issued)
			}}
		}, "revoked"},
		"revokes everybody": {func(l *replay.Revocations) spoiledList {
			return spoiledList{Revocations: l, revoked: func(context.Context, []replay.Key, time.Time) error { return replay.ErrRevoked }}
		}, "others"},
		"does not look at the time of issue": {func(l *replay.Revocations) spoiledList {
			return spoiledList{Revocations: l, before: func(ctx context.Context, name replay.Key, issuedBefore, until time.Time) error {
				if issuedBefore.IsZero() {
					return replay.ErrUnavailable
				}
				return l.Revoke(ctx, name, until)
			}}
		}, "issued"},
		"takes an unknown time of issue for new": {func(l *replay.Revocations) spoiledList {
			return spoiledList{Revocations: l, revoked: func(ctx context.Context, names []replay.Key, issued time.Time) error {
				if issued.IsZero() {
					issued = time.Now().Add(time.Hour)
				}
				return l.Revoked(ctx, names, issued)
			}}
		}, "issued"},
		"has one revision": {func(l *replay.Revocations) spoiledList {
			return spoiledList{Revocations: l, revision: func() uint64 { return 7 }}
		}, "revision"},
		"the last one counts": {func(l *replay.Revocations) spoiledList {
			ends := map[replay.Key]time.Time{}
			return spoiledList{Revocations: l, revoke: func(ctx context.Context, name replay.Key, until time.Time) error {
				ends[name] = until
				return l.Revoke(ctx, name, until)
			}, before: func(ctx context.Context, name replay.Key, issuedBefore, until time.Time) error {
				ends[name] = time.Now()
				return l.RevokeBefore(ctx, name, issuedBefore, until)
			}, revoked: func(ctx context.Context, names []replay.Key, issued time.Time) error {
				if len(names) == 1 && !ends[names[0]].IsZero() && !ends[names[0]].After(time.Now()) {
					return nil
				}
				return l.Revoked(ctx, names, issued)
			}}
		}, "longest"},
		"takes mistakes": {func(l *replay.Revocations) spoiledList {
			return spoiledList{Revocations: l, revoke: func(ctx context.Context, name replay.Key, until time.Time) error {
				_ = l.Revoke(ctx, name, until)
				return nil
			}}
		}, "mistake"},
		"makes room": {func(l *replay.Revocations) spoiledList {
			var names []replay.Key
			return spoiledList{Revocations: l, revoke: func(ctx context.Context, name replay.Key, until time.Time) error {
				names = append(names, name)
				return l.Revoke(ctx, name, until)
			}, revoked: func(ctx context.Context, asked []replay.Key, issued time.Time) error {
				if len(names) > 500 && len(asked) == 1 && asked[0] == names[0] {
					return nil
				}
				return l.Revoked(ctx, asked, issued)
			}}
		}, "many"},
		"ends early": {func(l *replay.Revocations) spoiledList {
			var end time.Time
			return spoiledList{Revocations: l, revoke: func(ctx context.Context, name replay.Key, until time.Time) error {
				end = until.Truncate(time.Second).Add(-time.Second)
				return l.Revoke(ctx, name, until)
			}, revoked: func(ctx context.Context, names []replay.Key, issued time.Time) error {
				if time.Now().After(end) {
					return nil
				}
				return l.Revoked(ctx, names, issued)
			}}
		}, "end"},
		"never ends": {func(l *replay.Revocations) spoiledList {
			return spoiledList{Revocations: l, revoke: func(ctx context.Context, name replay.Key, until time.Time) error {
				if until.After(time.Now()) && time.Until(until) < time.Hour {
					until = time.Now().Add(time.Hour)
				}
				return l.Revoke(ctx, name, until)
			}}
		}, "over"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := replaytest.TestRevocations(func() replaytest.Revocations { return test.spoil(revocations(t)) })
				if err == nil {
					t.Fatal("passes")
				}
				for line := range strings.Lines(err.Error()) {
					if strings.HasPrefix(line, test.rule+": ") {
						return
					}
				}
				t.Errorf("%q is not among %v", test.rule, err)
			})
		})
	}
}
