package kind

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"workspace-router/internal/workspace"
)

func (v *validator) routes(list []Route) {
	for i := range list {
		v.route(&list[i], fmt.Sprintf("routes[%d]", i))
	}
	for i := range list {
		v.reachable(list, i)
	}
}

// aliases checks that both sides are paths that a request can have, in plain form.
func (v *validator) aliases(list map[string]string) {
	for _, from := range slices.Sorted(maps.Keys(list)) {
		for _, path := range []string{from, list[from]} {
			if p, err := ParsePath(path); err != nil || p.Ambiguous || p.Raw != p.Decoded {
				v.at("aliases."+from, "got %q, want a plain path such as /documents/upload", path)
			}
		}
	}
}

func (v *validator) route(r *Route, field string) {
	v.routePath(r.Path, field+".path")
	for i, method := range r.Methods {
		if !slices.Contains(methodNames, method) {
			v.at(fmt.Sprintf("%s.methods[%d]", field, i), "got %q, want one of %s", method, strings.Join(methodNames, ", "))
		}
	}
	if r.Permission == 0 && !r.Closed && !v.given(field+".permission") {
		v.at(field+".permission", "is missing, want one such as %s or %s", workspace.QueryRun, workspace.DocumentRead)
	}
	if r.Class != Active && r.Class != Passive && r.Class != Never {
		v.at(field+".class", "got %q, want %s, %s or %s", r.Class, Active, Passive, Never)
	}
	if r.Cold == nil {
		return
	}
	if r.Class != Never {
		v.at(field+".cold", "is only for class %s, this route's is %s", Never, r.Class)
	}
	v.answer(r.Cold, field+".cold")
}

// routePath accepts paths in the decoded form that ParsePath lets through: another could never match.
func (v *validator) routePath(p, field string) {
	if p == "" || p[0] != '/' {
		v.at(field, "got %q, want a path that begins with /", p)
		return
	}
	if strings.ContainsAny(p, "%?#") {
		v.at(field, "got %q, want the decoded path, without %%, ? and #", p)
		return
	}
	if parsed, err := ParsePath(p); err != nil || parsed.Ambiguous {
		v.at(field, "got %q, want a plain path: no `.`, `..`, `//`, backslash, `;` or control character", p)
		return
	}
	segments := strings.Split(p[1:], "/")
	for i, segment := range segments {
		switch {
		case segment == "**" && i < len(segments)-1:
			v.at(field, "got %q, want `**` as the last segment only", p)
		case segment != "*" && segment != "**" && strings.Contains(segment, "*"):
			v.at(field, "got %q, want `*` and `**` as whole segments only", p)
		}
	}
}

// reachable reports a route all of whose requests are taken by routes before it.
func (v *validator) reachable(list []Route, i int) {
	left, own := methods(list[i].Methods), newPattern(list[i].Path)
	for j := range i {
		if !newPattern(list[j].Path).covers(own) {
			continue
		}
		if left &^= methods(list[j].Methods); left == 0 {
			v.at(fmt.Sprintf("routes[%d].path", i), "%q is never reached: line %d (%q) takes its requests; remove it or put it first",
				list[i].Path, v.line(fmt.Sprintf("routes[%d]", j)), list[j].Path)
			return
		}
	}
}

// routersOwn are the headers that the router or HTTP itself sets; a profile may not touch them.
var routersOwn = []string{
	"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func (v *validator) headers(k *Kind) {
	for i, name := range k.Strip {
		v.headerName(name, fmt.Sprintf("strip[%d]", i))
	}
	for _, name := range slices.Sorted(maps.Keys(k.Inject)) {
		value, field := k.Inject[name], "inject."+name
		v.headerName(name, field)
		v.template(value, field, launchNames)
		if !httpguts.ValidHeaderFieldValue(value) {
			v.at(field, "holds a character that a header's value may not have")
		}
	}
}

func (v *validator) headerName(name, field string) {
	if !httpguts.ValidHeaderFieldName(name) {
		v.at(field, "got %q, want the name of a header", name)
		return
	}
	if slices.ContainsFunc(routersOwn, func(own string) bool { return strings.EqualFold(own, name) }) {
		v.at(field, "got %q, which HTTP itself or the router sets", name)
	}
}

func (v *validator) upgrades(list []string) {
	for i, protocol := range list {
		if protocol != "websocket" {
			v.at(fmt.Sprintf("upgrades[%d]", i), "got %q, want websocket, the only upgrade that is passed on", protocol)
		}
	}
}
