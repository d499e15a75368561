package token

import (
	"encoding/binary"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
)

// inactives remembers which tokens the authorization server called inactive, in memory that never grows: each has one
// place, where its digest says, and a later one in the same place takes it. What is forgotten is asked about again.
type inactives struct{ places []inactive }

type inactive struct {
	token jose.Digest
	until int64 // Unix nanoseconds
}

// places is how many tokens are remembered at most: 40 bytes each.
const places = 1 << 14

func newInactives() inactives { return inactives{make([]inactive, places)} }

func (i inactives) place(token *jose.Digest) *inactive {
	return &i.places[binary.LittleEndian.Uint32(token[:])%uint32(len(i.places))]
}

func (i inactives) has(token *jose.Digest, now time.Time) bool {
	p := i.place(token)
	return p.token == *token && now.UnixNano() < p.until
}

func (i inactives) add(token *jose.Digest, until time.Time) {
	*i.place(token) = inactive{*token, until.UnixNano()}
}
