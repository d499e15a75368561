package token

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/tegata-go/tegata/audit"
)

// Guard is an http.ServeMux on which a route stands only together with its policy: what was forgotten does not
// compile or does not start. Its own 404 and 405 are problems (audit.NotFound). It stands inside a Verifier.
type Guard struct {
	mux    *http.ServeMux
	serve  http.Handler
	mu     sync.Mutex
	routes []Route
}

// Route is one pattern of a Guard.
type Route struct {
	Pattern string
	Public  bool // no policy stands before it
}

// NewGuard makes a Guard without routes.
func NewGuard() *Guard {
	mux := http.NewServeMux()
	return &Guard{mux: mux, serve: audit.NotFound(mux)}
}

// Handle registers handler for pattern, behind policy. It panics when policy or handler is nil, and where
// http.ServeMux does. A route that every proven caller may use says so: [Authenticated].
func (g *Guard) Handle(pattern string, policy Policy, handler http.Handler) {
	if policy == nil || handler == nil {
		panic("token: Guard: nil policy or handler for " + pattern)
	}
	g.mux.Handle(pattern, Require(policy)(handler))
	g.add(Route{Pattern: pattern})
}

// Public registers handler for pattern without a policy: for whoever the layers outside let come here.
func (g *Guard) Public(pattern string, handler http.Handler) {
	g.mux.Handle(pattern, handler)
	g.add(Route{Pattern: pattern, Public: true})
}

func (g *Guard) add(r Route) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.routes = append(g.routes, r)
}

// Routes lists what is registered, in order: for the log at start-up.
func (g *Guard) Routes() []Route {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.routes)
}

// Check compares the routes with an inventory of patterns, for example that of the published description of the
// API, and reports every one that is missing on either side (OWASP API9). Patterns are compared to the letter.
func (g *Guard) Check(inventory ...string) error {
	var all []error
	routes := g.Routes()
	for _, pattern := range inventory {
		if !slices.ContainsFunc(routes, func(r Route) bool { return r.Pattern == pattern }) {
			all = append(all, fmt.Errorf("token: Guard: %q is in the inventory and has no route", pattern))
		}
	}
	for _, r := range routes {
		if !slices.Contains(inventory, r.Pattern) {
			all = append(all, fmt.Errorf("token: Guard: %q is a route and not in the inventory", r.Pattern))
		}
	}
	return errors.Join(all...)
}

// ServeHTTP serves the route that matches.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.serve.ServeHTTP(w, r) }
