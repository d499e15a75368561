package main

import (
	"errors"
	"flag"

	"github.com/tegata-go/tegata/examples/bank/service"
	"github.com/tegata-go/tegata/ratelimit"
)

// limits are the flags that bound more than -rate does.
type limits struct {
	perPeer     string
	peer        *ratelimit.Limit // nil: no limit
	concurrency int              // 0: no limit
}

func (l *limits) flags(set *flag.FlagSet) {
	set.StringVar(&l.perPeer, "rate-peer", "", "")
	set.IntVar(&l.concurrency, "concurrency", 0, "")
}

func (l *limits) judge(given map[string]bool) error {
	var all []error
	if given["rate-peer"] {
		limit, err := parseRate(l.perPeer)
		if err != nil {
			all = append(all, errors.New("-rate-peer: not N-S, N-M or N-H"))
		}
		l.peer = &limit
	}
	if given["concurrency"] && l.concurrency < 1 {
		all = append(all, errors.New("-concurrency: not from 1 up"))
	}
	return errors.Join(all...)
}

// bound puts the limits into the chain's configuration.
func (l *limits) bound(c *service.Config) {
	c.RatePeer, c.Concurrency = l.peer, l.concurrency
}
