package replay

import (
	"errors"

	"github.com/tegata-go/tegata/replay/internal/outage"
)

// Mistakes of whoever fills a Use or builds a store: the client is told of an outage.
var (
	errZeroKey = outage.New(ErrUnavailable, errors.New("replay: zero Key"))
	errFar     = outage.New(ErrUnavailable, errors.New("replay: Until is more than MaxLifetime ahead"))
	errOrder   = outage.New(ErrUnavailable, errors.New("replay: Made is after Until"))
	errNoFunc  = outage.New(ErrUnavailable, errors.New("replay: nil SetIfAbsent"))
	errNoPart  = outage.New(ErrUnavailable, errors.New("replay: a decorator lacks a store or a report"))
)

// errQuota is a kind of full store: whoever does not look closer takes it for one.
var errQuota = outage.New(ErrQuota, ErrFull)
