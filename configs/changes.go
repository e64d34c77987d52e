package configs

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"workspace-router/internal/kind"
)

// Change is one thing that differs between two configurations.
type Change struct {
	Key     string  `json:"key"`
	Old     any     `json:"old"` // as Setting.Value: secrets are masked, an unset key is nil
	New     any     `json:"new"`
	From    string  `json:"from,omitempty"` // the place that decides the new value
	Applies Applies `json:"applies"`
}

// Changes lists what is different in another configuration: keys in the order of Keys, then certificates and profiles that changed in
// their files, as "kind.NAME", then variables that workers may be given, as "environment.NAME".
func (c *Config) Changes(to *Config) []Change {
	list := changedKeys(c.revealed(), to.revealed())
	list = append(list, changedCertificates(c, to)...)
	list = append(list, changedProfiles(c.Profiles, to.Profiles, list)...)
	return append(list, changedVariables(c.Environment.variables, to.Environment.variables)...)
}

func changedKeys(before, after []Setting) (list []Change) {
	was, is := byKey(before), byKey(after)
	keys := Keys()
	place := func(name string) int {
		return slices.IndexFunc(keys, func(k Key) bool { return matches(strings.Split(k.Name, "."), strings.Split(name, ".")) })
	}
	names := slices.Collect(maps.Keys(is))
	for name := range was {
		if _, both := is[name]; !both {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if order := place(a) - place(b); order != 0 {
			return order
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		if reflect.DeepEqual(was[name].Value, is[name].Value) {
			continue
		}
		from := is[name].From
		if from == "" {
			from = "default"
		}
		list = append(list, Change{
			Key: name, Old: shown(was[name].Value), New: shown(is[name].Value), From: from, Applies: keys[place(name)].Applies,
		})
	}
	return list
}

func byKey(settings []Setting) map[string]Setting {
	index := make(map[string]Setting, len(settings))
	for _, setting := range settings {
		index[setting.Key] = setting
	}
	return index
}

// changedProfiles names the kinds whose profiles differ for another reason than a key that is listed already.
func changedProfiles(was, is map[string]*kind.Kind, listed []Change) (list []Change) {
	for _, name := range slices.Sorted(maps.Keys(union(was, is))) {
		key := "kind." + name
		explained := slices.ContainsFunc(listed, func(c Change) bool { return strings.HasPrefix(c.Key, key+".") })
		if explained || reflect.DeepEqual(was[name], is[name]) {
			continue
		}
		change := Change{Key: key, Applies: AtNextLaunch}
		if was[name] != nil {
			change.Old = "a profile"
		}
		if is[name] != nil {
			change.New = "another profile"
		}
		list = append(list, change)
	}
	return list
}

// changedVariables names the variables that differ, but for the router's own, whose keys are listed.
func changedVariables(was, is map[string]string) (list []Change) {
	value := func(variables map[string]string, name string) any {
		if _, set := variables[name]; !set {
			return nil
		}
		return masked
	}
	for _, name := range slices.Sorted(maps.Keys(union(was, is))) {
		before, had := was[name]
		after, has := is[name]
		if strings.HasPrefix(name, prefix) || had == has && before == after {
			continue
		}
		list = append(list, Change{Key: "environment." + name, Old: value(was, name), New: value(is, name), Applies: AtNextLaunch})
	}
	return list
}

func union[V any](a, b map[string]V) map[string]V {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]V{}
	}
	maps.Copy(both, b)
	return both
}

// Adopt gives what a router that runs takes over from a configuration that was loaded anew: everything but the keys
// that count at the next start. Certificates come from the files that counted when it started. A profile that is the same stays the very same, so that it can be told by its pointer.
func (c *Config) Adopt(loaded Config) Config {
	next := loaded
	next.Data, next.Listen, next.OperatorListen = c.Data, c.Listen, c.OperatorListen
	next.BoundListeners = c.BoundListeners
	next.OnExit, next.KeepFor = c.OnExit, c.KeepFor
	next.Log.Format = c.Log.Format
	next.Isolation = c.Isolation
	next.Projects = c.Projects
	next.TLS, next.ProxyProtocol = c.TLS, c.ProxyProtocol
	if !slices.Equal(c.TLS.Certificates, loaded.TLS.Certificates) {
		next.Certificates = c.Certificates
	}
	next.Limits = c.Limits
	next.Limits.Body, next.Limits.BodyTimeout = loaded.Limits.Body, loaded.Limits.BodyTimeout
	next.Limits.InFlight, next.Limits.InFlightPerWorkspace = loaded.Limits.InFlight, loaded.Limits.InFlightPerWorkspace
	next.Profiles = make(map[string]*kind.Kind, len(loaded.Profiles))
	for name, profile := range loaded.Profiles {
		if before := c.Profiles[name]; reflect.DeepEqual(before, profile) {
			profile = before
		}
		next.Profiles[name] = profile
	}
	next.origins = maps.Clone(loaded.origins)
	for _, k := range Keys() {
		if k.Applies != AtNextStart {
			continue
		}
		delete(next.origins, k.Name)
		if place, set := c.origins[k.Name]; set {
			next.origins[k.Name] = place
		}
	}
	return next
}
