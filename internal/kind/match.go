package kind

import (
	"net/textproto"

	"workspace-router/internal/workspace"
)

// matcher is what a request is compared with, compiled: paths without a pattern by look-up, the others in turn.
type matcher struct {
	routes   []Route
	literals map[string][]candidate
	patterns []candidate
	stripped map[string]bool // header names in canonical form
}

// candidate is a route that may match, by its place in the list.
type candidate struct {
	index   int
	methods methodSet
	pattern pattern
}

func newMatcher(k *Kind) *matcher {
	m := &matcher{routes: k.Routes, literals: map[string][]candidate{}, stripped: map[string]bool{}}
	for _, name := range k.Strip {
		m.stripped[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	for name := range k.Inject {
		m.stripped[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	for i, route := range k.Routes {
		c := candidate{index: i, methods: methods(route.Methods), pattern: newPattern(route.Path)}
		if c.pattern.literal() {
			m.literals[route.Path] = append(m.literals[route.Path], c)
		} else {
			m.patterns = append(m.patterns, c)
		}
	}
	return m
}

// find gives the place of the first route in the list that matches, or -1.
func (m *matcher) find(method, path string) int {
	bit, best := methodBit(method), len(m.routes)
	for i := range m.literals[path] {
		if c := &m.literals[path][i]; c.methods&bit != 0 {
			best = c.index
			break
		}
	}
	for i := range m.patterns {
		c := &m.patterns[i]
		if c.index >= best {
			break
		}
		if c.methods&bit != 0 && c.pattern.match(path) {
			best = c.index
			break
		}
	}
	if best == len(m.routes) {
		return -1
	}
	return best
}

// unnamed is what counts where no table names the request: nobody but who holds every right may go there.
var unnamed = Route{Path: "", Permission: workspace.Strictest, Class: Active}

// Match gives the route of a request to the worker: the first in the list that matches decides. A request that no
// route names gets the strictest permission, class active, and false; so does everything where the kind was not
// validated. path is decoded and begins with a slash. Match allocates nothing.
func (k *Kind) Match(method, path string) (route Route, named bool) {
	if k.matcher == nil || path == "" {
		return unnamed, false
	}
	if i := k.matcher.find(method, path); i >= 0 {
		return k.matcher.routes[i], true
	}
	return unnamed, false
}

// Strips reports whether a request header, in canonical form, must not reach the worker as the client sent it: the
// profile strips it, or the router injects its own.
func (k *Kind) Strips(name string) bool { return k.matcher != nil && k.matcher.stripped[name] }

// Classify is Match for a path that ParsePath has accepted. One that programs may read in two ways counts as the
// strictest route, whatever its decoded form would match.
func (k *Kind) Classify(method string, path Path) (route Route, named bool) {
	if path.Ambiguous {
		return unnamed, false
	}
	return k.Match(method, path.Decoded)
}
