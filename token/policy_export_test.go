package token

import (
	"context"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
)

// What fuzzing needs of the readers behind policies.
var (
	ReadDetails = readDetails
	SameAmount  = sameAmount
	IsAmount    = func(s string) bool { _, _, ok := decimal(s); return ok }
)

// Places is how many inactive tokens are remembered.
const Places = places

// RememberInactive is what follows an answer that says so.
func (i *Introspection) RememberInactive(raw string) {
	digest := jose.Sum(raw)
	i.inactive.add(&digest, time.Now().Add(time.Minute))
}

// MaxAge, IsToken68 and Believed are readers for fuzzing.
var (
	MaxAge    = maxAge
	IsToken68 = isToken68
)

// Public is whether a call to address may be made.
func Public(address string) bool { return publicOnly("tcp", address, nil) == nil }

// Believed gives the claims of an introspection answer.
func Believed(issuer, audience, text string) (*Claims, error) {
	i := &Introspection{config: IntrospectionConfig{Issuer: issuer, Audiences: []string{audience}, TTL: time.Minute}}
	return i.believe(context.Background(), &answerOf{text: text}, time.Now())
}
