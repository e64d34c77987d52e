package kind

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"workspace-router/internal/workspace"
)

// validator holds the rules of a profile. Each finds all that it can find, and reports by the decoder's lines.
type validator struct {
	*decoder
	places map[string]Place // of the profile, which its templates refer to
}

func (v *validator) kind(k *Kind) {
	v.name(k.Name)
	v.processes(k.Processes)
	v.endpoints(k.Endpoints)
	v.ownPlaces()
	for i, directory := range k.Directories {
		v.place(directory, fmt.Sprintf("directories[%d]", i))
	}
	for i, file := range k.Files {
		v.place(file.Path, fmt.Sprintf("files[%d].path", i))
		v.template(file.Content, fmt.Sprintf("files[%d].content", i), launchNames)
	}
	v.probe(k.Ready)
	v.identity(k.Identity)
	v.busy(k.Busy)
	v.leftovers(k.Leftovers)
	v.routes(k.Routes)
	v.aliases(k.Aliases)
	v.headers(k)
	v.upgrades(k.Upgrades)
	v.stop(k.Stop)
	v.isolation(k)
	v.preload(k)
	v.cost(k)
	v.limits(k)
}

// zeros reports a zero that is given where one that is left out means the default. It runs before the defaults go in.
func (v *validator) zeros(k *Kind) {
	refuse := func(value int, field string) {
		if value == 0 && v.given(field) {
			v.at(field, "got 0, want more; leave it out for the default")
		}
	}
	refuse(k.Ready.Status, "ready.status")
	refuse(k.Isolation.Processes, "isolation.processes")
	refuse(int(k.Limits.Memory), "limits.memory")
	refuse(int(k.Limits.MemoryHigh), "limits.memory_high")
	if k.Busy != nil {
		refuse(k.Busy.Samples, "busy.samples")
	}
	for i, route := range k.Routes {
		if route.Cold != nil {
			refuse(route.Cold.Status, fmt.Sprintf("routes[%d].cold.status", i))
		}
	}
}

// name keeps to what is also fit for a file, a label of a metric and, in upper case, a part of an environment name.
func (v *validator) name(name string) {
	if name == "" {
		v.at("name", "is missing, want a name such as `lightrag`")
		return
	}
	if _, err := workspace.ParseName(name); err != nil || name[0] < 'a' || name[0] > 'z' || strings.ToLower(name) != name {
		v.at("name", "got %q, want a lower-case letter and then at most %d of a-z 0-9 _ -", name, workspace.MaxNameLength-1)
	}
}

func (v *validator) endpoints(endpoints map[string]Endpoint) {
	if _, found := endpoints[HTTPEndpoint]; !found {
		v.at("endpoints", "there is no %q, want the endpoint that requests are forwarded to", HTTPEndpoint)
	}
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		field := "endpoints." + name
		if _, err := workspace.ParseName(name); err != nil {
			v.at(field, "got the name %q, want 1 to %d of A-Z a-z 0-9 _ -", name, workspace.MaxNameLength)
		}
		if network := endpoints[name].Network; network != NetworkUnix && network != NetworkTCP {
			v.at(field+".network", "got %q, want %s or %s", network, NetworkUnix, NetworkTCP)
		}
	}
}

// place accepts only what lies in the workspace's or in the launch's own directory.
func (v *validator) place(template, field string) {
	v.template(template, field, argumentNames)
	root, rest, _ := strings.Cut(template, "/")
	if root != "{dir}" && root != "{run}" {
		v.at(field, "got %q, want a path that begins with {dir}/ or {run}/", template)
		return
	}
	if rest != "" && path.Clean("/"+rest) != "/"+strings.TrimSuffix(rest, "/") {
		v.at(field, "got %q, want a plain path below %s, without `.`, `..` or `//`", template, root)
	}
}

// template checks that every placeholder is one of allowed.
func (v *validator) template(template, field string, allowed []string) {
	for _, name := range placeholders(template) {
		base, argument, qualified := strings.Cut(name, ":")
		if !slices.Contains(allowed, base) {
			v.at(field, "unknown placeholder {%s}, want one of %s", name, strings.Join(allowed, ", "))
			continue
		}
		switch _, known := v.places[argument]; {
		case base == "place" && !known:
			v.at(field, "got {%s}, want {place:NAME} with a name of `places`", name)
		case qualified && (base != "place" && base != "port" || argument == ""):
			v.at(field, "got {%s}, but only {port:NAME} and {place:NAME} take a name", name)
		}
	}
	if strings.ContainsRune(template, 0) {
		v.at(field, "holds a NUL character")
	}
}

func (v *validator) probe(p Probe) {
	v.probePath(p.Path, "ready.path")
	v.status(p.Status, "ready.status")
	v.positive(p.Timeout, "ready.timeout")
}

func (v *validator) probePath(p, field string) {
	switch {
	case p == "":
		v.at(field, "is missing, want a path such as /health")
	case p[0] != '/' || strings.ContainsAny(p, " \t\r\n#\\"):
		v.at(field, "got %q, want a path that begins with / and holds no space, backslash or #", p)
	}
}

func (v *validator) identity(checks []Check) {
	for i, check := range checks {
		field := fmt.Sprintf("identity[%d]", i)
		v.pointer(check.Pointer, field+".pointer")
		if check.Equals == "" {
			v.at(field+".equals", "is missing, want the value that this launch must say, such as {nonce}")
		}
		v.template(check.Equals, field+".equals", launchNames)
	}
}

func (v *validator) busy(b *Busy) {
	if b == nil {
		return
	}
	v.probePath(b.Path, "busy.path")
	if len(b.Pointers) == 0 {
		v.at("busy.pointers", "is missing, want at least one JSON pointer")
	}
	for i, pointer := range b.Pointers {
		v.pointer(pointer, fmt.Sprintf("busy.pointers[%d]", i))
	}
	if b.Samples < 0 || b.Samples > 1000 {
		v.at("busy.samples", "got %d, want 1 to 1000", b.Samples)
	}
	v.positive(b.Interval, "busy.interval")
	v.positive(b.Bound, "busy.bound")
}

// pointer checks the form of RFC 6901.
func (v *validator) pointer(pointer, field string) {
	if pointer != "" && pointer[0] != '/' {
		v.at(field, "got %q, want a JSON pointer: it begins with /", pointer)
		return
	}
	for i := range len(pointer) {
		if pointer[i] == '~' && (i+1 == len(pointer) || pointer[i+1] != '0' && pointer[i+1] != '1') {
			v.at(field, "got %q, want a JSON pointer: ~ is written ~0, and / within a name ~1", pointer)
			return
		}
	}
}

// positive refuses what no timer can keep; a duration that is left out has its default by now.
func (v *validator) positive(d time.Duration, field string) {
	if d < time.Millisecond {
		v.at(field, "got %v, want at least 1ms", d)
	}
}

func (v *validator) status(status int, field string) {
	if status < 200 || status > 599 {
		v.at(field, "got %d, want an HTTP status from 200 to 599", status)
	}
}

// Signals are those by which a worker can be asked to end.
func Signals() []string { return slices.Clone(signals) }

var signals = []string{"TERM", "INT", "QUIT", "HUP", "USR1", "USR2"}

func (v *validator) stop(s Stop) {
	if !slices.Contains(signals, s.Signal) {
		v.at("stop.signal", "got %q, want one of %s", s.Signal, strings.Join(signals, ", "))
	}
	v.positive(s.Grace, "stop.grace")
}

func (v *validator) cost(k *Kind) {
	if k.Cost.Memory < 0 {
		v.at("cost.memory", "got %s, want 0 or more", k.Cost.Memory)
	}
	if k.Cost.Files < 0 {
		v.at("cost.files", "got %d, want 0 or more", k.Cost.Files)
	}
	if k.MaxBody < 0 {
		v.at("max_body", "got %s, want 0 or more", k.MaxBody)
	}
}
