package mtls

import (
	"cmp"
	"crypto/x509"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what an Expiry is about.
type Kind string

// The kinds.
const (
	ServerLeaf     = Kind("server certificate")
	ClientAnchor   = Kind("client trust anchor")
	RevocationList = Kind("revocation list")
	ClientLeaf     = Kind("client certificate")
)

// Expiry is when something ends.
type Expiry struct {
	Kind Kind
	Name string // a distinguished name, or the client's id
	At   time.Time
}

// Days is how many whole days are left at now; negative once it is over.
func (e Expiry) Days(now time.Time) int {
	return int(math.Floor(e.At.Sub(now).Hours() / 24))
}

// Expiries gives the end of what the source holds now, the next one first: the server's certificates,
// the anchors and the revocation lists.
func (s *Source) Expiries() []Expiry {
	m := s.held.Load()
	var all []Expiry
	if m.certificate != nil {
		for _, der := range m.certificate.Certificate {
			if c, err := x509.ParseCertificate(der); err == nil {
				all = append(all, Expiry{ServerLeaf, c.Subject.String(), c.NotAfter})
			}
		}
	}
	if m.anchors != nil {
		for _, c := range m.anchors.listed {
			all = append(all, Expiry{ClientAnchor, c.Subject.String(), c.NotAfter})
		}
	}
	if m.lists != nil {
		for _, file := range m.lists.files {
			for _, c := range file {
				all = append(all, Expiry{RevocationList, c.list.Issuer.String(), c.list.NextUpdate})
			}
		}
	}
	slices.SortFunc(all, sooner)
	return all
}

func sooner(a, b Expiry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Name, b.Name)) }

// Expiries keep in mind until when the certificate that each client used last is valid. They are safe
// for concurrent use.
type Expiries struct {
	limit   int
	dropped atomic.Uint64

	mu    sync.RWMutex
	seen  map[string]time.Time
	swept time.Time
}

const defaultExpiries = 10_000

// NewExpiries makes Expiries of at most limit clients; 0 is 10,000.
func NewExpiries(limit int) *Expiries {
	if limit <= 0 {
		limit = defaultExpiries
	}
	return &Expiries{limit: limit, seen: map[string]time.Time{}}
}

// Note keeps in mind that the client uses a certificate that ends then. Once the bound is reached new
// clients are not noted, but counted, until certificates that are over make room.
func (e *Expiries) Note(client string, at time.Time) {
	e.mu.RLock()
	held, known := e.seen[client]
	e.mu.RUnlock()
	if known && held.Equal(at) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known = e.seen[client]; !known && len(e.seen) >= e.limit && !e.sweep() {
		e.dropped.Add(1)
		return
	}
	e.seen[client] = at
}

// sweep forgets what is over, at most once in a minute; e.mu is held.
func (e *Expiries) sweep() bool {
	now := time.Now()
	if now.Sub(e.swept) < time.Minute {
		return false
	}
	e.swept = now
	for client, at := range e.seen {
		if now.After(at) {
			delete(e.seen, client)
		}
	}
	return len(e.seen) < e.limit
}

// Within gives the clients whose certificates end within d from now, or ended, the next one first.
func (e *Expiries) Within(d time.Duration) []Expiry {
	end := time.Now().Add(d)
	var all []Expiry
	e.mu.RLock()
	for client, at := range e.seen {
		if !at.After(end) {
			all = append(all, Expiry{ClientLeaf, client, at})
		}
	}
	e.mu.RUnlock()
	slices.SortFunc(all, sooner)
	return all
}

// Dropped is how many clients were not noted for lack of room, counted once for each of their requests.
func (e *Expiries) Dropped() uint64 { return e.dropped.Load() }
