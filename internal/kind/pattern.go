package kind

import (
	"net/http"
	"slices"
	"strings"
)

// methodSet is a set of HTTP methods; one bit stands for all that have none of their own.
type methodSet uint16

const allMethods = ^methodSet(0)

var methodNames = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions, http.MethodTrace,
}

func methodBit(method string) methodSet {
	switch method { // a switch, because this is on every request's way
	case http.MethodGet:
		return 1 << 0
	case http.MethodHead:
		return 1 << 1
	case http.MethodPost:
		return 1 << 2
	case http.MethodPut:
		return 1 << 3
	case http.MethodPatch:
		return 1 << 4
	case http.MethodDelete:
		return 1 << 5
	case http.MethodOptions:
		return 1 << 6
	case http.MethodTrace:
		return 1 << 7
	}
	return 1 << 8
}

// methods makes the set of a route. HEAD belongs to GET: it asks for the same thing.
func methods(names []string) (set methodSet) {
	if len(names) == 0 {
		return allMethods
	}
	for _, name := range names {
		set |= methodBit(name)
	}
	if set&methodBit(http.MethodGet) != 0 {
		set |= methodBit(http.MethodHead)
	}
	return set
}

// pattern is a route's path in segments. `*` is one segment that is not empty; rest stands for a last `**`.
type pattern struct {
	segments []string
	rest     bool
}

func newPattern(path string) pattern {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if last := len(segments) - 1; segments[last] == "**" {
		return pattern{segments: segments[:last], rest: true}
	}
	return pattern{segments: segments}
}

// literal reports whether the pattern matches one path alone.
func (p pattern) literal() bool { return !p.rest && !slices.Contains(p.segments, "*") }

// match compares a decoded path, which begins with a slash.
func (p pattern) match(path string) bool {
	path, more := path[1:], true
	for _, want := range p.segments {
		if !more {
			return false
		}
		segment := path
		if cut := strings.IndexByte(path, '/'); cut >= 0 {
			segment, path = path[:cut], path[cut+1:]
		} else {
			more = false
		}
		if want == "*" && segment == "" || want != "*" && want != segment {
			return false
		}
	}
	return p.rest || !more
}

// covers reports whether every path that q matches is also matched by p.
func (p pattern) covers(q pattern) bool {
	for i, want := range p.segments {
		if i >= len(q.segments) {
			return false
		}
		if got := q.segments[i]; want == "*" && got == "" || want != "*" && want != got {
			return false
		}
	}
	return p.rest || !q.rest && len(p.segments) == len(q.segments)
}
