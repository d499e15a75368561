package token

import (
	"context"
	"time"

	"github.com/tegata-go/tegata/internal/jose"
)

// presented is a token as it came, with its SHA-256 and the time of the request: what several steps need, made once.
type presented struct {
	raw    string
	digest jose.Digest
	now    time.Time
}

func presentation(raw string, now time.Time) presented {
	return presented{raw: raw, digest: jose.Sum(raw), now: now}
}

// direct is what the Resolvers of this package are beside: their claims go into facts without being copied, as
// nobody else holds them.
type direct interface {
	resolve(ctx context.Context, p presented) (*facts, error)
}

// resolveBy asks any Resolver.
func resolveBy(ctx context.Context, r Resolver, p presented) (*facts, error) {
	if d, ok := r.(direct); ok {
		return d.resolve(ctx, p)
	}
	claims, err := r.Resolve(ctx, p.raw)
	if err != nil {
		return nil, err
	}
	return freeze(claims, p.digest)
}
