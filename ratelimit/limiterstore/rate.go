package limiterstore

import (
	"errors"
	"strings"

	"github.com/ulule/limiter/v3"

	"github.com/tegata-go/tegata/ratelimit"
)

// ParseRate reads a rate as ulule/limiter writes it: "100-M" is 100 units per minute. The
// periods are S, M, H and D, in either case. The number is decimal without sign and without
// leading zeros, 1 to ratelimit.MaxCount: ulule/limiter itself takes more.
//
// The Limit has no name and a burst of its count. It serves every Store, not only this one.
func ParseRate(s string) (ratelimit.Limit, error) {
	number, _, _ := strings.Cut(s, "-")
	if number == "" || number[0] < '1' || number[0] > '9' {
		return ratelimit.Limit{}, errRate
	}
	rate, err := limiter.NewRateFromFormatted(s)
	if err != nil || rate.Limit > ratelimit.MaxCount {
		return ratelimit.Limit{}, errRate // err would quote s
	}
	return ratelimit.Limit{Count: rate.Limit, Period: rate.Period}, nil
}

var errRate = errors.New(`limiterstore: a rate is a number from 1 to 1e12, a hyphen, and S, M, H or D`)
