package token

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tegata-go/tegata/internal/jose"
)

const (
	shards     = 16
	entryBytes = 1536                               // what an entry costs beside the token's own text
	minCache   = shards * (8*maxToken + entryBytes) // so that each shard holds the largest token, of scopes of one letter
)

// CacheConfig configures NewCache.
type CacheConfig struct {
	_ [0]func()

	// Resolver is asked for what the cache does not hold. Required.
	Resolver Resolver

	// MaxBytes bounds the memory, estimated from the length of the tokens and of their claims. Zero: 64 MiB.
	MaxBytes int64
}

// Cache is a Resolver that remembers verified tokens by the SHA-256 of their text. What could not be
// verified is not remembered: a flood of bad tokens leaves nothing behind. An entry ends with the token,
// with Claims.KeepUntil, or with Claims.While, whichever is first; the oldest used give way when the
// memory is full. Verifiers that share a Resolver share its Cache.
type Cache struct {
	resolver Resolver
	perShard int64
	shards   [shards]cacheShard
}

type cacheShard struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[jose.Digest, *facts]
	bytes int64
	_     [32]byte
}

// NewCache makes an empty cache.
func NewCache(c CacheConfig) (*Cache, error) {
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	var errs []error
	if c.Resolver == nil {
		errs = append(errs, errors.New("token: CacheConfig.Resolver is required"))
	}
	if _, nested := c.Resolver.(*Cache); nested {
		errs = append(errs, errors.New("token: CacheConfig.Resolver is a Cache already"))
	}
	if c.MaxBytes < minCache {
		errs = append(errs, errors.New("token: CacheConfig.MaxBytes is too small"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cache := &Cache{resolver: c.Resolver, perShard: c.MaxBytes / shards}
	for i := range cache.shards {
		s := &cache.shards[i]
		lru, err := simplelru.NewLRU(int(cache.perShard/entryBytes)+1, func(_ jose.Digest, f *facts) { s.bytes -= f.size() })
		if err != nil {
			return nil, err
		}
		s.lru = lru
	}
	return cache, nil
}

// Resolve gives a copy of the remembered claims, or asks the Resolver. A Verifier goes a shorter way.
func (c *Cache) Resolve(ctx context.Context, raw string) (*Claims, error) {
	f, err := c.resolve(ctx, presentation(raw, time.Now()))
	if err != nil {
		return nil, err
	}
	claims := f.claims
	claims.Audience, claims.Scope, claims.AMR = slices.Clone(claims.Audience), slices.Clone(claims.Scope), slices.Clone(claims.AMR)
	return &claims, nil
}

func (c *Cache) resolve(ctx context.Context, p presented) (*facts, error) {
	digest, now := p.digest, p.now.Unix()
	s := &c.shards[digest[0]%shards]
	if f := s.get(digest, now); f != nil {
		return f, nil
	}
	f, err := resolveBy(ctx, c.resolver, p)
	if err != nil {
		return nil, err
	}
	f.textBytes = int64(max(len(p.raw), len(f.claims.JSON)) + 16*(len(f.claims.Scope)+len(f.claims.Audience)+len(f.claims.AMR)))
	if f.keeps(now) && f.size() <= c.perShard {
		s.put(digest, f, c.perShard)
	}
	return f, nil
}

func (s *cacheShard) get(digest jose.Digest, now int64) *facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.lru.Get(digest)
	if !ok {
		return nil
	}
	if !f.keeps(now) {
		s.lru.Remove(digest)
		return nil
	}
	return f
}

func (s *cacheShard) put(digest jose.Digest, f *facts, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Remove(digest) // two requests may have resolved it at once
	s.lru.Add(digest, f)
	s.bytes += f.size()
	for s.bytes > limit {
		s.lru.RemoveOldest()
	}
}

// size estimates what the facts hold in memory: the claims are parts of the token's decoded text, or of the answer about
// an opaque one.
func (f *facts) size() int64 { return entryBytes + f.textBytes }
