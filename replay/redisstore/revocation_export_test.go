package redisstore

import "github.com/tegata-go/tegata/replay"

// ParseRevocation reads what a field of the list says.
func ParseRevocation(value string) ([]replay.Revocation, bool) { return parseRevocation(value) }

// ParsePage tells whether an answer is one.
func ParsePage(answer []any) bool {
	_, ok := parsePage(answer)
	return ok
}
